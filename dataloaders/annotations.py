"""COCO's annotation files: the JSON of instances, the JSON of panoptic segments, their masks.

What is wrong with one image makes that image unusable, and the others can be used; what is wrong
with the file is an error.
"""

import posixpath
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from pycocotools import mask as mask_tools

from tf_maskformer import errors
from tf_maskformer import json_text
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import json_values
from tf_maskformer.dataloaders import polygons
from tf_maskformer.dataloaders import run_lengths
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage

# COCO's AP calls an object small up to the first of these areas, medium up to the second; pixels.
_SIZE_BOUNDS = (32**2, 96**2)
_MIN_COORDINATES = 6  # of a polygon: three corners
_IMAGE_KEYS = ('id', 'file_name', 'height', 'width')
_INSTANCE_KEYS = ('id', 'category_id', 'iscrowd', 'area', 'segmentation')
_MAX_ID = 2**63 - 1
_MAX_COLOR_ID = 2**24 - 1  # of a panoptic segment: red, green and blue
_MAX_NAME = 1024  # characters
_MAX_SIDE = 2**31 - 1

Row = dict[str, Any]
_INSTANCE_FORM = "COCO's instance form", 'give instances_*.json, not panoptic_*.json'
_PANOPTIC_FORM = "COCO's panoptic form", 'give panoptic_*.json, not instances_*.json'


def read_instances(path: str, data_set: str) -> list[Row]:
  """Reads an instances JSON.

  Args:
    path: of the file, local or remote.
    data_set: see `catalog.get`.

  Returns:
    One dict per image, sorted by id: id, file_name, height, width, 'instances', dicts of id,
    category_id, iscrowd, area and segmentation (None where missing), and 'fault', why the image
    cannot be used, or ''. Images that have annotations but are not in the JSON have a row without
    'instances'.

  Raises:
    UserError: the file is missing or is not JSON, holds no instances, or uses categories that the
      data set does not have.
  """
  content = _read_json(path, 'instances')
  _require_form(content, ('image_id', *_INSTANCE_KEYS), path, _INSTANCE_FORM)
  rows = _image_rows(content['images'])
  for row in rows.values():
    row['instances'] = []
  unknown: dict[str, Row] = {}
  for annotation in content['annotations']:
    row = _row_of(annotation, rows, unknown)
    if 'instances' in row:
      row['instances'].append({key: annotation.get(key) for key in _INSTANCE_KEYS})
  used = {instance['category_id'] for row in rows.values() for instance in row['instances']
          if json_values.is_whole(instance['category_id'], -_MAX_ID, _MAX_ID)}
  if 'categories' in content:
    # What is not declared either is the fault of its image.
    used &= _category_ids(content, path, _INSTANCE_FORM)
  _check_categories(used, data_set, path)
  return _sorted(rows, unknown)


def read_panoptic(path: str, data_set: str) -> list[Row]:
  """Reads a panoptic JSON.

  Args:
    path: of the file, local or remote.
    data_set: see `catalog.get`.

  Returns:
    One dict per annotated image, sorted by id: id, file_name, height, width, 'png', the file name
    of its PNG, 'segments_info', and 'fault', why the image cannot be used, or ''.

  Raises:
    UserError: the file is missing or is not JSON, is not panoptic, or names categories that the
      data set does not have.
  """
  content = _read_json(path, 'panoptic')
  _require_form(content, ('image_id', 'file_name', 'segments_info'), path, _PANOPTIC_FORM)
  categories = _category_ids(content, path, _PANOPTIC_FORM)
  images = _image_rows(content['images'])
  annotated: dict[str, Row] = {}
  unknown: dict[str, Row] = {}
  for annotation in content['annotations']:
    row = _row_of(annotation, images, unknown)
    if 'height' not in row:
      continue
    if 'png' in row:
      row['fault'] = row['fault'] or 'has two annotations in the JSON'
    else:
      row['png'] = annotation.get('file_name')
      row['segments_info'] = annotation.get('segments_info')
      row['fault'] = row['fault'] or _fault_of_name(row['png'], 'the PNG')
    annotated[str(row['id'])] = row
  _check_categories(categories, data_set, path)
  return _sorted(annotated, unknown)


def _require_form(content: Any, keys: tuple[str, ...], path: str, form: tuple[str, str]) -> None:
  """Raises UserError where a JSON is not of a form, or no annotation has one of the keys."""
  if not isinstance(content, dict):
    raise _wrong_form('it is not an object with images and annotations', path, form)
  for part in ('images', 'annotations'):
    if not isinstance(content.get(part), list):
      raise _wrong_form(f'{part!r} is missing or is not a list', path, form)
  rows = content['annotations']
  for key in keys:
    if rows and not any(isinstance(row, dict) and key in row for row in rows):
      raise _wrong_form(f'{key!r} is missing', path, form)


