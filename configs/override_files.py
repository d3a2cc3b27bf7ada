"""Files of settings: YAML or JSON, read but not yet checked against an experiment."""

import json
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import yaml

from tf_maskformer import errors
from tf_maskformer.configs.override_syntax import FILE_ENDINGS


def read(path: str) -> Mapping[str, Any]:
  """Returns what a YAML or JSON file of settings holds, not yet checked.

  Args:
    path: local or remote; its ending says which of the two it is.

  Raises:
    UserError: the file is missing, empty, or neither YAML nor JSON with keys and values.
  """
  loaded = _parse(path, _read_text(path))
  if loaded is None:
    raise errors.UserError(
        f'configuration file {path} is empty; leave it out or put settings into it')
  if not isinstance(loaded, Mapping):
    raise errors.UserError(f'configuration file {path} holds no settings of the form "task: ..."')
  return loaded


def _read_text(path: str) -> str:
  if not path.endswith(FILE_ENDINGS):
    raise errors.UserError(
        f'configuration file {path} has an ending other than {", ".join(FILE_ENDINGS)}')
  try:
    with tf.io.gfile.GFile(path) as file:
      return file.read()
  except (tf.errors.OpError, UnicodeDecodeError, OSError) as error:
    raise errors.UserError(
        f'configuration file {path} cannot be read: {_first_line(error)}') from error


def _parse(path: str, text: str) -> object:
  try:
    return json.loads(text) if path.endswith('.json') else yaml.safe_load(text)
  except json.JSONDecodeError as error:
    raise errors.UserError(f'{path}, line {error.lineno}: not JSON: {error.msg}') from error
  except yaml.YAMLError as error:
    mark = getattr(error, 'problem_mark', None)
    place = f', line {mark.line + 1}' if mark else ''
    problem = _first_line(getattr(error, 'problem', error))
    raise errors.UserError(f'{path}{place}: not YAML: {problem}') from error


def _first_line(error: object) -> str:
  return str(error).splitlines()[0]
