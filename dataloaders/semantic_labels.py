"""Label PNGs that mIoU is measured against instead of the segments of the records."""

import os
import posixpath
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.errors import UserError

_FIELD = 'task.evaluation.semantic_labels'
_SUFFIX = '.png'


class SemanticLabels:
  """The labels of a folder: `<source id>.png`, or the file name of the image with .png instead.

  The panoptic annotations of ADE20K and Mapillary leave things without an instance void, which the
  labels do not; the published mIoU is measured against the labels.
  """

  def __init__(self, folder: str, data_set: str, images: Iterable[tuple[str, str]],
               input_path: str):
    """Finds the label of each image.

    Args:
      folder: of the PNGs, searched with all folders below it.
      data_set: see `catalog.get`; says what the values mean.
      images: (source id, file name) per validation record.
      input_path: the validation records, for messages.

    Raises:
      UserError: the folder is missing, or an image has no label there.
    """
    self._data_set = data_set
    if not tf.io.gfile.isdir(folder):
      raise UserError(f'{_FIELD}={folder} is not a directory; give the folder of the label PNGs '
                      'or unset it')
    try:
      path_of = _labels_below(folder)
    except UnicodeDecodeError as e:
      raise UserError(
          f'{_FIELD}={folder} holds a file whose name is not UTF-8; rename it') from e
    self._paths = {}
    missing = []
    for source_id, file_name in images:
      stems = (source_id, os.path.splitext(file_name)[0])
      stem = next((stem for stem in stems if stem in path_of), None)
      if stem is None:
        missing.append(source_id)
      else:
        self._paths[source_id] = path_of[stem]
    if missing:
      raise UserError(
          f'{_FIELD}={folder} does not have the labels of {len(missing)} images of {input_path}, '
          f'{min(missing)}{_SUFFIX} for one; give the folder of the same split')

  def read(self, source_id: str, size: tuple[int, int]) -> np.ndarray:
    """Returns the classes of an image, integers [height, width], -1 where void.

    Args:
      source_id: of the image's record.
      size: (height, width) of the image.

    Raises:
      UserError: the label cannot be decoded, has another size, or a value without a meaning.
    """
    path = self._paths[source_id]
    try:
      label = label_images.read(path, size, catalog.get(self._data_set).label_form)
      return label_images.classes_of(label, self._data_set, path)
    except UnusableImage as e:
      raise UserError(f'{_FIELD} cannot be used: {e}; give the labels that belong to data set '
                      f'{self._data_set}') from e


def _labels_below(folder: str) -> dict[str, str]:
  """Returns the path of each PNG by its path relative to the folder, without the suffix."""
  path_of = {}
  for current, _, names in tf.io.gfile.walk(folder):
    below = current[len(folder):].strip('/')
    for name in names:
      if name.endswith(_SUFFIX):
        stem = posixpath.join(below, name.removesuffix(_SUFFIX))
        path_of[stem] = posixpath.join(current, name)
  return path_of
