"""The mask of an instance in COCO's form: polygons or run lengths, as tools write them."""

from typing import Any

import numpy as np
from pycocotools import mask as mask_tools

from tf_maskformer import errors
from tf_maskformer.dataloaders import polygons
from tf_maskformer.dataloaders import run_lengths
from tf_maskformer.dataloaders.images import UnusableImage

# COCO's AP calls an object small up to the first of these areas, medium up to the second; pixels.
_SIZE_BOUNDS = (32**2, 96**2)
_MIN_COORDINATES = 6  # of a polygon: three corners


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


def area_of(instance: dict[str, Any], pixels: int) -> float:
  """Returns the area that the annotation states, or that of its mask where it states none."""
  stated = instance['area']
  return pixels if stated is None else stated


def has_outline(segmentation: Any) -> bool:
  """Whether a segmentation may be a mask: run lengths, or a polygon of three corners or more.

  False of what tools write for an object that has a box alone: nothing, [], [[]], {}.
  """
  if isinstance(segmentation, dict):
    return bool(segmentation.get('counts'))
  if not isinstance(segmentation, list):
    return bool(segmentation)  # not a mask either, but a fault of its own
  try:
    return any(len(part) >= _MIN_COORDINATES for part in _parts(segmentation))
  except ValueError:
    return True


def is_missing(segmentation: Any) -> bool:
  """Whether there is no segmentation at all: nothing, '', {}, [] or [[]]."""
  if isinstance(segmentation, list):
    return not any(part or part == 0 for part in segmentation)
  return segmentation in (None, '', {})


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

  Args:
    segmentation: a list of polygons, each [x1, y1, x2, y2, ...] or [[x1, y1], [x2, y2], ...], or
      one such polygon that is not in a list.

  Raises:
    ValueError, OverflowError, UnusableImage: they are not lists of coordinates, or cannot be drawn.
  """
  found = []
  for polygon in _parts(segmentation):
    if len(polygon) % 2:
      raise ValueError('a polygon has an odd number of coordinates')
    if len(polygon) >= _MIN_COORDINATES:
      found.append(np.array(polygon, np.float64).reshape(-1, 2))
  polygons.require_drawable(found)
  return found


def _parts(segmentation: list[Any]) -> list[list[float]]:
  """Returns the coordinates of each polygon, however deep the lists; raises ValueError."""
  if segmentation and _is_numbers(segmentation):
    return [segmentation]
  if len(segmentation) >= _MIN_COORDINATES // 2 and all(map(_is_corner, segmentation)):
    return [_joined(segmentation)]
  parts = []
  for polygon in segmentation:
    if not isinstance(polygon, list):
      raise ValueError('a polygon is not a list of numbers')
    if polygon and all(map(_is_corner, polygon)):
      polygon = _joined(polygon)
    if not _is_numbers(polygon):
      raise ValueError('a polygon is not a list of numbers')
    parts.append(polygon)
  return parts


def _is_numbers(values: list[Any]) -> bool:
  return all(type(value) in (int, float) for value in values)


def _is_corner(value: Any) -> bool:
  return isinstance(value, list) and len(value) == 2 and _is_numbers(value)


def _joined(corners: list[list[float]]) -> list[float]:
  return [coordinate for corner in corners for coordinate in corner]


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
    turned = ', which is width and height swapped' if own_size == [size[1], size[0]] else ''
    raise ValueError(f'a mask of {errors.quoted(own_size)} pixels{turned}')
  return run_lengths.decode(segmentation.get('counts'), size)
