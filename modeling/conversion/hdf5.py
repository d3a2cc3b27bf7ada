"""Reads the `.h5` files of Keras Applications."""

import json
import math
import os
import re
import subprocess
import sys

import numpy as np

from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import foreign_files
from tf_maskformer.modeling.conversion import hdf5_arrays
from tf_maskformer.modeling.conversion import resnet
from tf_maskformer.modeling.conversion.budget import Damaged

# Seconds that reading may take, and bytes per second of a slow disk that are added to them.
_PATIENCE = 60
_SLOW = 10**6


def read_keras(path: str) -> tuple[dict[str, np.ndarray], list[str]]:
  """Returns a ResNet of Keras Applications.

  Returns:
    Its arrays by official name in the official layout, and the names in the file that are not
    weights of a backbone.

  Raises:
    UserError: the file is damaged, refused or does not hold such a network.
  """
  with foreign_files.open_file(path) as file:
    size = file.seek(0, os.SEEK_END)
  try:
    return convert(path, _read_in_process(path, size))
  except Damaged as e:
    raise UserError(f'checkpoint {path} cannot be read as HDF5 ({e}); is it damaged?') from e


def convert(
    path: str, arrays: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
  """Returns what `read_keras` does, of arrays by 'layer/variable'; raises UserError likewise."""
  if 'conv1_conv/kernel' not in arrays:
    raise UserError(
        f'checkpoint {path} does not hold a Keras Applications ResNet (it has no conv1_conv layer)')
  used = re.compile(r'conv(1_|[2-5]_block)')
  ignored = [name for name in arrays if not used.match(name)]
  try:
    return resnet.from_keras_applications(arrays), ignored
  except ValueError as e:
    raise UserError(f'checkpoint {path} is not a Keras Applications ResNet: {e}') from e


def _read_in_process(path: str, size: int) -> dict[str, np.ndarray]:
  """Returns what `hdf5_arrays.read` does, in another process that may crash or hang."""
  environment = {
      **os.environ,
      # A checkout is not installed. No other folder is added, thus the working directory below.
      'PYTHONPATH': os.pathsep.join(map(os.path.abspath, sys.path)),
      'HDF5_PLUGIN_PRELOAD': '::',  # no library is loaded
      'OPENBLAS_NUM_THREADS': '1',  # each would take addresses
  }
  command = [sys.executable, '-m', hdf5_arrays.__name__, os.path.abspath(path)]
  try:
    done = subprocess.run(
        command, env=environment, cwd='/', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, timeout=_PATIENCE + size / _SLOW, check=False)
  except subprocess.TimeoutExpired as e:
    raise Damaged('the HDF5 library does not come to an end') from e
  if done.returncode == hdf5_arrays.REFUSED:
    raise Damaged(done.stdout.decode('utf-8', 'replace'))
  if done.returncode != 0:
    raise Damaged(f'the HDF5 library failed with exit code {done.returncode}')
  return _unpack(done.stdout)


def _unpack(output: bytes) -> dict[str, np.ndarray]:
  """Returns the arrays that `hdf5_arrays.main` wrote."""
  start = output.index(b'\n') + 1
  arrays = {}
  for name, dtype, shape in json.loads(output[:start]):
    count = math.prod(shape)
    arrays[name] = np.frombuffer(output, dtype, count, start).reshape(shape)
    start += arrays[name].nbytes
  return arrays
