"""Bilinear samples of maps and of id maps at points, as PyTorch's grid_sample (align_corners False, zero outside)."""

from collections.abc import Iterator

import tensorflow as tf

from tf_maskformer.ops import shape as shape_ops


def _beside(coordinate: tf.Tensor, size) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
  """Yields the two pixels beside a coordinate of one axis: float32 place in 0 .. size - 1, share (0 outside)."""
  before = tf.floor(coordinate)
  share = coordinate - before
  for place, part in ((before, 1 - share), (before + 1, share)):
    inside = tf.clip_by_value(place, 0.0, size - 1)
    yield inside, part * tf.cast(inside == place, tf.float32)


def corners(points: tf.Tensor, height, width) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
  """Yields the four neighbors of every point: its place in a flattened map, and its bilinear weight.

  Args:
    points: float32 [..., 2], (x, y) in units of the map, pixel centers at (i + 0.5) / size.
    height: of the map.
    width: of the map.

  Yields:
    int32 [...] in 0 .. height * width - 1, and float32 [...], 0 where the neighbor lies outside.
  """
  h, w = (float(n) if isinstance(n, int) else tf.cast(n, tf.float32) for n in (height, width))
  x, y = tf.unstack(points, axis=-1)
  columns = [(tf.cast(column, tf.int32), share) for column, share in _beside(x * w - 0.5, w)]
  for row, row_share in _beside(y * h - 0.5, h):
    first = tf.cast(row, tf.int32) * width
    for column, column_share in columns:
      yield first + column, row_share * column_share


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
  return tf.add_n([weight * tf.gather(flat, first + place) for place, weight in corners(points, height, width)])


def sample_shared(maps: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
  """Samples all maps of an image at the same points; no gradient is meant to go through it.

  Args:
    maps: float32 [batch, n, height, width].
    points: float32 [batch, points, 2].

  Returns:
    float32 [batch, points, n].
  """
  batch, n, height, width = shape_ops.sizes(maps)
  pixels = tf.transpose(tf.reshape(maps, [batch, n, height * width]), [0, 2, 1])
  return tf.add_n([weight[..., None] * tf.gather(pixels, place, batch_dims=1)
                   for place, weight in corners(points, height, width)])


def sample_segments(id_maps: tf.Tensor, layer: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
  """Samples the binary masks of all segments at the same points: the exact bilinear values, from four ids a point.

  Args:
    id_maps: integer [batch, layers, height, width], value slot + 1.
    layer: int32 [batch, segments], the id map that holds each segment.
    points: float32 [batch, points, 2].

  Returns:
    float32 [batch, segments, points] in [0, 1].
  """
  batch, layers, height, width = shape_ops.sizes(id_maps)
  flat = tf.reshape(id_maps, [batch, layers, height * width])
  slots = tf.range(1, tf.shape(layer)[1] + 1)[None, :, None]
  result = 0.0
  for place, weight in corners(points, height, width):
    ids = tf.gather(flat, tf.tile(place[:, None], [1, layers, 1]), batch_dims=2)  # [batch, layers, points]
    of_segment = tf.cast(ids if layers == 1 else tf.gather(ids, layer, batch_dims=1), tf.int32)
    result += weight[:, None] * tf.cast(of_segment == slots, tf.float32)
  return result


def sample_masks_of(id_maps: tf.Tensor, image: tf.Tensor, layer: tf.Tensor, slot: tf.Tensor, points: tf.Tensor
                    ) -> tf.Tensor:
  """Samples chosen binary masks, each at its own points.

  Args:
    id_maps: integer [batch, layers, height, width].
    image: int32 [n], index into the batch.
    layer: int32 [n].
    slot: int32 [n], the segment's slot.
    points: float32 [n, points, 2].

  Returns:
    float32 [n, points] in [0, 1].
  """
  _, layers, height, width = shape_ops.sizes(id_maps)
  flat = tf.reshape(id_maps, [-1])
  first = ((image * layers + layer) * (height * width))[:, None]
  wanted = tf.cast(slot + 1, id_maps.dtype)[:, None]
  return tf.add_n([weight * tf.cast(tf.gather(flat, first + place) == wanted, tf.float32)
                   for place, weight in corners(points, height, width)])
