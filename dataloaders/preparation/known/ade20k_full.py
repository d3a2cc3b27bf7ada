"""ADE20K as the release of 2021-01-17 has it: the 847 classes that MaskFormer trains on.

The class of a pixel of `*_seg.png` is 256 * floor(red / 10) + green, the index of an object in the
release; what is not among the 847 is void. As in MaskFormer's prepare_ade20k_full_sem_seg.py,
images and labels whose short side is longer than 512 pixels are shrunk to it, by OpenCV's rules,
and every image is stored as JPEG; scores are at that size. The index of the release, a pickle, is
not needed: the folders say what it says.
"""

import dataclasses
import posixpath
from typing import Any

import numpy as np
from PIL import Image

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation.image_files import ImageFile
from tf_maskformer.dataloaders.preparation.known import color_labels
from tf_maskformer.dataloaders.preparation.known import download
from tf_maskformer.dataloaders.preparation.known.download import Part
from tf_maskformer.dataloaders.preparation.known.download import Wanted
from tf_maskformer.dataloaders.preparation.semantic import SemanticFolders

_IMAGES = 'images/ADE'
_FOLDER_OF = {'train': 'training', 'val': 'validation'}
_ORIGIN = 'ADE20K_2021_17_01.zip, sent on request by groups.csail.mit.edu/vision/datasets/ADE20K'
_SHORT_SIDE = 512  # pixels, of what is stored


@dataclasses.dataclass(frozen=True)
class Ade20kFull(SemanticFolders):
  """One split; the labels, `*_seg.png`, are next to the images."""

  def read(self, row: dict[str, Any]) -> tuple[ImageFile, np.ndarray]:
    """See `SemanticFolders.read`; both are shrunk."""
    file = image_files.read(self.image_path(row))
    objects = _objects(self.label_path(row), file.size)
    size = _stored_size(file.size)
    image = file.image if file.image.mode == 'L' else file.image.convert('RGB')
    pixels = shrunk(np.asarray(image), size)
    data = images.encode(pixels, 'JPEG')
    stored = ImageFile(Image.fromarray(pixels), data, 'jpeg', remarks=[])
    return stored, self._classes(nearest(objects, size))

  def _classes(self, objects: np.ndarray) -> np.ndarray:
    """Returns the classes of objects of the release, int64 [height, width], -1 where void."""
    class_of = catalog.get(self.data_set).contiguous_ids
    values, inverse = np.unique(objects, return_inverse=True)
    classes = np.array([class_of.get(value, -1) for value in values.tolist()])
    return classes[inverse].reshape(objects.shape)

  def require_plausible(self, rows: list[dict[str, Any]]) -> None:
    """See `SemanticFolders.require_plausible`: these labels are not read by a `label_rule`."""
    del rows


def _objects(path: str, size: tuple[int, int]) -> np.ndarray:
  """Returns the objects of a `*_seg.png`, int64 [height, width]; raises UnusableImage."""
  pixels = color_labels.read(path, size).astype(np.int64)
  return pixels[:, :, 0] // 10 * 256 + pixels[:, :, 1]


def _stored_size(size: tuple[int, int]) -> tuple[int, int]:
  """Returns the (height, width) that an image of this size is stored with."""
  height, width = size
  if width >= height > _SHORT_SIDE:
    return _SHORT_SIDE, round(width / height * _SHORT_SIDE)
  if height >= width > _SHORT_SIDE:
    return round(height / width * _SHORT_SIDE), _SHORT_SIDE
  return size


def shrunk(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Returns an image of another size, sampled as OpenCV's INTER_LINEAR, which does not smooth.

  Values are rounded once; OpenCV's integers differ from them by at most 1.

  Args:
    pixels: uint8 [height, width] or [height, width, 3].
    size: the new (height, width).
  """
  if pixels.shape[:2] == tuple(size):
    return pixels
  values: np.ndarray = pixels.astype(np.float32)
  for axis, length in enumerate(size):
    before, after, weight = _neighbors(pixels.shape[axis], length)
    shape = [-1 if i == axis else 1 for i in range(pixels.ndim)]
    weight = weight.reshape(shape)
    values = (1 - weight) * values.take(before, axis) + weight * values.take(after, axis)
  return (values + 0.5).astype(np.uint8)


def _neighbors(length: int, new_length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns between which pixels of a side the new ones are, and how near to the second."""
  place = (np.arange(new_length) + 0.5) * (length / new_length) - 0.5
  place = place.clip(0, length - 1)
  before = place.astype(np.int64)
  after = np.minimum(before + 1, length - 1)
  return before, after, (place - before).astype(np.float32)


def nearest(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Returns labels of another size, sampled as OpenCV's INTER_NEAREST: pixel floor(i * scale).

  Args:
    labels: [height, width].
    size: the new (height, width).
  """
  rows, columns = (
      np.minimum((np.arange(new) * (old / new)).astype(np.int64), old - 1)
      for old, new in zip(labels.shape, size))
  return labels[rows][:, columns]


def sources(wanted: Wanted) -> dict[str, Ade20kFull]:
  """Returns the source of each split.

  Args:
    wanted: the root is the folder ADE20K_2021_17_01, or one that holds it.

  Raises:
    UserError: a part of the download is missing.
  """
  below = ['ADE20K_2021_17_01', 'dataset/ADE20K_2021_17_01']
  root = download.locate(wanted.root, _IMAGES, below)
  found = {}
  for split in wanted.splits:
    path = posixpath.join(_IMAGES, _FOLDER_OF[split])
    download.require(root, [Part(path, _ORIGIN)])
    folder = posixpath.join(root, path)
    found[split] = Ade20kFull(
        images=folder, labels=folder, data_set=wanted.data_set, label_suffix='_seg.png')
  return found
