"""Folders of label images."""

import pathlib

import numpy as np

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders.images import UnusableImage

SUFFIXES = ('.png', '.tif', '.tiff', '.bmp', '.gif')
# As `tf-maskformer predict` writes void.
_VOID = 255
_VOID_16 = 65535
_LOOKED_AT = 20  # images whose values a message shows


def find(folder: str, suffix: str, flag: str, excluded: str = '') -> dict[str, str]:
  """Returns the paths of a folder's label images, also of those in folders below.

  Args:
    folder: local.
    suffix: end of their names; '': of any of `SUFFIXES`.
    flag: that named the folder, for messages.
    excluded: end of names of images that are not labels.

  Returns:
    {path relative to the folder, without the suffix: path}, sorted.

  Raises:
    UserError: there are none, or two differ in their suffix alone.
  """
  found: dict[str, str] = {}
  for path in sorted(pathlib.Path(folder).rglob('*')):
    end = suffix or path.suffix
    is_meant = path.name.endswith(end) and (bool(suffix) or path.suffix.lower() in SUFFIXES)
    is_excluded = bool(excluded) and path.name.endswith(excluded)
    if not is_meant or is_excluded or path.name.startswith('.') or not path.is_file():
      continue
    name = path.relative_to(folder).as_posix().removesuffix(end)
    if name in found:
      raise errors.UserError(
          f'{flag} {folder} has two label images called {errors.quoted(name)}, {found[name]} and '
          f'{path}; leave one')
    found[name] = str(path)
  if not found:
    what = suffix or ', '.join(SUFFIXES)
    raise errors.UserError(f'{flag} {folder} has no label images ({what}); name their folder')
  return found


def read(path: str, data_set: str) -> np.ndarray:
  """Returns the classes of a label image, integers [height, width], -1 = void.

  Args:
    path: of the image.
    data_set: see `catalog.get`; says what values or colors mean.

  Raises:
    UnusableImage: it cannot be read, or a value is neither a class nor void.
  """
  values = label_images.values_of(path, catalog.get(data_set).label_form)
  return label_images.classes_of(values, data_set, path)


def read_indices(path: str, size: tuple[int, int], num_classes: int) -> np.ndarray:
  """Returns the classes of a label image whose values are classes counted from 0.

  Args:
    path: of the image.
    size: (height, width) that it must have.
    num_classes: of the data set; 255, in images of more than 8 bits 65535, is void.

  Returns:
    integers [height, width], -1 = void.

  Raises:
    UnusableImage: it cannot be read, has another size, or a value is neither a class nor void.
  """
  values = label_images.read(path, size)
  void = _VOID if values.dtype == np.uint8 else _VOID_16
  is_void = values == void if num_classes <= void else np.zeros(values.shape, bool)
  classes = np.where(is_void, -1, values.astype(np.int64))
  unknown = np.unique(classes[classes >= num_classes]).tolist()
  if unknown:
    raise UnusableImage(
        f'{path} has values that are no class: {unknown[:5]}; classes count from 0 to '
        f'{num_classes - 1}, void is {void}')
  return classes


def values_in(folder: str, suffix: str, flag: str) -> list[int]:
  """Returns the values of a folder's first label images, sorted; errors as `find`."""
  values: set[int] = set()
  for path in list(find(folder, suffix, flag).values())[:_LOOKED_AT]:
    try:
      values |= set(np.unique(label_images.values_of(path)).tolist())
    except UnusableImage as e:
      raise errors.UserError(str(e)) from e
  return sorted(values)
