"""Label maps in MATLAB's files, read in a process of its own.

Both libraries trust what a file says: HDF5 can name other files and, damaged, search for ever;
either can unfold a few bytes into gigabytes. The process has limits of time and memory.
"""

import io
import math
import multiprocessing
import resource
import signal
import sys
from multiprocessing import connection
from typing import NamedTuple

import h5py
import numpy as np
import scipy.io

from tf_maskformer import errors
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.images import UnusableImage

_CONTEXT = multiprocessing.get_context('fork')
_HDF5_SIGNATURE = b'\x89HDF\r\n\x1a\n'
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_HDF5_OFFSETS = (0, 512)  # MATLAB writes a text of its own before the file
_SECONDS = 30
_MEMORY = 2**30  # bytes that reading may take, on top of what the process has
_LABELS = 'S'
_NAMES = 'names'


class LabelMap(NamedTuple):
  """What a file holds.

  Attributes:
    values: int64 [height, width].
    num_names: length of its list of names; None: it has none.
    is_hdf5: whether it is of MATLAB 7.3, which is HDF5.
  """
  values: np.ndarray
  num_names: int | None
  is_hdf5: bool


def read(path: str, size: tuple[int, int]) -> LabelMap:
  """Reads the array `S` of a file.

  Args:
    path: of the file, MATLAB 5 or 7.3.
    size: (height, width) that the array must have.

  Raises:
    UnusableImage: the file is damaged, has no such array, or one of another size.
  """
  data = images.load(path)
  receiver, sender = _CONTEXT.Pipe(duplex=False)
  process = _CONTEXT.Process(target=_work, args=(data, size, sender))
  process.start()
  sender.close()
  try:
    outcome = receiver.recv()
  except EOFError:
    outcome = 'reading it takes too long or too much memory'
  finally:
    receiver.close()
    process.kill()
    process.join()
  if isinstance(outcome, str):
    raise UnusableImage(f'{path} cannot be read ({outcome})')
  return outcome


def _work(data: bytes, size: tuple[int, int], sender: connection.Connection) -> None:
  """What the process does; sends the label map, or why there is none."""
  signal.signal(signal.SIGALRM, signal.SIG_DFL)
  signal.alarm(_SECONDS)
  _limit_memory()
  is_hdf5 = any(data[at:at + 8] == _HDF5_SIGNATURE for at in _HDF5_OFFSETS)
  try:
    values, num_names = (_read_hdf5 if is_hdf5 else _read_mat5)(data, size)
    outcome: object = LabelMap(_as_integers(values), num_names, is_hdf5)
  except Exception as e:  # pylint: disable=broad-except
    # Damaged files raise whatever zlib, struct, NumPy and HDF5 do.
    outcome = f'{type(e).__name__}: {errors.quoted(e)}' if str(e) else type(e).__name__
  sender.send(outcome)


def _limit_memory() -> None:
  """Lets this process have little more memory than it has; on Linux only, as elsewhere here."""
  if sys.platform != 'linux':
    return
  with open('/proc/self/statm', encoding='ascii') as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
  _, hard = resource.getrlimit(resource.RLIMIT_AS)
  most = used + _MEMORY
  if hard != resource.RLIM_INFINITY:
    most = min(most, hard)
  resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _read_hdf5(data: bytes, size: tuple[int, int]) -> tuple[np.ndarray, int | None]:
  """Returns the array and the number of names; arrays are stored transposed."""
  with h5py.File(io.BytesIO(data), 'r') as file:
    for name in (_LABELS, _NAMES):
      # Asked of the link itself: opening the object opens the file that a link may name.
      is_there = file.id.links.exists(name.encode())
      if is_there and file.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
        raise ValueError(f'{name} is a link to another place')
    if _LABELS not in file:
      raise ValueError(f'it has no array {_LABELS}')
    array = file[_LABELS]
    if not isinstance(array, h5py.Dataset) or array.external or array.is_virtual:
      raise ValueError(f'{_LABELS} is not an array of this file')
    filters = array.id.get_create_plist()
    used = {filters.get_filter(k)[0] for k in range(filters.get_nfilters())}
    if not used <= _FILTERS:
      raise ValueError(f'{_LABELS} needs a filter that is not part of HDF5')
    _require_size(array.shape[::-1], size)
    num_names = math.prod(file[_NAMES].shape) if _NAMES in file else None
    return array[()].T, num_names


def _read_mat5(data: bytes, size: tuple[int, int]) -> tuple[np.ndarray, int | None]:
  """Returns the array and the number of names."""
  shapes = {name: shape for name, shape, _ in scipy.io.whosmat(io.BytesIO(data))}
  if _LABELS not in shapes:
    raise ValueError(f'it has no array {_LABELS}')
  _require_size(shapes[_LABELS], size)
  content = scipy.io.loadmat(io.BytesIO(data), variable_names=[_LABELS])
  num_names = math.prod(shapes[_NAMES]) if _NAMES in shapes else None
  return content[_LABELS], num_names


def _require_size(shape: tuple[int, ...], size: tuple[int, int]) -> None:
  if tuple(shape) != tuple(size):
    what = 'x'.join(map(str, shape))
    raise ValueError(f'{_LABELS} is {what}, its image {size[0]}x{size[1]}')


def _as_integers(values: np.ndarray) -> np.ndarray:
  """Returns values as int64; raises ValueError where they are not whole numbers."""
  if values.dtype.kind not in 'uif':
    raise ValueError(f'{_LABELS} is not made of numbers')
  if values.dtype.kind == 'f' and not (np.isfinite(values) & (values == np.round(values))).all():
    raise ValueError(f'{_LABELS} has fractions')
  return values.astype(np.int64)
