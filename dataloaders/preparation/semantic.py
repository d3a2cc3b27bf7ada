"""Semantic layout: a folder of images and one of label images, whose pixels are classes."""

import dataclasses
import posixpath

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError


def read_label(path: str, size: tuple[int, int]) -> np.ndarray:
  """Reads a label.

  Args:
    path: a PNG of one channel, gray of 8 or 16 bits or with a palette, whose indices count.
    size: (height, width) of its image.

  Returns:
    The values, whole numbers [height, width].

  Raises:
    Refused: there is none, it cannot be decoded, has several channels or another size.
  """
  label = np.asarray(shards.decode(shards.load(path), path))
  if label.ndim != 2:
    raise shards.Refused(f'{path} has colors; a label is one channel of classes')
  if label.shape != tuple(size):
    raise shards.Refused(
        f'{path} is {label.shape[0]}x{label.shape[1]}, its image {size[0]}x{size[1]}')
  return label


def classes_of(label: np.ndarray, data_set: str, path: str) -> np.ndarray:
  """Turns a label's values into classes by the `label_rule` and `void_labels` of the data set.

  Args:
    label: whole numbers [height, width].
    data_set: row of configs/datasets/catalog.py.
    path: of the label, for messages.

  Returns:
    Classes, whole numbers [height, width], -1 where void.

  Raises:
    Refused: a value is neither a class nor void.
  """
  class_of = catalog.get(data_set).class_of_label
  values, inverse = np.unique(label, return_inverse=True)
  strange = [int(v) for v in values if int(v) not in class_of]
  if strange:
    raise shards.Refused(
        f'{path} has values that are neither class nor void in {data_set}: {strange[:5]}')
  return np.array([class_of[int(v)] for v in values])[inverse].reshape(label.shape)


@dataclasses.dataclass(frozen=True)
class Source:
  """One split.

  Attributes:
    images: folder of images, looked through with all folders below it.
    labels: folder of label images at the same relative paths.
    data_set: row of configs/datasets/catalog.py; its `label_rule` says what the pixels of a label mean.
    image_suffix: end of the images' names.
    label_suffix: what stands in its place in the labels' names.
  """
  images: str
  labels: str
  data_set: str
  image_suffix: str = '.jpg'
  label_suffix: str = '.png'

  def rows(self) -> list[dict]:
    """Returns a dict for each image: 'id' (relative path without the suffix), 'file_name', 'label'; sorted.

    Raises:
      UserError: a folder is missing or holds no such image.
    """
    for folder in (self.images, self.labels):
      if not tf.io.gfile.isdir(folder):
        raise UserError(f'{folder} is no folder; give the folder of the images and that of the labels')
    found = []
    for folder, _, files in tf.io.gfile.walk(self.images):
      below = folder[len(self.images):].strip('/')
      found += [posixpath.join(below, name) for name in files if name.endswith(self.image_suffix)]
    if not found:
      raise UserError(f'{self.images} holds no image that ends in {self.image_suffix}; set --image_suffix')
    stems = sorted(name.removesuffix(self.image_suffix) for name in found)
    return [{'id': s, 'file_name': s + self.image_suffix, 'label': s + self.label_suffix} for s in stems]

  def read(self, row: dict) -> tuple[bytes, str, np.ndarray, list[str]]:
    """Returns (encoded image, its format, label integer [height, width], remarks), raises Refused."""
    image_path = posixpath.join(self.images, row['file_name'])
    label_path = posixpath.join(self.labels, row['label'])
    image, data, kind, remarks = shards.image(image_path)
    return data, kind, read_label(label_path, image.size[::-1]), remarks

  def convert_image(self, row: dict) -> tuple[bytes, str]:
    """Checks one image against its label and returns (record, remark or '').

    Raises:
      Refused: it cannot be used.
    """
    data, kind, label, remarks = self.read(row)
    classes = classes_of(label, self.data_set, row['label'])
    present = np.unique(classes[classes >= 0])
    id_map = np.where(classes >= 0, np.searchsorted(present, classes) + 1, 0)
    areas = np.bincount(id_map.ravel(), minlength=len(present) + 1)[1:]
    segments = [schema.Segment(int(c), False, 0, int(n), k + 1) for k, (c, n) in enumerate(zip(present, areas))]
    if not segments:
      remarks.append('nothing but void')
    record = schema.write(data, kind, label.shape, row['id'], row['file_name'], [id_map], segments)
    return record, '; '.join(remarks)

  def annotations_state(self) -> list:
    return shards.folder_state(self.labels)