def _wrong_form(what: str, path: str, form: tuple[str, str]) -> errors.UserError:
  name, advice = form
  return errors.UserError(f'annotations {path} are not in {name}: {what}; {advice}')


def _category_ids(content: dict[str, Any], path: str, form: tuple[str, str]) -> set[int]:
  """Returns the ids of the declared categories; raises UserError where they are not distinct."""
  categories = content.get('categories')
  if not isinstance(categories, list):
    raise _wrong_form("'categories' is missing or is not a list", path, form)
  ids: set[int] = set()
  for category in categories:
    category_id: Any = category.get('id') if isinstance(category, dict) else None
    if not json_values.is_whole(category_id, -_MAX_ID, _MAX_ID):
      raise _wrong_form(f'a category has the id {errors.quoted(category_id)}, which is not a whole '
                        'number', path, form)
    if category_id in ids:
      raise _wrong_form(f'two categories have the id {category_id}', path, form)
    ids.add(category_id)
  return ids


def _image_rows(images: list[Any]) -> dict[str, Row]:
  """Returns a row per image by its id as text."""
  rows: dict[str, Row] = {}
  for position, image in enumerate(images):
    if not isinstance(image, dict) or not _is_id(image.get('id')):
      name = f'image {position} of the JSON'
      rows[f'{name} without an id'] = {
          'id': name, 'file_name': name, 'fault': f'{name} has no id (a number or a text)'}
      continue
    key = str(image['id'])
    if key in rows:
      rows[key]['fault'] = 'is among the images of the JSON twice'
      continue
    row = {name: image.get(name) for name in _IMAGE_KEYS}
    rows[key] = {**row, 'fault': _fault_of_image(image)}
    if _fault_of_name(image.get('file_name'), ''):
      rows[key]['file_name'] = f'image {errors.quoted(key)}'
  return rows


def _is_id(value: Any) -> bool:
  return json_values.is_whole(value, -_MAX_ID, _MAX_ID) or (
      json_values.is_text(value) and len(value) <= _MAX_NAME)


def _fault_of_image(image: Mapping[str, Any]) -> str:
  """Returns why an image of a JSON cannot be used, '' where it can."""
  for side in ('height', 'width'):
    if not json_values.is_whole(image.get(side), 1, _MAX_SIDE):
      return f'has the {side} {errors.quoted(image.get(side))} in the JSON'
  return _fault_of_name(image.get('file_name'), 'the image')


def _fault_of_name(name: Any, what: str) -> str:
  """Returns why a file cannot be named so, '' where it can; nothing outside the folder is read."""
  if not json_values.is_text(name) or len(name) > _MAX_NAME or '\0' in name:
    return f'has the file name {errors.quoted(name)} of {what} in the JSON, which is not one'
  if posixpath.isabs(name) or '..' in name.split('/'):
    return f'has the file name {errors.quoted(name)} of {what}, which leaves the folder'
  return ''


def _row_of(annotation: Any, images: dict[str, Row], unknown: dict[str, Row]) -> Row:
  """Returns the row of an annotation's image; one in `unknown` where there is no such image."""
  image_id = annotation.get('image_id') if isinstance(annotation, dict) else None
  key = str(image_id) if _is_id(image_id) else ''
  if key in images:
    return images[key]
  name = f'image {errors.quoted(image_id)}'
  return unknown.setdefault(name, {
      'id': name, 'file_name': name, 'fault': f'{name} has annotations but is not in the JSON'})


def _sorted(*parts: dict[str, Row]) -> list[Row]:
  return sorted((row for part in parts for row in part.values()), key=lambda row: str(row['id']))


def require_usable(row: Row) -> None:
  """Raises UnusableImage where the JSON contradicts itself about the image of a row."""
  if row.get('fault'):
    raise UnusableImage(row['fault'])


def _read_json(path: str, kind: str) -> Any:
  if not tf.io.gfile.exists(path):
    raise errors.UserError(f'annotations {path} do not exist; give the {kind} JSON')
  try:
    with tf.io.gfile.GFile(path, 'rb') as file:
      return json_text.parse(file.read())
  except ValueError as e:
    raise errors.UserError(f'annotations: {path} {e}; give the {kind} JSON') from e
  except (tf.errors.OpError, OSError) as e:
    raise errors.UserError(
        f'annotations {path} cannot be read ({errors.reason(e)}); give the {kind} JSON') from e


