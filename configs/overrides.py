"""Changes an experiment by `--config_file` and `--params_override`, checked against its fields.

All keys and values of one source are checked before the first is set, so a mistake changes nothing.
"""

import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from official.modeling import hyperparams

from tf_maskformer import errors
from tf_maskformer.configs import override_files
from tf_maskformer.configs import override_syntax
from tf_maskformer.configs import rules
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.values import convert
from tf_maskformer.configs.values import is_config
from tf_maskformer.configs.values import is_none


class Change(NamedTuple):
  """A field of a configuration and what it is to become; checked, but not yet set."""
  config: hyperparams.Config
  name: str
  value: Any


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
  changes: list[Change] = []
  for override in override_syntax.parse(text, source):
    where = f'{source}: {errors.quoted(override.key)}'
    changes += _resolve(experiment, override.key, override.value, where)
  _set(changes)


def apply_file(experiment: Experiment, path: str) -> None:
  """Changes `experiment` in place as a YAML or JSON file says; groups are nested or dotted.

  Raises:
    UserError: as `override_files.read` and `apply`.
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
  changes: list[Change] = []
  for key, value in values.items():
    changes += _resolve(experiment, str(key), value, f'{source}: {errors.quoted(key)}')
  _check_each_once(changes, source)
  _set(changes)


def keys(config: hyperparams.Config, prefix: str = '') -> Iterator[str]:
  """Yields the dotted name of every field that holds a value, not of groups."""
  for name in _annotations(config):
    if not _is_group(config, name):
      yield f'{prefix}{name}'
    elif getattr(config, name) is not None:
      yield from keys(getattr(config, name), f'{prefix}{name}.')


def _annotations(config: hyperparams.Config) -> dict[str, Any]:
  """Returns the annotations of a configuration's fields by name."""
  return config._get_annotations()  # pylint: disable=protected-access


def _is_group(config: hyperparams.Config, name: str) -> bool:
  """Whether a field is a group of fields: a configuration, or Optional of one."""
  if isinstance(getattr(config, name), hyperparams.Config):
    return True
  annotation = _annotations(config)[name]
  members = [one for one in typing.get_args(annotation) if one is not type(None)]
  return all(is_config(one) for one in members or [annotation])


def _resolve(root: Experiment, key: str, value: object, where: str) -> list[Change]:
  """Returns what setting `key` to `value` changes; nothing is set yet."""
  names = key.split('.')
  config: hyperparams.Config = root
  for depth, name in enumerate(names):
    if name not in _annotations(config):
      former = getattr(config, 'FORMER', {})
      if name not in former:
        raise _unknown(root, names, depth, where)
      _check_former({name: former[name]}, names[depth:], value, where)
      return []
    if depth == len(names) - 1:
      break
    if not _is_group(config, name) or getattr(config, name) is None:
      known = '.'.join(names[:depth + 1])
      raise errors.UserError(f'{where}: {known} has no fields below it')
    config = getattr(config, name)
  if _is_group(config, names[-1]):
    return _resolve_group(root, config, key, value, where)
  converted = convert(value, _annotations(config)[names[-1]], where)
  rules.check_value(key, converted, config, where)
  return [Change(config, names[-1], converted)]


def _resolve_group(root: Experiment, config: hyperparams.Config, key: str, value: object,
                   where: str) -> list[Change]:
  """Returns the changes of a group that a file gives as a mapping."""
  current = getattr(config, key.rpartition('.')[2])
  if current is None and is_none(value):
    return []
  if not isinstance(value, Mapping) or current is None:
    inside = ', '.join(_annotations(config if current is None else current))
    raise errors.UserError(f'{where} is a group, not a value; set one of its fields: {inside}')
  changes: list[Change] = []
  for name, one in value.items():
    changes += _resolve(root, f'{key}.{name}', one, f'{where}.{errors.quoted(name)}')
  return changes


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
      _check_former(former[name], [str(key)], one, f'{where}.{errors.quoted(key)}')
  elif isinstance(former[name], Mapping) or isinstance(value, Mapping) or (
      convert(value, type(former[name]), where) != former[name]):
    raise errors.UserError(
        f'{where} is {former[name]!r} in this model and cannot be changed; leave it out')


def _unknown(
    root: Experiment, names: Sequence[str], depth: int, where: str) -> errors.UserError:
  """Returns the error for a key that does not exist.

  It names the places where a field of that name is, else the names most like it.

  Args:
    root: the experiment.
    names: the parts of the key.
    depth: index of the first part that does not exist.
    where: source and key, for the message.
  """
  known = list(keys(root))
  parent = '.'.join(names[:depth])
  prefix = f'{parent}.' if parent else ''
  siblings = {key[len(prefix):].split('.')[0] for key in known if key.startswith(prefix)}
  close = [key for key in known if key.split('.')[-1] == names[-1]]
  if not close and depth == len(names) - 1:
    close = [prefix + name for name in errors.nearest(names[-1], siblings)]
  elif not close:
    close = errors.nearest('.'.join(names), known)
  if close:
    return errors.UserError(f'{where} does not exist; did you mean {" or ".join(close[:3])}?')
  inside = ', '.join(sorted(siblings))
  return errors.UserError(f'{where} does not exist; {parent or "an experiment"} has {inside}')


def _check_each_once(changes: Iterable[Change], source: str) -> None:
  """Checks that no field is set both in its group and by its dotted name."""
  seen = set()
  for change in changes:
    field = (id(change.config), change.name)
    if field in seen:
      raise errors.UserError(f'{source} sets {change.name} of one group twice; keep one of the two')
    seen.add(field)


def _set(changes: Iterable[Change]) -> None:
  for change in changes:
    setattr(change.config, change.name, change.value)
