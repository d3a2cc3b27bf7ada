"""Masks of polygon annotations, rasterized at the size that is trained on.

The official mappers move a polygon's corners with the image and rasterize them last (Mask2Former,
coco_instance_new_baseline_dataset_mapper.py; detectron2, `transform_instance_annotations`). A mask
that was rasterized before and then enlarged has staircases instead.
"""

import numpy as np
import tensorflow as tf
from pycocotools import mask as mask_tools

from tf_maskformer.dataloaders import packing
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage

# A box with a shorter side than this, in pixels, is empty (detectron2, `Boxes.nonempty`).
_EMPTY_SIDE = 1e-5


def require_drawable(polygons: list[np.ndarray]) -> None:
  """Checks outlines before they are drawn in C, which computes with integers.

  Args:
    polygons: float64 [corners, 2] each.

  Raises:
    UnusableImage: a coordinate is NaN, infinite or far off, or they are too long together.
  """
  length = 0.0
  for points in polygons:
    if not (np.abs(points) <= schema.MAX_COORDINATE).all():
      raise UnusableImage(f'a corner is not within {schema.MAX_COORDINATE} pixels')
    length += np.abs(np.diff(points, axis=0)).max(axis=1).sum()
  if length > schema.MAX_OUTLINE:
    raise UnusableImage(f'its outlines are longer than {schema.MAX_OUTLINE} pixels')


def rasterize(polygons: list[np.ndarray], size: tuple[int, int]
              ) -> tuple[np.ndarray, tuple[int, int]]:
  """Rasterizes the union of polygons as COCO does, only in the part of the image that they reach.

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
  num_columns, num_rows = last.tolist()
  left, top = first.tolist()
  runs = mask_tools.frPyObjects([p.ravel() for p in polygons], num_rows, num_columns)
  mask = mask_tools.decode(mask_tools.merge(runs))
  return mask[top:, left:].view(bool), (top, left)


def _beyond(points: np.ndarray, axis: int, bound: float, sign: int) -> np.ndarray:
  """Cuts off what of a polygon is beyond a line (Sutherland and Hodgman), [corners, 2]."""
  inside = sign * (points[:, axis] - bound) <= 0
  kept = []
  for k, there in enumerate(points):
    here = points[k - 1]
    if inside[k - 1] != inside[k]:
      share = (bound - here[axis]) / (there[axis] - here[axis])
      kept.append(here + share * (there - here))
    if inside[k]:
      kept.append(there)
  return np.array(kept).reshape(-1, 2)


def reaches_into(polygons: list[np.ndarray], size: tuple[int, int]) -> bool:
  """Whether anything of an outline remains in an image, though perhaps too small for a pixel.

  The official filter: the box of what a crop leaves of the polygons has two sides above 1e-5.

  Args:
    polygons: float64 [corners, 2] each, x and y in pixels.
    size: (height, width) of the image.
  """
  height, width = size
  parts = [np.zeros([0, 2])]
  for points in polygons:
    if (points.max(axis=0) < 0).any() or (points.min(axis=0) > (width, height)).any():
      continue
    for axis, length in ((0, width), (1, height)):
      points = _beyond(points, axis, 0.0, -1)
      points = _beyond(points, axis, float(length), 1)
    parts.append(points)
  remaining = np.concatenate(parts)
  if not len(remaining):
    return False
  sides = remaining.max(axis=0) - remaining.min(axis=0)
  return bool((sides > _EMPTY_SIDE).all())


def draw(coordinates: np.ndarray, corners: np.ndarray, segment: np.ndarray, is_crowd: np.ndarray,
         id_maps: np.ndarray, plane: np.ndarray, max_planes: int
         ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Makes the id maps of one image: polygons are rasterized, other segments keep their pixels.

  Crowds, which are not targets, are left out.

  Args:
    coordinates: float64 [corners of all polygons, 2], x and y in this image.
    corners: int [polygons], how many of them each has.
    segment: int [polygons], the segment that each belongs to.
    is_crowd: bool [n].
    id_maps: uint16 [height, width, planes], value k: the k-th segment, from 1.
    plane: int32 [n], the id map that holds each segment.
    max_planes: id maps that are made; segments that find no room have this number as their plane.

  Returns:
    id_maps uint16 [height, width, planes]; plane int32 [n]; outlined bool [n]: segments with pixels
    or with a polygon that reaches into the image.
  """
  size = id_maps.shape[:2]
  polygons_of = _by_segment(coordinates, corners, segment)
  packed = packing.IdMaps(size, max_planes)
  plane_of = np.zeros(len(is_crowd), np.int32)
  outlined = np.zeros(len(is_crowd), bool)
  for k in np.flatnonzero(~is_crowd).tolist():
    own = polygons_of.get(k, [])
    if own:
      mask, corner = rasterize(own, size)
    else:
      mask = id_maps[:, :, plane[k]] == k + 1
      corner = (0, 0)
    plane_of[k] = packed.add(mask, k + 1, corner)
    outlined[k] = mask.any() or (bool(own) and reaches_into(own, size))
  return np.stack(packed.planes, axis=2), plane_of, outlined


