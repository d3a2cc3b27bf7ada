"""params.yaml of a run: compared with what a folder holds before anything is written."""

import os
from typing import Any

import tensorflow as tf
import yaml

from tf_maskformer import files
from tf_maskformer.configs.experiments.settings import PARAMS
from tf_maskformer.configs.experiments.settings import as_yaml
from tf_maskformer.configs.task import Experiment
from tf_maskformer.errors import UserError


def compare(experiment: Experiment, name: str, folder: str) -> list[str]:
  """Returns the differences to the folder's params.yaml, one line each.

  Args:
    experiment: settled and valid.
    name: its registered name.
    folder: of the run.

  Raises:
    UserError: the folder belongs to another experiment or model.
  """
  path = os.path.join(folder, PARAMS)
  if not tf.io.gfile.exists(path):
    return []
  with tf.io.gfile.GFile(path) as file:
    before = _flat(yaml.safe_load(file.read()))
  now = _flat(yaml.safe_load(as_yaml(experiment, name)))
  # A field that only one of them knows was added or removed since; its default keeps what was.
  common = sorted(set(before) & set(now))
  changed = [key for key in common if before[key] != now[key]]
  fatal = [key for key in changed if key == 'experiment' or key.startswith('task.model.')]
  if fatal:
    key = fatal[0]
    raise UserError(
        f'{folder} was made with {key}={before[key]}, now it is {now[key]} ({len(fatal)} such '
        'differences); choose another --model_dir or the same model')
  return [f'{key}: {before[key]} -> {now[key]}' for key in changed]


def exist(folder: str) -> bool:
  """Whether a run's folder has its params.yaml."""
  return tf.io.gfile.exists(os.path.join(folder, PARAMS))


def write(experiment: Experiment, name: str, folder: str, step: int) -> None:
  """Writes params.yaml; one with other content is kept as params.before_step_<step>.yaml."""
  path = os.path.join(folder, PARAMS)
  text = as_yaml(experiment, name)
  if tf.io.gfile.exists(path):
    with tf.io.gfile.GFile(path) as file:
      if file.read() == text:
        return
    kept = os.path.join(folder, f'params.before_step_{step}.yaml')
    tf.io.gfile.rename(path, kept, overwrite=True)
  files.write_text(path, text)


def _flat(tree: Any, prefix: str = '') -> dict[str, Any]:
  """Returns the leaves of nested mappings by their dotted names."""
  if not isinstance(tree, dict):
    return {prefix.removesuffix('.'): tree}
  leaves = {}
  for name, value in tree.items():
    leaves.update(_flat(value, f'{prefix}{name}.'))
  return leaves
