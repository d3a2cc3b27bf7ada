"""Reads the `.h5` files of Keras Applications, as Keras writes them and nothing more.

HDF5 can name other files (external storage, external links, virtual data sets), load libraries
(filters) and unfold a few bytes into gigabytes (compression). Keras uses none of these; a file that
does is refused before any content is read. Attributes are not read.
"""

import math
import os
import re

import h5py
import numpy as np

from tf_maskformer.errors import UserError
from tf_maskformer.errors import quoted
from tf_maskformer.modeling.conversion import foreign_files
from tf_maskformer.modeling.conversion import resnet
from tf_maskformer.modeling.conversion.budget import Damaged

_GROUP = b'model_weights'  # of a file that has the optimizer, too
_DEEPEST = 10  # groups within groups; Keras has a level for each model within a model
_MOST_OBJECTS = 20_000  # a ResNet-152 has 1500
_WIDTHS = (2, 4, 8)  # bytes of a floating-point number
# What h5py raises for damaged files, in addition to Damaged.
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)


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
    arrays = _arrays(path, size)
  except _DAMAGE as e:
    raise UserError(
        f'checkpoint {path} cannot be read as HDF5 ({quoted(e)}); is it damaged?') from e
  if 'conv1_conv/kernel' not in arrays:
    raise UserError(
        f'checkpoint {path} does not hold a Keras Applications ResNet (it has no conv1_conv layer)')
  used = re.compile(r'conv(1_|[2-5]_block)')
  ignored = [name for name in arrays if not used.match(name)]
  try:
    return resnet.from_keras_applications(arrays), ignored
  except ValueError as e:
    raise UserError(f'checkpoint {path} is not a Keras Applications ResNet: {e}') from e


def _arrays(path: str, size: int) -> dict[str, np.ndarray]:
  """Returns the data sets of an HDF5 file as {'layer/variable': array}.

  Args:
    path: of the file.
    size: its bytes, which all arrays together have at most.
  """
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
