"""The text of `--params_override`: `a.b=1,c.d=[1,2],e='x,y'` into keys and values, not yet typed.

    overrides: piece (',' piece)*
    piece:     key '=' value
    value:     '[' (value (',' value)*)? ']'  |  quoted text  |  bare text without ',' and brackets

Bare text stays text: whether `off` is a word or False depends on the type of the field.
"""

import dataclasses
import re
from collections.abc import Iterator
from typing import NoReturn

from tf_maskformer import errors

FILE_ENDINGS = ('.yaml', '.yml', '.json')
_KEY = re.compile(r'[A-Za-z_]\w*(\.\w+)*')
_LONGEST = 2**17  # characters, as many as one argument of a process may have
_DEPTH = 8  # lists inside each other; no field has more than one
_UNUSABLE = re.compile('[\0\ud800-\udfff]')  # NUL, and bytes that were not UTF-8
_QUOTES = ('"', "'")
_BEFORE_QUOTE = ('', '=', ',', '[')  # elsewhere a quotation mark is a part of a word


class Bare(str):
  """Text that was not in quotes, so that it may stand for a number, True or None as well."""


@dataclasses.dataclass(frozen=True)
class Override:
  """One assignment: a dotted key, its value and the piece of text it was read from."""
  key: str
  value: object
  piece: str


def is_file(text: str) -> bool:
  """Whether the text of `--params_override` is the name of a file."""
  return text.strip().endswith(FILE_ENDINGS) and '=' not in text


def is_text(text: str) -> bool:
  """Whether a text can be in a file or be the name of one: no NUL, and all of it UTF-8."""
  return not _UNUSABLE.search(text)


def check(text: str, source: str = '--params_override') -> None:
  """Raises UserError where `parse` would; a file is not opened."""
  if not is_file(text):
    parse(text, source)


def parse(text: str, source: str = '--params_override') -> list[Override]:
  """Returns the assignments of `text` in their order.

  Args:
    text: `a.b=1,c.d=[1,2],e='x,y'`; blanks around keys, values and commas do not count.
    source: what the error messages call the text.

  Returns:
    Overrides; values are `Bare` text, `str` (was quoted) or a list of such values.

  Raises:
    UserError: the text is not such a list; the wrong piece is in the message.
  """
  if not text.strip():
    raise errors.UserError(f'{source} is empty; leave it out or write key=value')
  if len(text) > _LONGEST:
    raise errors.UserError(
        f'{source} has {len(text)} characters; at most {_LONGEST} are possible, more fit in a file')
  if not is_text(text):
    raise errors.UserError(f'{source} is not UTF-8 text: {errors.quoted(text)}')
  found: dict[str, Override] = {}
  for piece in _pieces(text, source):
    override = _assignment(piece, source)
    if override.key in found:
      key = errors.quoted(override.key)
      raise errors.UserError(f'{source} sets {key} twice; keep one of the two')
    found[override.key] = override
  return list(found.values())


def _pieces(text: str, source: str) -> Iterator[str]:
  """Yields the pieces between the commas that stand outside of brackets and quotes."""
  depth = 0
  quote = ''
  start = 0
  before = ''  # the last character that is not a blank
  for at, char in enumerate(text):
    last = before
    before = before if char.isspace() else char
    if quote:
      quote = '' if char == quote else quote
    elif char in _QUOTES and last in _BEFORE_QUOTE:
      quote = char
    elif char == '[':
      depth += 1
      if depth > _DEPTH:
        _fail(source, text[start:], f'has lists nested deeper than {_DEPTH} levels')
    elif char == ']':
      depth -= 1
      if depth < 0:
        _fail(source, text[start:at + 1], 'has a ] without its [')
    elif char == ',' and not depth:
      yield text[start:at].strip()
      start = at + 1
  piece = text[start:].strip()
  if quote:
    _fail(source, piece, f'has no closing {quote}')
  if depth:
    _fail(source, piece, 'has a [ without its ]')
  yield piece


def _assignment(piece: str, source: str) -> Override:
  if not piece:
    raise errors.UserError(
        f'{source} has nothing between two commas or at an end; remove the extra comma')
  key, equals, value = (part.strip() for part in piece.partition('='))
  if not equals:
    _fail(source, piece,
          'is not key=value; a list is written key=[4,5], text with commas in quotes')
  if not _KEY.fullmatch(key):
    _fail(source, piece, f'has {errors.quoted(repr(key))} before the =, which is not a dotted name')
  if not value:
    name = errors.quoted(key)
    raise errors.UserError(
        f'{source}: {name} has an empty value (is the environment variable set?); write '
        f"{name}='' for no text")
  return Override(key, _value(value, piece, source), piece)


def _value(text: str, piece: str, source: str) -> object:
  if text.startswith('['):
    return _list(text, piece, source)
  quote = text[0]
  if quote in _QUOTES:
    closing = text.find(quote, 1)
    if closing != len(text) - 1:
      _fail(source, piece, 'continues after the closing quote')
    return text[1:-1]
  if re.search(r'\s[\w.]+\s*=', text):
    _fail(source, piece, 'looks like several; put commas between them')
  return Bare(text)


def _list(text: str, piece: str, source: str) -> list[object]:
  if not text.endswith(']'):
    _fail(source, piece, 'continues after the ]')
  inner = text[1:-1].strip()
  if not inner:
    return []
  parts = list(_pieces(inner, source))
  if not all(parts):
    _fail(source, piece, 'has an empty place in its list')
  return [_value(part, piece, source) for part in parts]


def _fail(source: str, piece: str, problem: str) -> NoReturn:
  raise errors.UserError(f'{source}: {errors.quoted(repr(piece))} {problem}')
