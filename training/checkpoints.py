"""Checkpoints that are whole and finite: saved before they are announced, restored from the newest readable."""

import json
import math
import os
import shutil

import tensorflow as tf

from tf_maskformer.errors import UserError

STEP_KEY = 'global_step/.ATTRIBUTES/VARIABLE_VALUE'


class SaveFailed(Exception):
  """A checkpoint could not be written; the text says what is safe."""


def newest(folder: str) -> str | None:
  """Returns the newest checkpoint that the folder's record names, read or not."""
  return tf.train.latest_checkpoint(folder)


def readable(folder: str) -> tuple[str | None, int]:
  """Returns the newest checkpoint of a folder that can be read, and its step; (None, 0) where there is none.

  Raises:
    UserError: there are checkpoints, but none can be read.
  """
  state = tf.train.get_checkpoint_state(folder)
  paths = list(state.all_model_checkpoint_paths) if state else []
  for path in reversed(paths):
    try:
      reader = tf.train.load_checkpoint(path)
      for name in reader.get_variable_to_shape_map():
        reader.get_tensor(name)  # a cut data file shows only when it is read
      return path, int(reader.get_tensor(STEP_KEY))
    except (tf.errors.OpError, ValueError, IndexError) as e:  # IndexError: a data file that ends early
      print(f'warning: checkpoint {path} cannot be read ({str(e).splitlines()[0][:120]}); trying the one before',
            flush=True)
  if paths:
    raise UserError(f'none of the {len(paths)} checkpoints in {folder} can be read; restore a copy or choose '
                    'another --model_dir')
  return None, 0


def save(manager: tf.train.CheckpointManager, model, step: int) -> str:
  """Writes a checkpoint and returns its path when it is on disk.

  Raises:
    SaveFailed: weights are not finite, or the disk refused.
  """
  last = manager.latest_checkpoint or 'none'
  for variable in model.variables:
    if variable.dtype.is_floating and not bool(tf.reduce_all(tf.math.is_finite(variable))):
      raise SaveFailed(f'{variable.name} is not finite at step {step}; nothing was saved, the last good '
                       f'checkpoint is {last}')
  try:
    return manager.save(checkpoint_number=step)
  except (tf.errors.OpError, OSError) as e:
    free = shutil.disk_usage(manager.directory).free / 1e9 if os.path.isdir(manager.directory) else math.nan
    raise SaveFailed(f'saving step {step} in {manager.directory} failed ({str(e).splitlines()[0][:160]}; '
                     f'{free:.1f} GB free); the last good checkpoint is {last}; run the same command to go on') from e


def write_json(path: str, content) -> None:
  """Writes a JSON file whole or not at all."""
  with tf.io.gfile.GFile(path + '.part', 'w') as file:
    file.write(json.dumps(content, indent=1))
  tf.io.gfile.rename(path + '.part', path, overwrite=True)


def append_json(path: str, entry) -> None:
  """Adds an entry to the list in a JSON file, whole or not at all."""
  entries = []
  if tf.io.gfile.exists(path):
    with tf.io.gfile.GFile(path) as file:
      entries = json.load(file)
  write_json(path, [*entries, entry])


class Best:
  """Keeps the checkpoint with the best value of one metric, and says so in one JSON file."""

  def __init__(self, folder: str, checkpoint: tf.train.Checkpoint, metric: str, higher: bool):
    self._record = os.path.join(folder, 'best.json')
    self._manager = tf.train.CheckpointManager(checkpoint, os.path.join(folder, 'best'), max_to_keep=1)
    self._metric, self._higher = metric, higher

  def offer(self, value: float, step: int) -> bool:
    """Saves this step if its value is better; NaN never is, a tie keeps the older."""
    if not math.isfinite(value):
      return False
    if tf.io.gfile.exists(self._record):
      with tf.io.gfile.GFile(self._record) as file:
        best = json.load(file)['value']
      if not (value > best if self._higher else value < best):
        return False
    path = self._manager.save(checkpoint_number=step)
    write_json(self._record, {'metric': self._metric, 'value': value, 'step': step, 'checkpoint': path})
    return True
