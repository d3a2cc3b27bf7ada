"""The one error that a user sees as a single line: what is wrong, where, what to do."""

import difflib
import os
import re
import sys
import unicodedata
from collections.abc import Iterable

_LONGEST = 4000  # characters of a message
_LONGEST_NAME = 200
# Categories of Unicode that are not printed as they are: controls, directions of writing,
# halves of characters, ends of lines and paragraphs.
_UNPRINTED = ('Cc', 'Cf', 'Cs', 'Zl', 'Zp')


class UserError(Exception):
  """A mistake that the user can fix; the programs print it as `error: …` and exit with code 2.

  Its text is one printable line, whatever is in the names that it quotes.
  """

  def __init__(self, message: str):
    super().__init__(one_line(message))


def one_line(text: str, longest: int = _LONGEST) -> str:
  """Returns a text as one printable line: controls as escapes, the middle of a long one left out.

  Args:
    text: any; may quote names and messages from files.
    longest: characters of the result, apart from the remark on what was left out.
  """
  if len(text) > longest:
    head = longest * 2 // 3
    left_out = len(text) - longest
    text = f'{text[:head]} … ({left_out} characters) … {text[head - longest:]}'
  return ''.join(_escaped(c) if unicodedata.category(c) in _UNPRINTED else c for c in text)


def _escaped(character: str) -> str:
  return character.encode('unicode_escape').decode('ascii')


def quoted(name: object) -> str:
  """Returns the text of a name from a file, short enough to be part of a message."""
  return one_line(str(name), _LONGEST_NAME)


def say(text: str) -> None:
  """Prints one line, whatever is in the names that it quotes, at once."""
  print(one_line(text), flush=True)


def warn(text: str) -> None:
  """Prints a warning, one line, at once."""
  say(f'warning: {text}')


def require(holds: bool, message: str) -> None:
  """Raises UserError with that message unless the condition holds."""
  if not holds:
    raise UserError(message)


def nearest(name: str, known: Iterable[str]) -> list[str]:
  """Returns up to three of the `known` names that look most like `name`, best first."""
  # Of a very long name the comparison would take minutes.
  return difflib.get_close_matches(str(name)[:_LONGEST_NAME], list(known), n=3, cutoff=0.5)


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


def is_of_file_system(error: BaseException) -> bool:
  """Whether an error is an OSError or TensorFlow's, as its files raise them."""
  if isinstance(error, OSError):
    return True
  tensorflow = sys.modules.get('tensorflow')
  return tensorflow is not None and isinstance(error, tensorflow.errors.OpError)


def reason(error: BaseException) -> str:
  """Returns why the file system refused, in few words, e.g. 'No space left on device'.

  Args:
    error: an OSError, or an error of TensorFlow.
  """
  if isinstance(error, OSError) and error.errno:
    return os.strerror(error.errno)
  text = explain(str(getattr(error, 'message', error)))
  return text.rpartition('; ')[2] or type(error).__name__


# Lines of a TensorFlow error's message that say where in its graph, not what.
_GRAPH_LINE = re.compile(
    r'\s*$|Graph execution error|Detected at node|<stack traces|\s+File "|\s*\[\[|'
    r'\d+ (successful operations|derived errors|root error)')


def explain(message: str) -> str:
  """Returns what a TensorFlow error's message says, without the graph that it came from."""
  lines = [re.sub(r'\{\{.*?\}\}', '', line) for line in message.splitlines()]
  text = next((line for line in lines if not _GRAPH_LINE.match(line)), message)
  text = re.sub(r'^\s*\(0\) [A-Z_]+:', '', text).partition(' [Op:')[0].partition('[[')[0].strip()
  return one_line(text.removeprefix('assertion failed: [').rstrip('] '), _LONGEST_NAME)
