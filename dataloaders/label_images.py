"""Semantic label images: one channel whose values are classes."""

import numpy as np

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.images import UnusableImage


def read(path: str, size: tuple[int, int]) -> np.ndarray:
  """Reads a label image.

  Args:
    path: a PNG of one channel, gray of 8 or 16 bits or with a palette, whose indices count.
    size: (height, width) of its image.

  Returns:
    The values, integers [height, width].

  Raises:
    UnusableImage: it does not exist, cannot be decoded, has several channels, fractions or another
      size.
  """
  label = np.asarray(images.decode(images.load(path), path))
  if label.ndim != 2:
    raise UnusableImage(f'{path} has colors; a label is one channel of classes')
  if label.dtype.kind not in 'uib':
    raise UnusableImage(f'{path} has fractions; a label is one channel of classes')
  if label.shape != tuple(size):
    raise UnusableImage(
        f'{path} is {label.shape[0]}x{label.shape[1]}, its image {size[0]}x{size[1]}')
  return label


def classes_of(label: np.ndarray, data_set: str, path: str) -> np.ndarray:
  """Turns a label's values into classes by the `label_rule` and `void_labels` of the data set.

  Args:
    label: integers [height, width].
    data_set: see `catalog.get`.
    path: of the label, for messages.

  Returns:
    Classes, integers [height, width], -1 where void.

  Raises:
    UnusableImage: a value is neither a class nor void.
  """
  class_of = catalog.get(data_set).class_of_label
  values, inverse = np.unique(label, return_inverse=True)
  unknown = [int(value) for value in values if int(value) not in class_of]
  if unknown:
    raise UnusableImage(
        f'{path} has values that are neither class nor void in {data_set}: {unknown[:5]}')
  classes = np.array([class_of[int(value)] for value in values])
  return classes[inverse].reshape(label.shape)
