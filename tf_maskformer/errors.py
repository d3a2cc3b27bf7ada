"""The one error that a user sees as a single line: what is wrong, where, what to do."""

import difflib
import re
from collections.abc import Iterable


class UserError(Exception):
  """A mistake that the user can fix; the programs print it as `error: …` and exit with code 2."""


def require(holds: bool, message: str) -> None:
  """Raises UserError with that message unless the condition holds."""
  if not holds:
    raise UserError(message)


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


# Lines of a TensorFlow error's message that say where in its graph, not what.
_GRAPH_LINE = re.compile(
    r'\s*$|Graph execution error|Detected at node|<stack traces|\s+File "|\s*\[\[|'
    r'\d+ (successful operations|derived errors|root error)')


def explain(message: str) -> str:
  """Returns what a TensorFlow error's message says, without the graph that it came from."""
  lines = [re.sub(r'\{\{.*?\}\}', '', line) for line in message.splitlines()]
  text = next((line for line in lines if not _GRAPH_LINE.match(line)), message)
  text = re.sub(r'^\s*\(0\) [A-Z_]+:', '', text).partition(' [Op:')[0].partition('[[')[0].strip()
  return text.removeprefix('assertion failed: [').rstrip('] ')[:200]
