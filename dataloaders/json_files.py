"""JSON from outside: what is not plain JSON is refused with a reason, never with a traceback."""

import json
from typing import Any


def parse(data: bytes) -> Any:
  """Returns the content of a JSON file.

  Raises:
    ValueError: it is not JSON, is nested too deeply, has a key twice or a number that is none (NaN)
      or without end; the text is a phrase that says so.
  """
  if not data.strip():
    raise ValueError('is empty')
  try:
    return json.loads(data, object_pairs_hook=_unique, parse_constant=_refuse)
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
  if len(content) != len(pairs):
    keys = [key for key, _ in pairs]
    twice = next(key for key in content if keys.count(key) > 1)
    raise ValueError(f'the key {twice[:80]!r} is there twice')
  return content


def _refuse(constant: str) -> Any:
  raise ValueError(f'{constant} is not a number')


def is_whole(value: Any, least: int, most: int) -> bool:
  """Whether a value of a JSON is a whole number (not true or false) within bounds."""
  return type(value) is int and least <= value <= most


def is_number(value: Any, least: float, most: float) -> bool:
  """Whether a value of a JSON is a finite number within bounds."""
  return type(value) in (int, float) and least <= value <= most


def is_text(value: Any) -> bool:
  """Whether a value of a JSON is a text, not empty, that can be written as UTF-8."""
  if not isinstance(value, str) or not value:
    return False
  try:
    value.encode()
  except UnicodeEncodeError:  # half a character, "\\ud800"
    return False
  return True
