"""Changes an experiment by `--config_file` and `--params_override`, every value checked against its field.

All keys and values of one source are checked before the first is set, so a mistake changes nothing.
"""

import json
import math
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn, Union

import tensorflow as tf
import yaml
from official.modeling import hyperparams

from tf_maskformer import errors
from tf_maskformer.configs import override_syntax
from tf_maskformer.configs import rules
from tf_maskformer.configs.override_syntax import FILE_ENDINGS
from tf_maskformer.configs.override_syntax import Bare
from tf_maskformer.configs.task import Experiment

_BOOL = {'true': True, 'false': False, '1': True, '0': False}
_NONE = ('None', 'none', 'null')
_WHOLE = re.compile(r'[+-]?\d+')
_WORDS = {bool: 'True or False', int: 'a whole number', float: 'a number', str: 'text', type(None): 'None'}


def apply(experiment: Experiment, text: str, source: str = '--params_override') -> None:
  """Changes `experiment` in place as `text` says.

  Args:
    experiment: a registered experiment.
    text: assignments as in `override_syntax`, or the name of a .yaml or .json file.
    source: what the error messages call the text.

  Raises:
    UserError: syntax, an unknown key, a value of another type than its field's or out of its range.
  """
  if override_syntax.is_file(text):
    apply_file(experiment, text.strip())
    return
  changes = []
  for override in override_syntax.parse(text, source):
    changes.extend(_resolve(experiment, override.key, override.value, f'{source}: {override.key}'))
  _set(changes)


def apply_file(experiment: Experiment, path: str) -> None:
  """Changes `experiment` in place as a YAML or JSON file says; groups are nested or dotted.

  Raises:
    UserError: the file is missing, empty or no YAML; else as `apply`.
  """
  apply_values(experiment, read_file(path), path)


def apply_values(experiment: Experiment, values: Mapping, source: str) -> None:
  """Changes `experiment` in place as `values` say; groups are nested or dotted.

  Args:
    experiment: a registered experiment.
    values: from key to value, as a YAML file has them.
    source: what the error messages call them.

  Raises:
    UserError: as `apply`.
  """
  changes = []
  for key, value in values.items():
    changes.extend(_resolve(experiment, str(key), value, f'{source}: {key}'))
  _set(changes)


def keys(config: hyperparams.Config, prefix: str = '') -> Iterator[str]:
  """Yields the dotted name of every field that holds a value, not of groups."""
  for name, annotation in _fields(config).items():
    value = getattr(config, name)
    if _group(annotation, value):
      if value is not None:
        yield from keys(value, f'{prefix}{name}.')
    else:
      yield f'{prefix}{name}'


def convert(value: object, annotation: object, where: str) -> object:
  """Returns `value` as its field's type.

  Args:
    value: from a YAML file, or `Bare` text of an override.
    annotation: the field's: bool, int, float, str, Optional, Union, list or Sequence of these.
    where: source and key, for the message.

  Raises:
    UserError: the value is not of that type.
  """
  converted = _convert(value, annotation)
  if converted is _WRONG:
    _fail_type(value, annotation, where)
  return converted


class _Wrong:
  """The type of `_WRONG`, what `_convert` returns for a value of another type."""


_WRONG = _Wrong()


def _convert(value: object, annotation: object) -> object:
  origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
  if origin in (Union, types.UnionType):
    # None first: the word None is no text where the field may be None.
    arguments = [a for a in arguments if not _is_config(a)]
    ordered = sorted(arguments, key=lambda a: (a is not type(None), a is str))
    return next((c for c in (_convert(value, a) for a in ordered) if c is not _WRONG), _WRONG)
  if isinstance(origin, type) and issubclass(origin, Sequence):
    if not isinstance(value, (list, tuple)):
      return _WRONG
    items = [_convert(v, arguments[0]) for v in value]
    return _WRONG if any(i is _WRONG for i in items) else items
  return _CONVERTERS[annotation](value)


def _to_bool(value):
  if isinstance(value, Bare):
    return _BOOL.get(value.lower(), _WRONG)
  return value if isinstance(value, bool) else _WRONG


def _to_int(value):
  if isinstance(value, Bare):
    return int(value) if _WHOLE.fullmatch(value) else _WRONG
  return value if isinstance(value, int) and not isinstance(value, bool) else _WRONG


def _to_float(value):
  if isinstance(value, (list, tuple, bool, type(None))) or '_' in str(value):
    return _WRONG
  try:  # text too: YAML takes 1e-4 for text
    number = float(value)
  except (TypeError, ValueError):
    return _WRONG
  return number if math.isfinite(number) else _WRONG


def _to_str(value):
  if isinstance(value, Bare):
    return _WRONG if value in _NONE else str(value)
  return value if isinstance(value, str) else _WRONG


def _to_none(value):
  return None if value is None or isinstance(value, Bare) and value in _NONE else _WRONG


_CONVERTERS = {bool: _to_bool, int: _to_int, float: _to_float, str: _to_str, type(None): _to_none}


def _describe(annotation: object) -> str:
  origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
  if origin in (Union, types.UnionType):
    return ' or '.join(_describe(a) for a in arguments if not _is_config(a))
  if isinstance(origin, type) and issubclass(origin, Sequence):
    return f'a list [...], each {_describe(arguments[0])}'
  return _WORDS[annotation]


def _fail_type(value: object, annotation: object, where: str) -> NoReturn:
  given = 'None' if value is None or isinstance(value, Bare) and value in _NONE else repr(value)
  hint = ''
  if annotation is str and not isinstance(value, (list, dict)):
    hint = "; write '' for no text" if given == 'None' else '; put it in quotes if it is meant as text'
  raise errors.UserError(f'{where} must be {_describe(annotation)}, not {given}{hint}')


