"""JSON from outside: what is not plain JSON is refused with a reason, never with a traceback."""

import json
from collections.abc import Callable
from typing import Any

from tf_maskformer import errors


def parse(
    data: bytes, finite: bool = True, parse_int: Callable[[str], int] | None = None,
    parse_float: Callable[[str], float] | None = None) -> Any:
  """Returns the content of a JSON file.

  Args:
    data: the file's bytes, UTF-8.
    finite: whether NaN and Infinity, which Python writes, are refused.
    parse_int: makes a whole number of its text; may raise ValueError.
    parse_float: the same of other numbers; slow in large files.

  Raises:
    ValueError: it is not JSON, is nested too deeply, has a key twice or a number that is none or
      without end; the text is a phrase that says so.
  """
  if not data.strip():
    raise ValueError('is empty')
  try:
    return json.loads(
        data.decode('utf-8-sig'), object_pairs_hook=_unique, parse_int=parse_int,
        parse_float=parse_float, parse_constant=_refuse if finite else None)
  except json.JSONDecodeError as e:
    raise ValueError(f'is not JSON ({e})') from e
  except UnicodeDecodeError as e:
    raise ValueError(f'is not text in UTF-8 (byte {e.start})') from e
  except RecursionError as e:
    raise ValueError('is nested too deeply') from e
  except ValueError as e:
    raise ValueError(f'cannot be read as JSON ({e})') from e


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  content = dict(pairs)
  if len(content) < len(pairs):
    names = sorted(name for name, _ in pairs)
    twice = next(name for name, following in zip(names, names[1:]) if name == following)
    raise ValueError(f'{errors.quoted(twice)} is given twice')
  return content


def _refuse(constant: str) -> Any:
  raise ValueError(f'{constant} is not a finite number')
