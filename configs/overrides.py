"""Changes an experiment by `--config_file` and `--params_override`, every value checked against its field.

All keys and values of one source are checked before the first is set, so a mistake changes nothing.
"""

import typing
from collections.abc import Iterator, Mapping, Sequence

from official.modeling import hyperparams

from tf_maskformer import errors
from tf_maskformer.configs import override_files
from tf_maskformer.configs import override_syntax
from tf_maskformer.configs import rules
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.values import convert
from tf_maskformer.configs.values import is_config
from tf_maskformer.configs.values import is_none


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
  apply_values(experiment, override_files.read(path), path)


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


def _group(annotation: object, value: object) -> bool:
  """Whether a field is a group of fields: a configuration, or Optional of one."""
  if isinstance(value, hyperparams.Config):
    return True
  choices = [a for a in typing.get_args(annotation) if a is not type(None)] or [annotation]
  return all(is_config(a) for a in choices)


def _fields(config: hyperparams.Config) -> dict[str, object]:
  """From name to annotation of the fields of a configuration."""
  return config._get_annotations()  # pylint: disable=protected-access


def _resolve(root: Experiment, key: str, value: object, where: str) -> list[tuple]:
  """Returns the (configuration, field, value) that setting `key` means; checked, nothing is set."""
  config, names = root, key.split('.')
  for depth, name in enumerate(names):
    fields = _fields(config)
    if name not in fields:
      raise _unknown(root, names, depth, where)
    annotation, current = fields[name], getattr(config, name)
    group = _group(annotation, current)
    if depth == len(names) - 1:
      return _resolve_last(root, config, key, value, where)
    if not group or current is None:
      raise errors.UserError(f'{where}: {".".join(names[:depth + 1])} has no fields below it')
    config = current


def _resolve_last(root, config, key, value, where) -> list[tuple]:
  name = key.rpartition('.')[2]
  annotation, current = _fields(config)[name], getattr(config, name)
  if not _group(annotation, current):
    converted = convert(value, annotation, where)
    rules.check_value(key, converted, config, where)
    return [(config, name, converted)]
  if current is None and is_none(value):
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
