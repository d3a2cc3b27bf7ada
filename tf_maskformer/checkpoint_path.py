"""Whether a checkpoint's path names anything, told at once: importing TensorFlow takes seconds."""

import os

from tf_maskformer import errors


def missing(path: str) -> errors.UserError:
  """Returns the error for a path that names no checkpoint."""
  return errors.UserError(
      f'checkpoint {path} does not exist; name a checkpoint file, its prefix or a folder')


def require(path: str) -> None:
  """Raises UserError for a local path that is no file, no folder and no TensorFlow prefix.

  Remote paths are looked at where they are read.
  """
  if '://' in path or os.path.lexists(path) or os.path.lexists(path + '.index'):
    return
  raise missing(path)