def _check_categories(used: set[int], data_set: str, path: str) -> None:
  unknown = used - set(catalog.get(data_set).contiguous_ids)
  if unknown:
    raise errors.UserError(
        f'annotations {path} have categories that data set {data_set} does not have: '
        f'{sorted(unknown)[:5]}; choose --data_set')


def check_instance(instance: Row, known: Mapping[int, int], where: str) -> None:
  """Checks what an instances JSON says of an instance, apart from its mask.

  Args:
    instance: of `read_instances`.
    known: category ids of the data set.
    where: for messages.

  Raises:
    UnusableImage: a value is missing or out of range.
  """
  holds = {
      'id': json_values.is_whole(instance['id'], -_MAX_ID, _MAX_ID),
      'category_id': _is_category(instance['category_id'], known),
      'iscrowd': _is_flag(instance['iscrowd']),
      'area': json_values.is_number(instance['area'], 0, schema.MAX_AREA),
  }
  _require_all(holds, instance, f'{where}: an instance')


def check_segments(infos: Any, known: Mapping[int, int], file_name: str) -> None:
  """Checks what a panoptic JSON says of an image's segments.

  Args:
    infos: 'segments_info' of the image.
    known: category ids of the data set.
    file_name: for messages.

  Raises:
    UnusableImage: they are not a list of segments with distinct ids, or a value is out of range.
  """
  if not isinstance(infos, list) or not all(isinstance(info, dict) for info in infos):
    raise UnusableImage(f'{file_name} has segments_info in the JSON that are not a list of objects')
  if len(infos) > schema.MAX_SEGMENTS:
    raise UnusableImage(f'{file_name} has more than {schema.MAX_SEGMENTS} segments')
  for info in infos:
    holds = {
        'id': json_values.is_whole(info.get('id'), 1, _MAX_COLOR_ID),
        'iscrowd': _is_flag(info.get('iscrowd', 0)),
        'area': json_values.is_number(info.get('area', 0), 0, schema.MAX_AREA),
    }
    _require_all(holds, info, f'{file_name}: a segment')
  if len({info['id'] for info in infos}) != len(infos):
    raise UnusableImage(f'{file_name} has two segments with one id in the JSON')
  category_ids = [info.get('category_id') for info in infos]
  unknown = [value for value in category_ids if not _is_category(value, known)]
  if unknown:
    shown = ', '.join(errors.quoted(value) for value in unknown[:5])
    raise UnusableImage(f'{file_name} has unknown category ids [{shown}]')


def _is_category(value: Any, known: Mapping[int, int]) -> bool:
  return type(value) is int and value in known


def _is_flag(value: Any) -> bool:
  return type(value) in (int, bool) and value in (0, 1)


def _require_all(holds: dict[str, bool], row: Row, what: str) -> None:
  for key, is_right in holds.items():
    if not is_right:
      raise UnusableImage(f'{what} has the {key} {errors.quoted(row.get(key))} in the JSON')


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


def rasterize(instance: Row, size: tuple[int, int], path: str) -> np.ndarray:
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
  segmentation = instance['segmentation']
  try:
    if isinstance(segmentation, list):
      return _polygon_mask(outlines(segmentation), size)
    return _run_length_mask(segmentation, size)
  except (TypeError, ValueError, OverflowError, UnusableImage) as e:
    name = f'{path}: instance {errors.quoted(instance["id"])}'
    raise UnusableImage(f'{name} has no polygons or run lengths that can be used ({e})') from e


def outlines(segmentation: list[Any]) -> list[np.ndarray]:
  """Returns the polygons of an annotation, float64 [corners, 2] of x, y, those with 3 corners.

  Raises:
    ValueError, OverflowError, UnusableImage: they are not lists of coordinates, or cannot be drawn.
  """
  found = []
  for polygon in segmentation:
    if not isinstance(polygon, list) or not all(type(c) in (int, float) for c in polygon):
      raise ValueError('a polygon is not a list of numbers')
    if len(polygon) % 2:
      raise ValueError('a polygon has an odd number of coordinates')
    if len(polygon) >= _MIN_COORDINATES:
      found.append(np.array(polygon, np.float64).reshape(-1, 2))
  polygons.require_drawable(found)
  return found


def _polygon_mask(corners: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
  if not corners:
    return np.zeros(size, bool)
  runs = mask_tools.frPyObjects([points.ravel() for points in corners], *size)
  return mask_tools.decode(mask_tools.merge(runs)).astype(bool)


def _run_length_mask(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
  if not isinstance(segmentation, dict):
    raise ValueError('it is neither a list nor an object')
  own_size = segmentation.get('size')
  if own_size != list(size):
    raise ValueError(f'a mask of {errors.quoted(own_size)} pixels')
  return run_lengths.decode(segmentation.get('counts'), size)
