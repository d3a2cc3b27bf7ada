"""The one error that a user sees as a single line: what is wrong, where, what to do."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
  """A mistake that the user can mend; the programs print it as `error: …` and exit with code 2."""


def nearest(name: str, known: Iterable[str]) -> list[str]:
  """Returns up to three of the `known` names that look most like `name`, best first."""
  return difflib.get_close_matches(str(name), list(known), n=3, cutoff=0.5)


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
  """Returns the error for a name that is not known, with the nearest right ones.

  Args:
    kind: what was named, e.g. 'experiment'.
    name: what was given.
    known: every right name.
  """
  known = sorted(known)
  close = nearest(name, known)
  if close:
    return UserError(f'{kind} {name!r} is unknown; did you mean {" or ".join(close)}?')
  return UserError(f'{kind} {name!r} is unknown; known: {", ".join(known)}')
