"""params.yaml of a run: compared with what a folder holds before anything is written."""

import os

import tensorflow as tf
import yaml

from tf_maskformer.errors import UserError


def _flat(tree, prefix='') -> dict:
  if not isinstance(tree, dict):
    return {prefix[:-1]: tree}
  return {k: v for name, value in tree.items() for k, v in _flat(value, f'{prefix}{name}.').items()}


def _plain(experiment, name: str) -> dict:
  """The parameters as YAML gives them back."""
  return yaml.safe_load(yaml.safe_dump({'experiment': name, **experiment.as_dict()}))


def compare(experiment, name: str, folder: str) -> list[str]:
  """Returns the differences to the folder's params.yaml, a line each.

  Raises:
    UserError: the folder belongs to another experiment or model.
  """
  path = os.path.join(folder, 'params.yaml')
  if not tf.io.gfile.exists(path):
    return []
  with tf.io.gfile.GFile(path) as file:
    before = _flat(yaml.safe_load(file.read()))
  now = _flat(_plain(experiment, name))
  # A field that only one of them knows was added or removed since; its default keeps what was.
  keys = [k for k in sorted(set(before) & set(now)) if before[k] != now[k]]
  fatal = [k for k in keys if k == 'experiment' or k.startswith('task.model.')]
  if fatal:
    k = fatal[0]
    raise UserError(f'{folder} was made with {k}={before[k]}, now it is {now[k]} ({len(fatal)} such '
                    'differences); choose another --model_dir or the same model')
  return [f'{k}: {before[k]} -> {now[k]}' for k in keys]


def write(experiment, name: str, folder: str, step: int) -> None:
  """Writes params.yaml; one with other content is kept as params.<step>.yaml."""
  path = os.path.join(folder, 'params.yaml')
  text = yaml.safe_dump(_plain(experiment, name))
  if tf.io.gfile.exists(path):
    with tf.io.gfile.GFile(path) as file:
      if file.read() == text:
        return
    tf.io.gfile.rename(path, os.path.join(folder, f'params.before_step_{step}.yaml'), overwrite=True)
  with tf.io.gfile.GFile(path + '.part', 'w') as file:
    file.write(text)
  tf.io.gfile.rename(path + '.part', path, overwrite=True)
