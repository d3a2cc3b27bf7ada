"""Checks of the values of a JSON file from outside."""

import re
from typing import Any

_DIGITS = re.compile('-?[0-9]{1,18}')
_MAX_WHOLE = 2**63 - 1


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


def as_whole(value: Any) -> Any:
  """Returns a whole number that a JSON has as 7.0 or '7' as an int, any other value as it is."""
  if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_WHOLE:
    return int(value)
  if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
    return int(value)
  return value
