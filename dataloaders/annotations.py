"""COCO's annotation files: the JSON of instances, the JSON of panoptic segments, their masks."""

import json
from typing import Any

import numpy as np
import tensorflow as tf
from pycocotools import mask as mask_tools

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.errors import UserError

# COCO's AP calls an object small up to the first of these areas, medium up to the second; pixels.
_SIZE_BOUNDS = (32**2, 96**2)
_MIN_COORDINATES = 6  # of a polygon: three corners

_INSTANCE_KEYS = ('id', 'category_id', 'iscrowd', 'area', 'segmentation')


def read_instances(path: str, data_set: str) -> list[dict[str, Any]]:
  """Reads an instances JSON.

  Args:
    path: of the file, local or remote.
    data_set: name in configs/datasets/catalog.py.

  Returns:
    One dict per image, sorted by id: the image's fields (id, file_name, height, width, ...) and
    'instances', dicts of id, category_id, iscrowd, area and segmentation.

  Raises:
    UserError: the file is missing or is not JSON, holds no instances, or uses categories that the
      data set does not have.
  """
  content = _read_json(path, 'instances')
  try:
    rows = {image['id']: {**image, 'instances': []} for image in content['images']}
    for annotation in content['annotations']:
      instance = {key: annotation[key] for key in _INSTANCE_KEYS}
      rows[annotation['image_id']]['instances'].append(instance)
  except (KeyError, TypeError) as e:
    raise UserError(f"annotations {path} are not in COCO's instance form: {e!r} is missing; "
                    'give instances_*.json, not panoptic_*.json') from e
  used = {instance['category_id'] for row in rows.values() for instance in row['instances']}
  _check_categories(used, data_set, path)
  return sorted(rows.values(), key=_source_id)


def read_panoptic(path: str, data_set: str) -> list[dict[str, Any]]:
  """Reads a panoptic JSON.

  Args:
    path: of the file, local or remote.
    data_set: name in configs/datasets/catalog.py.

  Returns:
    One dict per image, sorted by id: the image's fields (id, file_name, height, width, ...), 'png',
    the file name of its PNG, and 'segments_info'.

  Raises:
    UserError: the file is missing or is not JSON, is not panoptic, or names categories that the
      data set does not have.
  """
  content = _read_json(path, 'panoptic')
  rows = []
  try:
    images = {image['id']: image for image in content['images']}
    categories = {category['id'] for category in content['categories']}
    for annotation in content['annotations']:
      image = images[annotation['image_id']]
      segments = annotation['segments_info']
      rows.append({**image, 'png': annotation['file_name'], 'segments_info': segments})
  except (KeyError, TypeError) as e:
    raise UserError(f"annotations {path} are not in COCO's panoptic form: {e!r} is missing; "
                    'give panoptic_*.json, not instances_*.json') from e
  _check_categories(categories, data_set, path)
  return sorted(rows, key=_source_id)


def _source_id(row: dict[str, Any]) -> str:
  return str(row['id'])


def _read_json(path: str, kind: str) -> Any:
  if not tf.io.gfile.exists(path):
    raise UserError(f'annotations {path} do not exist; give the {kind} JSON')
  try:
    with tf.io.gfile.GFile(path) as file:
      return json.load(file)
  except json.JSONDecodeError as e:
    raise UserError(f'annotations {path} are not JSON ({e}); give the {kind} JSON') from e


def _check_categories(used: set[int], data_set: str, path: str) -> None:
  unknown = used - set(catalog.get(data_set).contiguous_ids)
  if unknown:
    raise UserError(f'annotations {path} have categories that data set {data_set} does not have: '
                    f'{sorted(unknown)[:5]}; choose --data_set')


def integer_area(area: float) -> int:
  """Returns an area as an integer that COCO's AP puts into the same size class.

  The bounds of small, medium and large belong to both sides, so only an area that is exactly a
  bound may become it.

  Args:
    area: pixels.
  """
  rounded = int(area)
  if rounded in _SIZE_BOUNDS and area > rounded:
    return rounded + 1
  return rounded


def rasterize(instance: dict[str, Any], size: tuple[int, int], path: str) -> np.ndarray:
  """Rasterizes an annotation's polygons as COCO does, or decodes its run lengths.

  Args:
    instance: with 'id' and 'segmentation'.
    size: (height, width) of the image.
    path: of the file, for messages.

  Returns:
    bool [height, width].

  Raises:
    UnusableImage: it has neither polygons nor run lengths, or its mask has another size.
  """
  name = f'{path}: instance {instance["id"]}'
  try:
    mask = _mask(instance['segmentation'], size)
  except (TypeError, ValueError, KeyError) as e:
    raise UnusableImage(f'{name} has no polygons or run lengths ({e})') from e
  if mask.shape != size:
    raise UnusableImage(f'{name} has a mask of {mask.shape[0]}x{mask.shape[1]} pixels')
  return mask


def _mask(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
  """Returns the mask of a 'segmentation': polygons, or run lengths (a list or COCO's string)."""
  if isinstance(segmentation, list):
    polygons = [polygon for polygon in segmentation if len(polygon) >= _MIN_COORDINATES]
    if not polygons:
      return np.zeros(size, bool)
    runs = mask_tools.merge(mask_tools.frPyObjects(polygons, *size))
  elif isinstance(segmentation['counts'], list):
    runs = mask_tools.frPyObjects(segmentation, *size)
  else:
    runs = segmentation
  return mask_tools.decode(runs).astype(bool)
