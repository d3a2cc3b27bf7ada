"""LabelMe's shapes as instances in COCO's form."""

import base64
import binascii
import math
from collections import Counter
from typing import Any

import numpy as np
from pycocotools import mask as mask_tools

from tf_maskformer import errors
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders import json_values
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage

_WITHOUT_AREA = ('line', 'linestrip', 'point', 'points')
_NOT_OBJECTS = ('__ignore__', '_background_', '__background__')  # labels of LabelMe's own
_MIN_CORNERS = 32  # of the polygon that stands for a circle
_MAX_CORNERS = 2048

Shape = dict[str, Any]


def why_left_out(shape: Shape) -> str:
  """Returns why a shape is not an object, '' where it is one."""
  kind = shape.get('shape_type')
  if kind in _WITHOUT_AREA:
    return f'{kind} has no area'
  if shape.get('label') in _NOT_OBJECTS:
    return f'the label {shape["label"]}'
  return ''


def instances(shapes: list[Shape], size: tuple[int, int], path: str
              ) -> tuple[list[Shape], Counter[str]]:
  """Returns the instances of an image, and how many shapes are left out, by the reason.

  Shapes of one label with one group_id are one instance.

  Args:
    shapes: of the JSON.
    size: (height, width) of the image.
    path: of the JSON, for messages.

  Returns:
    dicts of id, label, iscrowd, area (None) and segmentation.

  Raises:
    UnusableImage: a shape cannot be read.
  """
  left_out: Counter[str] = Counter()
  groups: dict[Any, list[Shape]] = {}
  for position, shape in enumerate(shapes):
    why = why_left_out(shape)
    if why:
      left_out[why] += 1
      continue
    label: Any = shape.get('label')
    if not json_values.is_text(label) or not label.strip():
      raise UnusableImage(f'{path}: shape {position} has the label {errors.quoted(label)}')
    group = shape.get('group_id')
    is_group = isinstance(group, (int, str)) and not isinstance(group, bool) and group != ''
    key = (label.strip(), group if is_group else None, None if is_group else position)
    groups.setdefault(key, []).append({**shape, 'where': f'{path}: shape {position}'})
  found: list[dict[str, Any]] = []
  for (label, _, _), members in groups.items():
    found.append({
        'id': len(found) + 1,
        'label': label,
        'iscrowd': 0,
        'area': None,
        'segmentation': _joined([_segmentation(shape, size) for shape in members], size),
    })
  return found, left_out


def _joined(parts: list[Any], size: tuple[int, int]) -> Any:
  """Returns one segmentation of several: all polygons, or the run lengths of all pixels."""
  if all(isinstance(part, list) for part in parts):
    return [polygon for part in parts for polygon in part]
  mask = np.zeros(size, bool)
  for part in parts:
    mask |= instance_masks.rasterize({'id': 0, 'segmentation': part}, size, '')
  return _run_lengths(mask)


def _run_lengths(mask: np.ndarray) -> dict[str, Any]:
  runs = mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
  return {'size': list(mask.shape), 'counts': runs['counts']}


def _segmentation(shape: Shape, size: tuple[int, int]) -> Any:
  """Returns the polygons or run lengths of a shape; raises UnusableImage."""
  kind = shape.get('shape_type') or 'polygon'  # old files do not say
  points = _points(shape)
  where = shape['where']
  if kind == 'polygon':
    if len(points) < 3:
      raise UnusableImage(f'{where} is a polygon of {len(points)} points')
    return [points.ravel().tolist()]
  if kind == 'rectangle' and len(points) in (2, 4):
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return [[left, top, right, top, right, bottom, left, bottom]]
  if kind == 'circle' and len(points) == 2:
    return [_circle(points)]
  if kind == 'mask' and len(points) >= 1:
    return _run_lengths(_mask(shape, points, size))
  raise UnusableImage(
      f'{where} is a {errors.quoted(kind)} of {len(points)} points, which is not known')


def _points(shape: Shape) -> np.ndarray:
  """Returns the points of a shape, float64 [n, 2] of x, y; raises UnusableImage."""
  points = shape.get('points')
  bound = schema.MAX_COORDINATE
  is_list = isinstance(points, list) and all(
      isinstance(point, list) and len(point) == 2
      and all(json_values.is_number(c, -bound, bound) for c in point) for point in points)
  if not is_list:
    raise UnusableImage(
        f'{shape["where"]} has points that are not pairs of numbers within {bound} pixels')
  return np.array(points, np.float64).reshape(-1, 2)


def _circle(points: np.ndarray) -> list[float]:
  """Returns the polygon of a circle, given its center and a point on it."""
  radius = float(np.hypot(*(points[1] - points[0])))
  count = min(max(_MIN_CORNERS, math.ceil(2 * math.pi * radius)), _MAX_CORNERS)
  angles = np.arange(count) * (2 * math.pi / count)
  corners = points[0] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
  return corners.ravel().tolist()


def _mask(shape: Shape, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Returns the pixels of a mask, a PNG that begins at the first point; raises UnusableImage."""
  where = shape['where']
  data = shape.get('mask')
  if not isinstance(data, str):
    raise UnusableImage(f'{where} is a mask without pixels ("mask")')
  try:
    decoded = base64.b64decode(data, validate=True)
  except (binascii.Error, ValueError) as e:
    raise UnusableImage(f'{where}: its mask is not base64 ({e})') from e
  crop = np.asarray(images.decode(decoded, f'{where}: its mask').convert('L')) > 0
  left, top = (round(c) for c in points.min(axis=0).tolist())
  mask = np.zeros(size, bool)
  rows = slice(max(top, 0), min(top + crop.shape[0], size[0]))
  columns = slice(max(left, 0), min(left + crop.shape[1], size[1]))
  if rows.start < rows.stop and columns.start < columns.stop:
    mask[rows, columns] = crop[
        rows.start - top:rows.stop - top, columns.start - left:columns.stop - left]
  return mask
