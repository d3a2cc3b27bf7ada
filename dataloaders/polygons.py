"""Masks of polygon annotations, drawn at the size that is trained on.

The official mappers move a polygon's corners with the image and rasterize them last (Mask2Former,
coco_instance_new_baseline_dataset_mapper.py; detectron2, `transform_instance_annotations`). A mask that
was rasterized before and then enlarged has staircases instead.
"""

import numpy as np
import tensorflow as tf
from pycocotools import mask as mask_tools

from tf_maskformer.dataloaders import packing

# A box with a shorter side than this, in pixels, is empty (detectron2, `Boxes.nonempty`).
_EMPTY_SIDE = 1e-5


def corners_of(annotation: list) -> list[np.ndarray]:
  """Returns the polygons of a COCO annotation that detectron2 keeps, float64 [corners, 2] of x, y.

  Args:
    annotation: lists x1, y1, x2, y2, ... in pixels; those of fewer than three corners are left out.
  """
  whole = [p for p in annotation if len(p) >= 6 and len(p) % 2 == 0]
  return [np.array(p, np.float64).reshape(-1, 2) for p in whole]


def rasterize(polygons: list[np.ndarray], size: tuple[int, int]
              ) -> tuple[np.ndarray, tuple[int, int]]:
  """Rasterizes the union of polygons as COCO does, and returns no more of the image than they reach.

  Args:
    polygons: float64 [corners, 2] each, x and y in pixels; they may reach beyond the image.
    size: (height, width) of the image.

  Returns:
    bool [rows, columns], and row and column of its first pixel in the image.
  """
  points = np.concatenate(polygons)
  # COCO rounds corners to a fifth of a pixel, so a pixel more on each side holds every mask.
  first = np.clip(np.floor(points.min(axis=0)) - 1, 0, size[::-1]).astype(int)
  last = np.clip(np.ceil(points.max(axis=0)) + 1, 0, size[::-1]).astype(int)
  if (first >= last).any():
    return np.zeros([0, 0], bool), (0, 0)
  # Rows and columns behind the last are left out; those before the first are not: polygons that
  # were shifted would round differently.
  columns, rows = last.tolist()
  runs = mask_tools.frPyObjects([p.ravel() for p in polygons], rows, columns)
  mask = mask_tools.decode(mask_tools.merge(runs))
  return mask[first[1]:, first[0]:].view(bool), (int(first[1]), int(first[0]))


def _beyond(points: np.ndarray, axis: int, bound: float, sign: int) -> np.ndarray:
  """Cuts off what of a polygon lies beyond a line (Sutherland and Hodgman), [corners, 2]."""
  inside = sign * (points[:, axis] - bound) <= 0
  kept = []
  for k in range(len(points)):
    here, there = points[k - 1], points[k]
    if inside[k - 1] != inside[k]:
      share = (bound - here[axis]) / (there[axis] - here[axis])
      kept.append(here + share * (there - here))
    if inside[k]:
      kept.append(there)
  return np.array(kept).reshape(-1, 2)


def reaches_into(polygons: list[np.ndarray], size: tuple[int, int]) -> bool:
  """Whether anything of an outline is left in an image, though perhaps too small for a pixel.

  The official filter: the box of what a crop leaves of the polygons has two sides above 1e-5.

  Args:
    polygons: float64 [corners, 2] each, x and y in pixels.
    size: (height, width) of the image.
  """
  left = [np.zeros([0, 2])]
  for points in polygons:
    if (points.max(axis=0) < 0).any() or (points.min(axis=0) > size[::-1]).any():
      continue
    for axis, length in ((0, size[1]), (1, size[0])):
      points = _beyond(points, axis, 0.0, -1)
      points = _beyond(points, axis, float(length), 1)
    left.append(points)
  left = np.concatenate(left)
  if not len(left):
    return False
  return bool((left.max(axis=0) - left.min(axis=0) > _EMPTY_SIDE).all())


def draw(coordinates: np.ndarray, corners: np.ndarray, segment: np.ndarray, is_crowd: np.ndarray,
         id_maps: np.ndarray, layer: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Makes the id maps of one image: polygons are rasterized, other segments keep their pixels.

  Crowds, which are no targets, are left out.

  Args:
    coordinates: float64 [corners of all polygons, 2], x and y in this image.
    corners: int [polygons], how many of them each has.
    segment: int [polygons], the segment that each belongs to.
    is_crowd: bool [n].
    id_maps: uint16 [height, width, layers], value k: the k-th segment, from 1.
    layer: int32 [n], the id map that holds each segment.

  Returns:
    id_maps uint16 [height, width, layers]; layer int32 [n]; outlined bool [n]: segments with pixels
    or with a polygon that reaches into the image.
  """
  size = id_maps.shape[:2]
  polygons = np.split(coordinates, np.cumsum(corners)[:-1])
  packed = packing.IdMaps(size)
  layer_of = np.zeros(len(is_crowd), np.int32)
  outlined = np.zeros(len(is_crowd), bool)
  for k in np.flatnonzero(~is_crowd):
    own = [polygons[i] for i in np.flatnonzero(segment == k)]
    if own:
      mask, corner = rasterize(own, size)
    else:
      mask, corner = id_maps[:, :, layer[k]] == k + 1, (0, 0)
    layer_of[k] = packed.add(mask, k + 1, corner)
    outlined[k] = mask.any() or (bool(own) and reaches_into(own, size))
  return np.stack(packed.layers, axis=2), layer_of, outlined


def needs_id_maps(is_crowd: tf.Tensor, segment: tf.Tensor) -> tf.Tensor:
  """Whether a segment that is a target has no polygon.

  Args:
    is_crowd: bool [n].
    segment: int32 [polygons], the segment that each belongs to.

  Returns:
    bool scalar.
  """
  count = tf.size(is_crowd)
  polygons = tf.math.bincount(segment, minlength=count, maxlength=count)
  return tf.reduce_any(~is_crowd & (polygons == 0))


def redraw(example: dict[str, tf.Tensor], id_maps: tf.Tensor, placement: tf.Tensor
           ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Draws the segments of an augmented image that have polygons; does nothing where none has.

  Args:
    example: what `decoder.decode` returned.
    id_maps: uint16 [height, width, layers], augmented.
    placement: float64 [2, 2], where the augmentation has put things (`augment.Pair`).

  Returns:
    id_maps uint16 [height, width, layers], layer int32 [n], outlined bool [n], as of `draw`; without
    polygons `outlined` is False throughout.
  """
  layer, is_crowd, polygons = example['plane'], example['is_crowd'], example['polygons']

  def drawn():
    by_x_y = tf.reverse(placement, [0])
    moved = polygons['coordinates'] * by_x_y[:, 0] + by_x_y[:, 1]
    results = tf.numpy_function(
        draw, [moved, polygons['corners'], polygons['segment'], is_crowd, id_maps, layer],
        [tf.uint16, tf.int32, tf.bool], stateful=False)
    shapes = id_maps.shape[:2] + [None], layer.shape, is_crowd.shape
    return tuple(tf.ensure_shape(result, shape) for result, shape in zip(results, shapes))

  return tf.cond(
      tf.size(polygons['corners']) > 0, drawn,
      lambda: (id_maps, layer, tf.zeros_like(is_crowd)))