def _is_config(annotation: object) -> bool:
  return isinstance(annotation, type) and issubclass(annotation, hyperparams.Config)


def _group(annotation: object, value: object) -> bool:
  """Whether a field is a group of fields: a configuration, or Optional of one."""
  if isinstance(value, hyperparams.Config):
    return True
  choices = [a for a in typing.get_args(annotation) if a is not type(None)] or [annotation]
  return all(_is_config(a) for a in choices)


def _fields(config: hyperparams.Config) -> dict[str, object]:
  """From name to annotation of the fields of a configuration."""
  return config._get_annotations()  # pylint: disable=protected-access


def _resolve(root: Experiment, key: str, value: object, where: str) -> list[tuple]:
  """Returns the (configuration, field, value) that setting `key` means; checked, nothing is set."""
  config, names = root, key.split('.')
  for depth, name in enumerate(names):
    fields = _fields(config)
    if name not in fields:
      former = getattr(config, 'FORMER', {})
      if name not in former:
        raise _unknown(root, names, depth, where)
      _check_former({name: former[name]}, names[depth:], value, where)
      return []
    annotation, current = fields[name], getattr(config, name)
    group = _group(annotation, current)
    if depth == len(names) - 1:
      return _resolve_last(root, config, key, value, where)
    if not group or current is None:
      raise errors.UserError(f'{where}: {".".join(names[:depth + 1])} has no fields below it')
    config = current


def _check_former(former: Mapping, names: Sequence[str], value: object, where: str) -> None:
  """Checks that a field of an earlier version is given the value that is now part of the model.

  Args:
    former: the only values, by name; groups are nested.
    names: of the field, below the group that `former` is.
    value: what it is given.
    where: source and key, for the message.
  """
  name, *below = names
  if name not in former:
    raise errors.UserError(f'{where} does not exist')
  if below:
    _check_former(former[name], below, value, where)
  elif isinstance(value, Mapping) and isinstance(former[name], Mapping):
    for key, one in value.items():
      _check_former(former[name], [str(key)], one, f'{where}.{key}')
  elif isinstance(former[name], Mapping) or isinstance(value, Mapping) or (
      convert(value, type(former[name]), where) != former[name]):
    raise errors.UserError(
        f'{where} is {former[name]!r} in this model and cannot be changed; leave it out')


def _resolve_last(root, config, key, value, where) -> list[tuple]:
  name = key.rpartition('.')[2]
  annotation, current = _fields(config)[name], getattr(config, name)
  if not _group(annotation, current):
    converted = convert(value, annotation, where)
    rules.check_value(key, converted, config, where)
    return [(config, name, converted)]
  if current is None and _convert(value, type(None)) is None:
    return []
  if not isinstance(value, Mapping) or current is None:
    inside = ', '.join(_fields(config if current is None else current))
    raise errors.UserError(f'{where} is a group, not a value; set one of its fields: {inside}')
  return [change for k, v in value.items() for change in _resolve(root, f'{key}.{k}', v, f'{where}.{k}')]


def _unknown(root: Experiment, names: Sequence[str], depth: int, where: str) -> errors.UserError:
  """The error for a key that does not exist: the right place of that name, else the nearest spelling."""
  known = list(keys(root))
  same_name = [k for k in known if k.split('.')[-1] == names[-1]]
  parent = '.'.join(names[:depth])
  prefix = f'{parent}.' if parent else ''
  beside = {k[len(prefix):].split('.')[0] for k in known if k.startswith(prefix)}
  if depth == len(names) - 1:
    close = same_name or [prefix + name for name in errors.nearest(names[-1], beside)]
  else:
    close = same_name or errors.nearest('.'.join(names), known)
  if close:
    return errors.UserError(f'{where} does not exist; did you mean {" or ".join(close[:3])}?')
  inside = ', '.join(sorted(beside))
  return errors.UserError(f'{where} does not exist; {parent or "an experiment"} has {inside}')


def _set(changes: Sequence[tuple]) -> None:
  for config, name, value in changes:
    setattr(config, name, value)


def read_file(path: str) -> Mapping:
  """Returns what a YAML or JSON file of settings holds, not yet checked.

  Raises:
    UserError: the file is missing, empty, or neither YAML nor JSON with keys and values.
  """
  if not path.endswith(FILE_ENDINGS):
    raise errors.UserError(f'configuration file {path} has another ending than {", ".join(FILE_ENDINGS)}')
  try:
    with tf.io.gfile.GFile(path) as file:
      text = file.read()
  except (tf.errors.OpError, UnicodeDecodeError, OSError) as error:
    raise errors.UserError(f'configuration file {path} cannot be read: {_first_line(error)}') from error
  try:
    loaded = json.loads(text) if path.endswith('.json') else yaml.safe_load(text)
  except json.JSONDecodeError as error:
    raise errors.UserError(f'{path}, line {error.lineno}: not JSON: {error.msg}') from error
  except yaml.YAMLError as error:
    line = getattr(error, 'problem_mark', None)
    place = f', line {line.line + 1}' if line else ''
    problem = _first_line(getattr(error, 'problem', error))
    raise errors.UserError(f'{path}{place}: not YAML: {problem}') from error
  if loaded is None:
    raise errors.UserError(f'configuration file {path} is empty; leave it out or put settings into it')
  if not isinstance(loaded, Mapping):
    raise errors.UserError(f'configuration file {path} holds no settings of the form "task: ..."')
  return loaded


def _first_line(error: object) -> str:
  return str(error).splitlines()[0]
