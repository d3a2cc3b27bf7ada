"""Checkpoints that are complete and finite: on disk before they are announced, restored from the
newest one that can be read."""

import math
import os
import shutil

import tensorflow as tf
import tf_keras

from tf_maskformer.errors import UserError

STEP_KEY = 'global_step/.ATTRIBUTES/VARIABLE_VALUE'
# What reading a damaged checkpoint raises; IndexError: a data file that ends early.
_UNREADABLE = (tf.errors.OpError, ValueError, IndexError)


class SaveFailed(Exception):
  """A checkpoint could not be written; the text says what is safe."""


def readable(folder: str) -> tuple[str | None, int]:
  """Returns the newest checkpoint of a folder that can be read, and its step.

  Returns:
    The checkpoint's prefix and its step; (None, 0) where the folder has no checkpoint.

  Raises:
    UserError: there are checkpoints, but none can be read.
  """
  state = tf.train.get_checkpoint_state(folder)
  paths = list(state.all_model_checkpoint_paths) if state else []
  for path in reversed(paths):
    try:
      return path, _read(path)
    except _UNREADABLE as e:
      print(f'warning: checkpoint {path} cannot be read ({_first_line(e, 120)}); trying the one '
            'before', flush=True)
  if paths:
    raise UserError(
        f'none of the {len(paths)} checkpoints in {folder} can be read; restore a copy or choose '
        'another --model_dir')
  return None, 0


def _read(path: str) -> int:
  """Reads a checkpoint completely and returns its step: a cut data file shows only when read."""
  reader = tf.train.load_checkpoint(path)
  for name in reader.get_variable_to_shape_map():
    reader.get_tensor(name)
  return int(reader.get_tensor(STEP_KEY))


def save(manager: tf.train.CheckpointManager, model: tf_keras.Model, step: int) -> str:
  """Writes a checkpoint and returns its path once it is on disk.

  Args:
    manager: where it is written.
    model: its variables must be finite.
    step: the checkpoint's number.

  Raises:
    SaveFailed: weights are not finite, or the disk refused.
  """
  last = manager.latest_checkpoint or 'none'
  for variable in model.variables:
    if variable.dtype.is_floating and not bool(tf.reduce_all(tf.math.is_finite(variable))):
      raise SaveFailed(
          f'{variable.name} is not finite at step {step}; nothing was saved, the last good '
          f'checkpoint is {last}')
  try:
    return manager.save(checkpoint_number=step)
  except (tf.errors.OpError, OSError) as e:
    raise SaveFailed(
        f'saving step {step} in {manager.directory} failed ({_first_line(e, 160)}; '
        f'{_free_gigabytes(manager.directory):.1f} GB free); the last good checkpoint is {last}; '
        'run the same command to resume') from e


def _first_line(error: Exception, length: int) -> str:
  return str(error).splitlines()[0][:length]


def _free_gigabytes(folder: str) -> float:
  """Returns the free space, NaN where the folder is not a local one."""
  return shutil.disk_usage(folder).free / 1e9 if os.path.isdir(folder) else math.nan
