"""Checks of the values of a JSON file from outside."""

from typing import Any


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
