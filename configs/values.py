"""Values of settings as their fields' types: from the text of an override or from a file."""

import math
import re
import reprlib
import types
import typing
from collections.abc import Sequence
from typing import Any, NoReturn, Union

from official.modeling import hyperparams

from tf_maskformer import errors
from tf_maskformer.configs.override_syntax import Bare
from tf_maskformer.configs.override_syntax import is_text

_BOOL = {'true': True, 'false': False, '1': True, '0': False}
_NONE = ('None', 'none', 'null')
_INTEGER = re.compile(r'[+-]?[0-9]{1,40}')
# Digits and a point as Python's float() takes them, without its 1_000, inf and other scripts.
_FLOAT = re.compile(r'[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?')
_WORDS: dict[Any, str] = {
    bool: 'True or False', int: 'a whole number', float: 'a number', str: 'text',
    type(None): 'None'}
# What a message shows of a value: its beginning and its end.
_SHORT = reprlib.Repr()
_SHORT.maxlist = 20
_SHORT.maxstring = 200
_SHORT.maxother = 200
_SHORT.maxlong = 60


class _WrongType(Exception):
  """A value is not of its field's type."""


def convert(value: object, annotation: Any, where: str) -> Any:
  """Returns `value` as its field's type.

  Args:
    value: from a YAML file, or `Bare` text of an override.
    annotation: the field's: bool, int, float, str, Optional, Union, list or Sequence of these.
    where: source and key, for the message.

  Raises:
    UserError: the value is not of that type.
  """
  try:
    return _convert(value, annotation)
  except _WrongType:
    _refuse(value, annotation, where)


def parse_number(value: str | float) -> float | None:
  """Returns a number, or what a text says; None where that is not a finite number."""
  if isinstance(value, str) and not _FLOAT.fullmatch(value.strip()):
    return None
  try:
    number = float(value)
  except OverflowError:  # of a whole number
    return None
  return number + 0.0 if math.isfinite(number) else None  # -0.0 becomes 0.0


def is_none(value: object) -> bool:
  """Whether a value is None, or the word None without quotes."""
  return value is None or isinstance(value, Bare) and value in _NONE


def is_config(annotation: object) -> bool:
  """Whether an annotation is a class of configurations."""
  return isinstance(annotation, type) and issubclass(annotation, hyperparams.Config)


def _is_union(annotation: object) -> bool:
  return typing.get_origin(annotation) in (Union, types.UnionType)


def _is_list(annotation: object) -> bool:
  origin = typing.get_origin(annotation)
  return isinstance(origin, type) and issubclass(origin, Sequence)


def _members(annotation: object) -> list[Any]:
  """Returns the types of a union that are not configurations."""
  return [one for one in typing.get_args(annotation) if not is_config(one)]


def _convert(value: object, annotation: Any) -> Any:
  """Returns the converted value, or raises `_WrongType`."""
  if _is_union(annotation):
    return _convert_to_any(value, _members(annotation))
  if _is_list(annotation):
    if not isinstance(value, (list, tuple)):
      raise _WrongType
    element = typing.get_args(annotation)[0]
    return [_convert(one, element) for one in value]
  return _CONVERTERS[annotation](value)


def _convert_to_any(value: object, annotations: Sequence[Any]) -> Any:
  # None first, text last: the word None is not text where the field may be None.
  ordered = sorted(annotations, key=lambda one: (one is not type(None), one is str))
  for annotation in ordered:
    try:
      return _convert(value, annotation)
    except _WrongType:
      continue
  raise _WrongType


def _to_bool(value: object) -> bool:
  if isinstance(value, Bare) and value.lower() in _BOOL:
    return _BOOL[value.lower()]
  if isinstance(value, bool):
    return value
  raise _WrongType


def _to_int(value: object) -> int:
  if isinstance(value, Bare) and _INTEGER.fullmatch(value):
    return int(value)
  if isinstance(value, int) and not isinstance(value, bool):
    return value
  raise _WrongType


def _to_float(value: object) -> float:
  # Text too: YAML takes 1e-4 for text.
  if not isinstance(value, (str, int, float)) or isinstance(value, bool):
    raise _WrongType
  number = parse_number(value)
  if number is None:
    raise _WrongType
  return number


def _to_str(value: object) -> str:
  if not isinstance(value, str) or is_none(value) or not is_text(value):
    raise _WrongType
  return str(value)


def _to_none(value: object) -> None:
  if not is_none(value):
    raise _WrongType


_CONVERTERS: dict[Any, Any] = {
    bool: _to_bool, int: _to_int, float: _to_float, str: _to_str, type(None): _to_none}


def _describe(annotation: Any) -> str:
  if _is_union(annotation):
    return ' or '.join(_describe(one) for one in _members(annotation))
  if _is_list(annotation):
    return f'a list [...], each {_describe(typing.get_args(annotation)[0])}'
  return _WORDS[annotation]


def _refuse(value: object, annotation: Any, where: str) -> NoReturn:
  given = 'None' if is_none(value) else _SHORT.repr(value)
  hint = ''
  if annotation is str and is_none(value):
    hint = "; write '' for no text"
  elif annotation is str and isinstance(value, str):
    hint = '; a NUL or half a character has no place in it'
  elif annotation is str and not isinstance(value, (list, dict)):
    hint = '; put it in quotes if it is meant as text'
  raise errors.UserError(f'{where} must be {_describe(annotation)}, not {given}{hint}')
