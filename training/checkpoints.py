"""Checkpoints that are complete and finite: on disk before they are announced, restored from the
newest one that can be read."""

import contextlib
import math
import os
import re
import shutil

import tensorflow as tf
import tf_keras

from tf_maskformer import checkpoint_files
from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer import lock
from tf_maskformer import tensor_index

# Seconds since 1970. The manager forgets a checkpoint whose time is not after the last start of a
# training, 0 where that is not said; with real times, all of them once a clock was set back.
_PAST = 1.0
_NAMED = 3  # variables in a message
# What TensorFlow raises where a checkpoint's objects are not those of the program.
_UNFITTING = (
    tf.errors.OpError, AssertionError, AttributeError, KeyError, TypeError, ValueError)
# Of TensorFlow's own writing of the text file, when it was killed.
_STRAY_STATE = re.compile(r'checkpoint\.tmp[0-9a-f]{32}')


class SaveFailed(Exception):
  """A checkpoint could not be written; the text says what is safe."""


def readable(folder: str) -> tuple[str | None, int]:
  """Returns the newest checkpoint of a folder that is whole, and its step.

  Returns:
    The checkpoint's prefix and its step; (None, 0) where the folder has no checkpoint.

  Raises:
    UserError: there are checkpoints, but training can continue from none of them.
  """
  found = checkpoint_files.newest(folder, resumes=True)
  if found is None or found.step is None:  # with `resumes`, what is found has a step
    return None, 0
  return found.prefix, found.step


def repair(folder: str, max_to_keep: int) -> None:
  """Makes a folder what an undisturbed training would have left; only its one user may.

  The text file `checkpoint` is rewritten from the checkpoints, because `tf.train.CheckpointManager`
  believes it: with a damaged one it would raise, or forget the old checkpoints and never remove
  them. Removed are interrupted saves (`ckpt-N_temp` and what is incomplete with it), unfinished
  files, and of the checkpoints `ckpt-N` that are older than the newest whole one those that are
  damaged or more than `max_to_keep`. Damaged ones that are newer stay: a copy of the missing file
  may exist. Nothing else is touched, and nothing at all where `readable` raises.

  Args:
    folder: of a run, or `best` in it; local or remote, need not exist.
    max_to_keep: checkpoints that stay.

  Raises:
    UserError: the file system refuses.
  """
  result = checkpoint_files.search(folder, resumes=True)
  if result.found is None and result.problems:
    return
  with files.writing(f'{folder}/{checkpoint_files.STATE}', 'the checkpoints are safe'):
    files.remove_unfinished(folder)
    _remove_strays(folder)
    if result.found is None:
      return
    older = [c for c in result.checkpoints if c.age <= result.found.age and not c.problem]
    kept = older[-max_to_keep:]
    for checkpoint in result.checkpoints:
      if checkpoint.age <= result.found.age and checkpoint not in kept:
        if checkpoint.problem:
          errors.warn(f'checkpoint {checkpoint.prefix} is damaged ({checkpoint.problem}) and older '
                      f'than {result.found.prefix}; it is removed')
        checkpoint_files.remove(checkpoint.prefix)
    _write_state(folder, [os.path.basename(c.prefix) for c in kept])


def _remove_strays(folder: str) -> None:
  """Removes what killed saves left."""
  for checkpoint in checkpoint_files.own(folder):
    if checkpoint.is_unfinished:
      checkpoint_files.remove(checkpoint.prefix)
  checkpoint_files.remove_temporary(folder)
  for name in checkpoint_files.names(folder):
    if _STRAY_STATE.fullmatch(name):
      tf.io.gfile.remove(os.path.join(folder, name))


def _write_state(folder: str, kept: list[str]) -> None:
  """Writes the text file; its paths are relative, so that the folder may be moved.

  Args:
    folder: of the checkpoints.
    kept: their names, the oldest first.
  """
  path = os.path.join(folder, checkpoint_files.STATE)
  if tf.io.gfile.isdir(path):
    aside = f'{path}.directory'
    errors.require(
        not tf.io.gfile.exists(aside),
        f'{path} is a directory, where TensorFlow keeps a file; move it away')
    tf.io.gfile.rename(path, aside)
    errors.warn(f'{path} was a directory, where TensorFlow keeps a file; it is {aside} now')
  lines = [f'model_checkpoint_path: "{kept[-1]}"']
  for name in kept:
    lines += [f'all_model_checkpoint_paths: "{name}"', f'all_model_checkpoint_timestamps: {_PAST}']
  files.write_text(path, '\n'.join(lines) + '\n')


def restore(checkpoint: tf.train.Checkpoint, path: str) -> None:
  """Restores every variable of a training.

  Args:
    checkpoint: its objects get their values.
    path: of a checkpoint that `readable` returned.

  Raises:
    UserError: an object has another shape or type there, or is not there.
  """
  counter = 'save_counter' + checkpoint_files.VALUE
  counts = counter in tensor_index.Index(path).tensors  # best checkpoints do not
  load = checkpoint.restore if counts else checkpoint.read
  try:
    load(path).expect_partial().assert_existing_objects_matched()
  except _UNFITTING as e:
    raise errors.UserError(
        f'checkpoint {path} does not fit this experiment ({_difference(e)}); use the settings that '
        'it was trained with, or another --model_dir') from e


def _difference(error: Exception) -> str:
  """Returns what does not fit, in few words."""
  if isinstance(error, AssertionError):
    missing = re.findall(r"<tf.Variable '([^']*)'", str(error))
    if missing:
      return f'it does not have {", ".join(missing[:_NAMED])}{" …" if missing[_NAMED:] else ""}'
  return errors.reason(error)


def require_folder(folder: str, step: int) -> None:
  """Raises SaveFailed where a run's folder is gone; a later write would make another one."""
  if lock.is_lost(folder) or not tf.io.gfile.isdir(folder):
    raise SaveFailed(
        f'{folder} was removed or moved while the run wrote to it; stopped at step {step}, and '
        'nothing was saved there again')


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
  # Its number of saves is part of what is saved, and must not tell how often a run was resumed.
  manager.checkpoint.save_counter.assign(step - 1)
  try:
    path = manager.save(checkpoint_number=step)
    checkpoint_files.flush(path)
    return path
  except (tf.errors.OpError, OSError) as e:
    with contextlib.suppress(tf.errors.OpError, OSError):  # what is left, the next start removes
      _remove_strays(manager.directory)
    raise SaveFailed(
        f'saving step {step} in {manager.directory} failed ({errors.reason(e)}; '
        f'{_free_gigabytes(manager.directory):.1f} GB free); the last good checkpoint is {last}; '
        'run the same command to resume') from e


def _free_gigabytes(folder: str) -> float:
  """Returns the free space, NaN where the folder is not a local one."""
  return shutil.disk_usage(folder).free / 1e9 if os.path.isdir(folder) else math.nan
