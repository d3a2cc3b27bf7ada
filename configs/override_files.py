"""Files of settings: YAML or JSON, read but not yet checked against an experiment."""

import json
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import yaml

from tf_maskformer import errors
from tf_maskformer.configs import yaml_text
from tf_maskformer.configs.override_syntax import FILE_ENDINGS

LARGEST = 2**16  # bytes; a params.yaml with every field has 6 thousand
_DIGITS = 40  # of a whole number


def read(path: str) -> Mapping[str, Any]:
  """Returns what a YAML or JSON file of settings holds, not yet checked.

  Args:
    path: local or remote; its ending says which of the two it is.

  Returns:
    Values by name: mappings, lists, text, numbers, truth values and None, nested at most
    `yaml_text.DEPTH` levels.

  Raises:
    UserError: the file is missing, empty, too large, or neither YAML nor JSON with keys and values;
      or a key is given twice.
  """
  if not path.endswith(FILE_ENDINGS):
    raise errors.UserError(
        f'configuration file {path} has an ending other than {", ".join(FILE_ENDINGS)}')
  text = read_text(path, LARGEST, 'configuration file')
  loaded = _parse(path, text)
  if loaded is None:
    raise errors.UserError(
        f'configuration file {path} is empty; leave it out or put settings into it')
  if not isinstance(loaded, Mapping):
    raise errors.UserError(f'configuration file {path} holds no settings of the form "task: ..."')
  return loaded


def read_text(path: str, largest: int, what: str) -> str:
  """Returns the text of a file, which is UTF-8.

  Args:
    path: local or remote.
    largest: bytes that it may have.
    what: what the messages call the file.

  Raises:
    UserError: it cannot be read, is not a file, is too large or not UTF-8.
  """
  try:
    data = _read_bytes(path, largest)
  except _NotAFile as error:
    raise errors.UserError(f'{what} {path} cannot be read: it is not a file') from error
  except (tf.errors.OpError, OSError) as error:
    raise errors.UserError(f'{what} {path} cannot be read: {errors.reason(error)}') from error
  except ValueError as error:  # a NUL, or half a character of UTF-16
    raise errors.UserError(f'{what} {path} cannot be read: it is not a name of a file') from error
  if len(data) > largest:
    raise errors.UserError(
        f'{what} {path} has more than {largest} bytes, more than any such file needs')
  try:
    return data.decode('utf-8-sig')
  except UnicodeDecodeError as error:
    raise errors.UserError(
        f'{what} {path} cannot be read: byte {error.start} is not UTF-8; save it as UTF-8'
    ) from error


class _NotAFile(Exception):
  """A folder, a device or a pipe, which might never end."""


def _read_bytes(path: str, largest: int) -> bytes:
  """Returns the first `largest` + 1 bytes."""
  if '://' in path:
    with tf.io.gfile.GFile(path, 'rb') as file:
      return file.read(largest + 1)
  if os.path.exists(path) and not os.path.isfile(path):
    raise _NotAFile
  with open(path, 'rb') as file:
    return file.read(largest + 1)


def parse_json(text: str) -> Any:
  """Returns what a JSON text holds.

  Raises:
    ValueError: it is not JSON, nested too deeply, gives a key twice, or has a whole number of more
      than 40 digits.
  """
  try:
    loaded = json.loads(text, object_pairs_hook=_without_repetition, parse_int=_whole)
  except RecursionError as error:
    raise ValueError(f'nested deeper than {yaml_text.DEPTH} levels') from error
  _check_depth(loaded)
  return loaded


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  found: dict[str, Any] = {}
  for key, value in pairs:
    if key in found:
      raise ValueError(f'{errors.quoted(key)} is given twice; keep one of the two')
    found[key] = value
  return found


def _whole(digits: str) -> int:
  if len(digits) > _DIGITS:
    raise ValueError(f'a whole number has {len(digits)} digits; at most {_DIGITS} are possible')
  return int(digits)


def _check_depth(value: Any, depth: int = 0) -> None:
  if depth > yaml_text.DEPTH:
    raise ValueError(f'nested deeper than {yaml_text.DEPTH} levels')
  inside = value.values() if isinstance(value, dict) else value
  if isinstance(value, (dict, list)):
    for one in inside:
      _check_depth(one, depth + 1)


def _parse(path: str, text: str) -> object:
  try:
    return parse_json(text) if path.endswith('.json') else yaml_text.load(text)
  except json.JSONDecodeError as error:
    raise errors.UserError(f'{path}, line {error.lineno}: not JSON: {error.msg}') from error
  except ValueError as error:
    raise errors.UserError(f'{path}: not JSON of settings: {error}') from error
  except yaml.YAMLError as error:
    mark = getattr(error, 'problem_mark', None)
    place = f', line {mark.line + 1}' if mark else ''
    problem = _first_line(
        getattr(error, 'problem', None) or getattr(error, 'reason', None) or error)
    raise errors.UserError(f'{path}{place}: not YAML of settings: {problem}') from error


def _first_line(error: object) -> str:
  return (str(error).splitlines() or [type(error).__name__])[0]
