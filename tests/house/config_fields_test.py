"""No option without effect: every configuration field is read by the code that it configures."""

import ast
import dataclasses
import functools
import importlib
import pathlib
import types

import pytest
from official.core import config_definitions

from tests.house import sources
from tf_maskformer import errors
from tf_maskformer.configs import overrides
from tf_maskformer.configs import rules
from tf_maskformer.configs import task

MODULES = ('backbones', 'data', 'evaluation', 'losses', 'model', 'optimization', 'task')


# Groups of fields: the configuration's class, and what the code calls an object of it.
GROUPS = {
    'task.train_data': (config_definitions.DataConfig, {'params', 'data'}),
    'trainer': (config_definitions.TrainerConfig, {'trainer', 'config'}),
    'runtime': (config_definitions.RuntimeConfig, {'runtime', '_runtime'}),
    'task': (config_definitions.TaskConfig, {'task', 'task_config', 'params'}),
}
# Read by the Model Garden's trainer, from which the project's is derived.
READ_BY_HOST = {
    'trainer.eval_tf_function', 'trainer.eval_tf_while_loop',
    'runtime.tpu_enable_xla_dynamic_padder'}


def _configurations(module: types.ModuleType) -> list[type]:
  """Returns the configuration classes that a module defines."""
  classes = [value for value in vars(module).values() if isinstance(value, type)]
  own = [c for c in classes if c.__module__ == module.__name__]
  return [c for c in own if dataclasses.is_dataclass(c)]


def _own_fields() -> set[str]:
  """Returns 'Class.field' of the project's configurations, less the fields of base classes."""
  own = set()
  for name in MODULES:
    for config in _configurations(importlib.import_module(f'tf_maskformer.configs.{name}')):
      bases = [b for b in config.__mro__[1:] if dataclasses.is_dataclass(b)]
      inherited = {field.name for b in bases for field in dataclasses.fields(b)}
      own |= {f'{config.__name__}.{n}' for n in set(config.__annotations__) - inherited}
  return own


@functools.cache
def _reads() -> set[tuple[str, str]]:
  """Returns pairs (last name of an object, attribute) that the code reads.

  The code is everything but configs/ and tests/.
  """
  pairs = set()
  packages = [p for p in sources.PACKAGES if p not in ('configs', 'tests')]
  for path in [*sources.files(*packages), pathlib.Path('train.py')]:
    for node in ast.walk(sources.tree(path)):
      if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        name = getattr(node.value, 'attr', getattr(node.value, 'id', ''))
        pairs.add((name, node.attr))
  return pairs


@pytest.mark.parametrize('field', sorted(_own_fields()))
def test_own_field_is_read(field):
  if field.startswith('Backbone.'):
    pytest.skip('chosen by Backbone.type through get()')
  assert field.rpartition('.')[2] in {name for _, name in _reads()}, f'{field} is read nowhere'


@pytest.mark.parametrize('key', [
    f'{group}.{field.name}'
    for group, (base, _) in GROUPS.items() for field in dataclasses.fields(base)])
def test_field_of_the_host_is_read_or_refused(key):
  group, _, name = key.rpartition('.')
  receivers = GROUPS[group][1]
  is_read = key in READ_BY_HOST or any((receiver, name) in _reads() for receiver in receivers)
  wrong = 'read and refused' if is_read else 'not read'
  assert is_read != rules.is_without_effect(key), f'{key} is {wrong}'


def test_a_field_without_effect_is_refused():
  experiment = task.Experiment()
  with pytest.raises(errors.UserError, match='task.train_data.tfds_name has no effect'):
    overrides.apply(experiment, 'task.train_data.tfds_name=coco')
  # Its own value, which a saved params.yaml has, is fine.
  overrides.apply(experiment, "task.train_data.tfds_name=''")