def _by_segment(coordinates: np.ndarray, corners: np.ndarray, segment: np.ndarray
                ) -> dict[int, list[np.ndarray]]:
  """Returns the polygons of each segment that has any; arguments as of `draw`."""
  found: dict[int, list[np.ndarray]] = {}
  for k, points in zip(segment.tolist(), np.split(coordinates, np.cumsum(corners)[:-1])):
    found.setdefault(k, []).append(points)
  return found


def needs_id_maps(is_crowd: tf.Tensor, segment: tf.Tensor) -> tf.Tensor:
  """Whether a segment that is a target has no polygon.

  Args:
    is_crowd: bool [n].
    segment: int32 [polygons], the segment that each belongs to.

  Returns:
    bool scalar.
  """
  count = tf.size(is_crowd)
  num_polygons = tf.math.bincount(segment, minlength=count, maxlength=count)
  return tf.reduce_any(~is_crowd & (num_polygons == 0))


def redraw(example: dict, id_maps: tf.Tensor, placement: tf.Tensor, max_planes: int
           ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Draws the segments of an augmented image that have polygons; does nothing where none has.

  Args:
    example: what `decoder.decode` returned.
    id_maps: uint16 [height, width, planes], augmented.
    placement: float64 [2, 2], where the augmentation has moved things (`augment.Sample`).
    max_planes: see `draw`.

  Returns:
    id_maps uint16 [height, width, planes], plane int32 [n], outlined bool [n], as of `draw`;
    without polygons `outlined` is False throughout.
  """
  return tf.cond(
      tf.size(example['polygons']['corners']) > 0,
      lambda: _drawn(example, id_maps, placement, max_planes),
      lambda: (id_maps, example['plane'], tf.zeros_like(example['is_crowd'])))


def _drawn(example: dict, id_maps: tf.Tensor, placement: tf.Tensor, max_planes: int
           ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Returns what `draw` makes of the moved polygons."""
  plane = example['plane']
  is_crowd = example['is_crowd']
  polygons = example['polygons']
  scale, shift = tf.unstack(tf.reverse(placement, [0]), axis=1)  # of x and y
  moved = polygons['coordinates'] * scale + shift
  new_id_maps, new_plane, outlined = tf.numpy_function(
      draw,
      [moved, polygons['corners'], polygons['segment'], is_crowd, id_maps, plane, max_planes],
      [tf.uint16, tf.int32, tf.bool], stateful=False)
  return (
      tf.ensure_shape(new_id_maps, [*id_maps.shape[:2], None]),
      tf.ensure_shape(new_plane, plane.shape),
      tf.ensure_shape(outlined, is_crowd.shape))
