"""params.yaml of a run: compared with what a folder holds before anything is written."""

import os
from typing import Any

import tensorflow as tf
import yaml

from tf_maskformer import files
from tf_maskformer.configs import override_files
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.configs.experiments import settings
from tf_maskformer.configs.experiments.settings import PARAMS
from tf_maskformer.configs.experiments.settings import as_yaml
from tf_maskformer.configs.task import Experiment
from tf_maskformer.errors import UserError
from tf_maskformer.errors import quoted
from tf_maskformer.errors import warn

_LAST = 'trainer.validation_interval'  # as_yaml sorts: a file without it was cut off


def compare(experiment: Experiment, name: str, folder: str, has_weights: bool) -> list[str]:
  """Returns the differences to the folder's params.yaml, one line each.

  Args:
    experiment: settled and valid.
    name: its registered name.
    folder: of the run.
    has_weights: whether the folder has a checkpoint. If not, a damaged params.yaml protects
      nothing, and is replaced.

  Raises:
    UserError: the folder belongs to another experiment or model, or its params.yaml, which says to
      which, is damaged.
  """
  path = os.path.join(folder, PARAMS)
  if not tf.io.gfile.exists(path):
    if has_weights:
      warn(f'{folder} has checkpoints but no {PARAMS}; that they are of this experiment is not '
           'checked beyond the shapes of the weights')
    return []
  try:
    before = _read(path)
  except UserError as e:
    if has_weights:
      raise
    warn(f'{e}; the folder has no checkpoint, so it is replaced')
    return []
  now = of(experiment, name)
  # A field that only one of them knows was added or removed since; its default keeps what was.
  common = sorted(set(before) & set(now))
  _compare_data_sets(before.get('task.data_set'), experiment.task.data_set, folder)
  changed = [key for key in common if before[key] != now[key]]
  fatal = [key for key in changed if key == 'experiment' or key.startswith('task.model.')]
  if fatal:
    key = fatal[0]
    raise UserError(
        f'{folder} was made with {key}={quoted(before[key])}, now it is {now[key]} ({len(fatal)} '
        'such differences); choose another --model_dir or the same model')
  return [f'{key}: {quoted(before[key])} -> {now[key]}' for key in changed]


def of(experiment: Experiment, name: str) -> dict[str, Any]:
  """Returns the fields of an experiment's params.yaml by their dotted names."""
  return _flat(yaml.safe_load(as_yaml(experiment, name)))


def _compare_data_sets(before: Any, now: str, folder: str) -> None:
  """Raises UserError where a run's data set, its own copy or a built-in one, has other classes."""
  path = os.path.join(folder, descriptor_file.NAME)
  if tf.io.gfile.exists(path):
    before = path
  elif before not in catalog.names():
    return
  difference = descriptor.difference(catalog.get(before), catalog.get(now))
  if difference:
    raise UserError(
        f'{folder} was made with other classes: {difference}; choose another --model_dir or the '
        'same classes')


def _read(path: str) -> dict[str, Any]:
  """Returns the fields of a params.yaml by their dotted names.

  Raises:
    UserError: it is damaged or cut off.
  """
  fields = _flat(dict(override_files.read(path)))
  missing = [key for key in ('experiment', _LAST) if key not in fields]
  if missing:
    raise UserError(
        f'{path} is damaged, since {missing[0]} is missing; restore it, or remove it to continue '
        'with the settings of the command')
  return fields


def exist(folder: str) -> bool:
  """Whether a run's folder has its params.yaml."""
  return tf.io.gfile.exists(os.path.join(folder, PARAMS))


def write(experiment: Experiment, name: str, folder: str, step: int) -> None:
  """Writes params.yaml; one with other content is kept as params.before_step_<step>.yaml."""
  path = os.path.join(folder, PARAMS)
  text = as_yaml(experiment, name)
  if tf.io.gfile.exists(path):
    with tf.io.gfile.GFile(path, 'rb') as file:
      if file.read() == text.encode('utf-8'):
        return
    kept = os.path.join(folder, f'params.before_step_{step}.yaml')
    tf.io.gfile.copy(path, kept, overwrite=True)  # not renamed: a kill would leave none
  settings.write_data_set(folder, experiment.task.data_set)
  files.write_text(path, text)


def _flat(tree: Any, prefix: str = '') -> dict[str, Any]:
  """Returns the leaves of nested mappings by their dotted names."""
  if not isinstance(tree, dict):
    return {prefix.removesuffix('.'): tree}
  leaves = {}
  for name, value in tree.items():
    leaves.update(_flat(value, f'{prefix}{name}.'))
  return leaves
