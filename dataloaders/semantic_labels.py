"""Label PNGs that mIoU is measured against instead of the segments of the records."""

import os
import posixpath
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tf_maskformer.dataloaders.preparation import semantic
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError

_FIELD, _SUFFIX = 'task.evaluation.semantic_labels', '.png'


class SemanticLabels:
  """The labels of a folder: `<source id>.png`, or the file name of the image with .png instead.

  The panoptic annotations of ADE20K and Mapillary leave things without an instance void, which the
  labels do not; the published mIoU is measured against the labels.
  """

  def __init__(self, folder: str, data_set: str, images: Iterable[tuple[str, str]],
               input_path: str):
    """Finds the label of each image.

    Args:
      folder: of the PNGs, looked through with all folders below it.
      data_set: row of configs/datasets/catalog.py, which says what the values mean.
      images: (source id, file name) per validation record.
      input_path: the validation records, for messages.

    Raises:
      UserError: the folder is missing, or an image has no label there.
    """
    self._data_set = data_set
    if not tf.io.gfile.isdir(folder):
      raise UserError(
          f'{_FIELD}={folder} is no folder; give the folder of the label PNGs or unset it')
    there = _labels_below(folder)
    self._paths, missing = {}, []
    for source_id, file_name in images:
      name = next((n for n in (source_id, os.path.splitext(file_name)[0]) if n in there), None)
      if name is None:
        missing.append(source_id)
      else:
        self._paths[source_id] = there[name]
    if missing:
      raise UserError(
          f'{_FIELD}={folder} lacks the labels of {len(missing)} images of {input_path}, '
          f'{min(missing)}{_SUFFIX} for one; give the folder of the same split')

  def read(self, source_id: str, size: tuple[int, int]) -> np.ndarray:
    """Returns the classes of an image, whole numbers [height, width], -1 where void.

    Args:
      source_id: of the image's record.
      size: (height, width) of the image.

    Raises:
      UserError: the label cannot be decoded, has another size, or a value that means nothing.
    """
    path = self._paths[source_id]
    try:
      return semantic.classes_of(semantic.read_label(path, size), self._data_set, path)
    except shards.Refused as e:
      raise UserError(
          f'{_FIELD} cannot be used: {e}; give the labels that belong to data set {self._data_set}'
      ) from e


def _labels_below(folder: str) -> dict[str, str]:
  """Returns the path of each PNG by its path relative to the folder, without the suffix."""
  found = {}
  for place, _, names in tf.io.gfile.walk(folder):
    below = place[len(folder):].strip('/')
    for name in names:
      if name.endswith(_SUFFIX):
        found[posixpath.join(below, name.removesuffix(_SUFFIX))] = posixpath.join(place, name)
  return found
