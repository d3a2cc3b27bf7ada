"""Panoptic PNGs and what a JSON says of their segments."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_maskformer import errors
from tf_maskformer.dataloaders import annotations
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders.images import UnusableImage

_ID_OF_COLOR = np.array([1, 256, 256**2])  # what red, green and blue contribute to an id


def read(path: str) -> np.ndarray:
  """Returns the ids of a panoptic PNG, int64 [height, width], 0 = void.

  Raises:
    UnusableImage: it cannot be read.
  """
  image = images.decode(images.load(path), path)
  with images.refusing(path):
    colors = np.asarray(image.convert('RGB'))
  return colors.astype(np.int64) @ _ID_OF_COLOR


def segments(id_map: np.ndarray, row: Mapping[str, Any], class_of: Mapping[int, int], path: str
             ) -> tuple[np.ndarray, list[dict[str, Any]]]:
  """Returns an id map and its segments as the metrics take them.

  Args:
    id_map: [height, width].
    row: of `annotations.read_panoptic`.
    class_of: class of each category id.
    path: of the PNG, for messages.

  Returns:
    the id map with segments of ignored categories void, and dicts of id, category_id (class),
    iscrowd and area.

  Raises:
    UnusableImage: the JSON contradicts itself or the map.
  """
  annotations.require_usable(dict(row))
  infos = row['segments_info']
  annotations.check_segments(infos, class_of, row['file_name'])
  ids, counts = np.unique(id_map, return_counts=True)
  pixels = dict(zip(ids.tolist(), counts.tolist()))
  unknown = sorted(set(pixels) - {0} - {info['id'] for info in infos})
  if unknown:
    raise UnusableImage(f'{path} has ids that are not in the JSON: {unknown[:5]}')
  ignored = [info['id'] for info in infos if info['category_id'] is None]
  if ignored:
    id_map = np.where(np.isin(id_map, ignored), 0, id_map)
  kept = [info for info in infos if info['category_id'] is not None]
  return id_map, [
      {
          'id': info['id'],
          'category_id': class_of[info['category_id']],
          'iscrowd': int(info['iscrowd']),
          'area': int(instance_masks.area_of(info, pixels.get(info['id'], 0))),
      }
      for info in kept]


def path_in(folder: str, name: Any) -> str:
  """Returns the path of a file that a JSON names.

  Raises:
    UnusableImage: it is not a name, or of a file outside the folder.
  """
  if not isinstance(name, str) or not name or '\0' in name:
    raise UnusableImage(f'the JSON names the PNG {errors.quoted(name)}, which is not a name')
  if os.path.isabs(name) or '..' in name.split('/'):
    raise UnusableImage(f'the JSON names the PNG {errors.quoted(name)}, outside {folder}')
  return os.path.join(folder, name)


def folder_of(path: str, first: Any) -> str:
  """Returns the folder of the PNGs of a panoptic JSON: called as the JSON, or its own folder.

  Args:
    path: of the JSON.
    first: name of one of the PNGs; not checked.
  """
  if not isinstance(first, str) or '\0' in first:
    first = ''
  called_alike = os.path.splitext(path)[0]
  for folder in (called_alike, os.path.dirname(path)):
    if os.path.isfile(os.path.join(folder, first)):
      return folder
  return called_alike
