"""Bilinear samples of maps and of id maps at points.

As PyTorch's grid_sample with align_corners False and zeros outside, but points are (x, y) in units
of the map, 0 .. 1, with pixel centers at (i + 0.5) / size.
"""

from collections.abc import Iterator

import tensorflow as tf

from tf_maskformer.ops import shape as shape_ops
from tf_maskformer.ops.shape import Size


def _neighbors(coordinate: tf.Tensor, size: tf.Tensor
               ) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
  """Yields the two pixels next to a coordinate of one axis.

  Args:
    coordinate: float32 [...], in pixels, 0 at the center of the first.
    size: float32 scalar, of the axis.

  Yields:
    The pixel's index in 0 .. size - 1 and its weight, float32 [...], 0 where the pixel is outside.
  """
  before = tf.floor(coordinate)
  share = coordinate - before
  for index, weight in ((before, 1 - share), (before + 1, share)):
    clipped = tf.clip_by_value(index, 0.0, size - 1)
    yield clipped, weight * tf.cast(clipped == index, tf.float32)


def corners(points: tf.Tensor, height: Size, width: Size
            ) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
  """Yields the four neighbors of every point: index in the flattened map and bilinear weight.

  Args:
    points: float32 [..., 2], (x, y) in units of the map.
    height: of the map.
    width: of the map.

  Yields:
    int32 [...] in 0 .. height * width - 1, and float32 [...], 0 where the neighbor is outside.
  """
  h = tf.cast(height, tf.float32)
  w = tf.cast(width, tf.float32)
  x, y = tf.unstack(points, axis=-1)
  columns = [(tf.cast(column, tf.int32), weight) for column, weight in _neighbors(x * w - 0.5, w)]
  for row, row_weight in _neighbors(y * h - 0.5, h):
    first = tf.cast(row, tf.int32) * width
    for column, column_weight in columns:
      yield first + column, row_weight * column_weight


def sample(maps: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
  """Samples each map at its own points.

  Args:
    maps: float32 [n, height, width].
    points: float32 [n, points, 2].

  Returns:
    float32 [n, points].
  """
  n, height, width = shape_ops.sizes(maps)
  flat = tf.reshape(maps, [n * height * width])
  first = tf.range(n)[:, None] * (height * width)
  return tf.add_n([weight * tf.gather(flat, first + index)
                   for index, weight in corners(points, height, width)])


def sample_shared(maps: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
  """Samples all maps of an image at the same points; for tensors that need no gradient.

  Args:
    maps: float32 [batch, n, height, width].
    points: float32 [batch, points, 2].

  Returns:
    float32 [batch, points, n].
  """
  batch, n, height, width = shape_ops.sizes(maps)
  pixels = tf.transpose(tf.reshape(maps, [batch, n, height * width]), [0, 2, 1])
  return tf.add_n([weight[..., None] * tf.gather(pixels, index, batch_dims=1)
                   for index, weight in corners(points, height, width)])


def sample_segments(id_maps: tf.Tensor, plane: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
  """Samples the binary masks of all segments at the same points.

  These are the exact bilinear values, from four ids per point; no mask is made.

  Args:
    id_maps: integer [batch, planes, height, width], value slot + 1.
    plane: int32 [batch, segments], the plane that holds each segment.
    points: float32 [batch, points, 2].

  Returns:
    float32 [batch, segments, points] in [0, 1].
  """
  batch, planes, height, width = shape_ops.sizes(id_maps)
  flat = tf.reshape(id_maps, [batch, planes, height * width])
  own_id = tf.range(1, tf.shape(plane)[1] + 1)[None, :, None]
  result = 0.0
  for index, weight in corners(points, height, width):
    index = tf.tile(index[:, None], [1, planes, 1])
    ids = tf.gather(flat, index, batch_dims=2)  # [batch, planes, points]
    of_segment = ids if planes == 1 else tf.gather(ids, plane, batch_dims=1)
    hits = tf.cast(of_segment, tf.int32) == own_id
    result += weight[:, None] * tf.cast(hits, tf.float32)
  return result


def sample_masks_of(id_maps: tf.Tensor, image: tf.Tensor, plane: tf.Tensor, slot: tf.Tensor,
                    points: tf.Tensor) -> tf.Tensor:
  """Samples chosen binary masks, each at its own points.

  Args:
    id_maps: integer [batch, planes, height, width].
    image: int32 [n], index into the batch.
    plane: int32 [n].
    slot: int32 [n], the segment's slot.
    points: float32 [n, points, 2].

  Returns:
    float32 [n, points] in [0, 1].
  """
  _, planes, height, width = shape_ops.sizes(id_maps)
  flat = tf.reshape(id_maps, [-1])
  first = ((image * planes + plane) * (height * width))[:, None]
  own_id = tf.cast(slot + 1, id_maps.dtype)[:, None]
  return tf.add_n([weight * tf.cast(tf.gather(flat, first + index) == own_id, tf.float32)
                   for index, weight in corners(points, height, width)])
