"""Reads the arrays of an HDF5 file as Keras writes it, in a process of its own.

HDF5 can name other files (external storage, external links, virtual data sets), load libraries
(filters) and unfold a few bytes into gigabytes (compression). Keras uses none of these; a file that
does is refused before any content is read. Attributes are not read.

The library itself is not safe from damaged files: of 24 000 mutations of a small one, one made it
search for ever, which only ending the process stops. `hdf5.py` therefore runs this module as a
program, with limits; it needs no TensorFlow.
"""

import json
import math
import os
import resource
import sys

import h5py
import numpy as np

from tf_maskformer.errors import quoted
from tf_maskformer.modeling.conversion.budget import MEGABYTE
from tf_maskformer.modeling.conversion.budget import Damaged

REFUSED = 3  # exit code; then the output is the reason
_GROUP = b'model_weights'  # of a file that has the optimizer, too
_DEEPEST = 10  # groups within groups; Keras has a level for each model within a model
_MOST_OBJECTS = 20_000  # a ResNet-152 has 1500
_WIDTHS = (2, 4, 8)  # bytes of a floating-point number
# Of the process, most of it addresses that are never used.
_ADDRESS_SPACE = 4096 * MEGABYTE
# What h5py raises for damaged files, in addition to Damaged.
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)


def read(path: str) -> dict[str, np.ndarray]:
  """Returns the data sets of an HDF5 file as {'layer/variable': array}.

  All arrays together have at most the bytes of the file.

  Raises:
    Damaged: the file is damaged or is not one that Keras writes.
  """
  try:
    return _arrays(path, os.path.getsize(path))
  except _DAMAGE as e:
    raise Damaged(quoted(e)) from e


def _arrays(path: str, size: int) -> dict[str, np.ndarray]:
  arrays: dict[str, np.ndarray] = {}
  left = size
  with h5py.File(path, 'r') as file:
    for name, dataset in _datasets(file):
      _require_plain(name, dataset, size)
      left -= dataset.nbytes
      if left < 0:
        raise Damaged(f'its arrays have more bytes than its {size}')
      layer, _, variable = name.rpartition('/')
      key = f'{layer.rpartition("/")[2]}/{variable.split(":")[0]}'
      if key in arrays:
        raise Damaged(f'{quoted(key)} is there twice')
      arrays[key] = dataset[()]
  return arrays


def _datasets(file: h5py.File) -> list[tuple[str, h5py.Dataset]]:
  """Returns the data sets below `model_weights` if there is such a group, else all, by path."""
  found = []
  groups: list[tuple[str, h5py.Group, int]] = [('', file, 0)]
  count = 0
  while groups:
    path, group, depth = groups.pop()
    only = group is file and file.id.links.exists(_GROUP)
    names = [_GROUP] if only else list(group.id)
    count += len(names)
    if count > _MOST_OBJECTS or depth > _DEEPEST:
      raise Damaged('it has too many groups')
    for name in names:
      place = f'{path}/{name.decode("utf-8", "replace")}'
      # Asked of the link itself: opening the object opens the file that a link may name.
      if group.id.links.get_info(name).type != h5py.h5l.TYPE_HARD:
        raise Damaged(f'{quoted(place)} is a link to another place')
      item = group[name]
      if isinstance(item, h5py.Group):
        groups.append((place, item, depth + 1))
      elif isinstance(item, h5py.Dataset):
        found.append((place, item))
  return found


def _require_plain(name: str, dataset: h5py.Dataset, size: int) -> None:
  """Raises Damaged for a data set whose numbers are not in the file just as they are."""
  place = quoted(name)
  if dataset.external or dataset.is_virtual:
    raise Damaged(f'the numbers of {place} are in another file')
  if dataset.id.get_create_plist().get_nfilters():
    raise Damaged(f'{place} is compressed; h5repack -f NONE writes the file without compression')
  if dataset.dtype.kind != 'f' or dataset.dtype.itemsize not in _WIDTHS:
    raise Damaged(f'{place} is not made of floating-point numbers')
  if dataset.shape is None or dataset.nbytes > size:
    raise Damaged(f'{place} announces more than the {size} bytes of the file')
  if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > size:
    raise Damaged(f'a piece of {place} is larger than the file')


def main(path: str) -> int:
  """Writes a file's arrays to the standard output; returns the exit code.

  The first line is a JSON list of [name, NumPy's name of the type, shape], the rest their bytes.
  """
  _, hard = resource.getrlimit(resource.RLIMIT_AS)
  most = _ADDRESS_SPACE + 4 * os.path.getsize(path)
  if hard != resource.RLIM_INFINITY:
    most = min(most, hard)
  resource.setrlimit(resource.RLIMIT_AS, (most, most))
  output = sys.stdout.buffer
  try:
    arrays = read(path)
  except Damaged as e:
    output.write(str(e).encode())
    return REFUSED
  heads = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
  output.write(json.dumps(heads).encode() + b'\n')
  for array in arrays.values():
    output.write(np.ascontiguousarray(array).data)
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1]))
