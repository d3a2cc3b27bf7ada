"""The sampling of multi-scale deformable attention (Deformable DETR, arXiv 2010.04159), in plain TensorFlow."""

from collections.abc import Sequence

import tensorflow as tf

from tf_maskformer.ops import points as point_ops


def sample(value: tf.Tensor, locations: tf.Tensor, weights: tf.Tensor, sizes: Sequence[tuple]) -> tf.Tensor:
  """Sums, for every query and head, bilinear samples of all levels with their attention weights.

  Nothing but the arguments is kept for the gradient: the gathered values of a layer would be half a gigabyte. Where
  all sizes are static both ways are compiled by XLA, each for itself; a compilation takes some seconds.

  Args:
    value: float32 [batch, tokens, heads, width], the levels one after the other, row by row.
    locations: float32 [batch, queries, heads, levels, points, 2], (x, y) in units of each level's map.
    weights: float32 [batch, queries, heads, levels, points].
    sizes: (height, width) of each level.

  Returns:
    float32 [batch, queries, heads, width].
  """
  sizes = tuple(sizes)
  static = all(isinstance(size, int) for pair in sizes for size in pair)
  forward, backward = (_compiled_sum, _compiled_gradient) if static else (_sum, _gradient)

  @tf.custom_gradient
  def run(*tensors):
    return forward(*tensors, sizes), lambda upstream: backward(*tensors, upstream, sizes)

  return run(value, locations, weights)


def _levels(value, sizes):
  """Yields each level's rows of `value`, [batch * height * width * heads, width], and its size."""
  batch, heads, width = tf.shape(value)[0], value.shape[2], value.shape[3]
  start = 0
  for height, columns in sizes:
    tokens = value[:, start:start + height * columns]
    start += height * columns
    yield tf.reshape(tokens, [batch * height * columns * heads, width]), (height, columns)


def _rows_and_shares(locations, weights, heads, size):
  """Of one level: the row of every corner of every point, and its share; [batch, queries, heads, 4 * points] each."""
  batch, (height, width) = tf.shape(locations)[0], size
  image = tf.range(batch)[:, None, None, None]
  head = tf.range(heads)[None, None, :, None]
  corners = list(point_ops.corners(locations, height, width))
  rows = [(image * height * width + place) * heads + head for place, _ in corners]
  return tf.concat(rows, axis=-1), tf.concat([share * weights for _, share in corners], axis=-1)


def _sum(value, locations, weights, sizes):
  """`sample` without a gradient."""
  heads, result = value.shape[2], 0.0
  for level, (rows, size) in enumerate(_levels(value, sizes)):
    index, share = _rows_and_shares(locations[:, :, :, level], weights[:, :, :, level], heads, size)
    # A corner at a time: XLA makes one loop over the channels of it, ten times as fast as a sum over an axis.
    for row, part in zip(tf.unstack(index, axis=-1), tf.unstack(share, axis=-1)):
      result += tf.gather(rows, row) * part[..., None]
  return result


def _gradient(value, locations, weights, upstream, sizes):
  """Gradients of `sample` by its three tensors."""
  heads, width = value.shape[2], value.shape[3]
  by_value, by_locations, by_weights = [], [], []
  for level, (rows, size) in enumerate(_levels(value, sizes)):
    own = locations[:, :, :, level], weights[:, :, :, level]
    with tf.GradientTape() as tape:
      tape.watch(own)
      index, share = _rows_and_shares(*own, heads, size)
    by_share = tf.reduce_sum(tf.gather(rows, index) * upstream[:, :, :, None], axis=-1)
    by_location, by_weight = tape.gradient(share, own, by_share)
    by_locations.append(by_location)
    by_weights.append(by_weight)
    by_rows = tf.math.unsorted_segment_sum(
        tf.reshape(share[..., None] * upstream[:, :, :, None], [-1, width]), tf.reshape(index, [-1]),
        tf.shape(rows)[0])
    by_value.append(tf.reshape(by_rows, [tf.shape(value)[0], size[0] * size[1], heads, width]))
  return tf.concat(by_value, axis=1), tf.stack(by_locations, axis=3), tf.stack(by_weights, axis=3)


_compiled_sum = tf.function(_sum, jit_compile=True, autograph=False)
_compiled_gradient = tf.function(_gradient, jit_compile=True, autograph=False)
