"""The sampling of multi-scale deformable attention (Deformable DETR, arXiv 2010.04159)."""

from collections.abc import Iterator, Sequence

import tensorflow as tf

from tf_maskformer.ops import lowering
from tf_maskformer.ops import points as point_ops
from tf_maskformer.ops import shape as shape_ops
from tf_maskformer.ops.shape import Size


def sample(value: tf.Tensor, locations: tf.Tensor, weights: tf.Tensor,
           sizes: Sequence[tuple[Size, Size]]) -> tf.Tensor:
  """Sums, for every query and head, bilinear samples of all levels with their attention weights.

  Only the arguments are kept for the gradient: the gathered values of one layer would be half a
  gigabyte. Where all sizes are static, XLA compiles forward and backward separately; a compilation
  takes some seconds.

  Args:
    value: float32 [batch, tokens, heads, width], the levels one after the other, row by row.
    locations: float32 [batch, queries, heads, levels * points, 2], (x, y) in units of each level's
      map; the points of the first level come first.
    weights: float32 [batch, queries, heads, levels * points].
    sizes: (height, width) of each level.

  Returns:
    float32 [batch, queries, heads, width].
  """
  sizes = tuple(sizes)
  chosen = lowering.current()
  if chosen.grid_sample is not None:
    return _grid_sampled(value, locations, weights, sizes, chosen.grid_sample)
  if chosen.portable:
    return _sum(value, locations, weights, sizes)
  forward = _sum
  backward = _gradient
  if all(shape_ops.are_static(*size) for size in sizes):
    forward = _compiled_sum
    backward = _compiled_gradient

  @tf.custom_gradient
  def run(value, locations, weights):
    def gradient(upstream):
      return backward(value, locations, weights, upstream, sizes)
    return forward(value, locations, weights, sizes), gradient

  return run(value, locations, weights)


def _levels(value: tf.Tensor, sizes) -> Iterator[tuple[tf.Tensor, tuple[Size, Size]]]:
  """Yields each level's rows of `value`, [batch * height * width * heads, width], and its size."""
  batch = tf.shape(value)[0]
  heads = value.shape[2]
  channels = value.shape[3]
  start = 0
  for height, width in sizes:
    tokens = value[:, start:start + height * width]
    start += height * width
    yield tf.reshape(tokens, [batch * height * width * heads, channels]), (height, width)


def _points_of(level: int, count: int, sizes) -> slice:
  """Where the points of a level are among the `count` of all levels."""
  points = count // len(sizes)
  return slice(level * points, (level + 1) * points)


def _rows_and_shares(locations: tf.Tensor, weights: tf.Tensor, heads: int, size: tuple[Size, Size]
                     ) -> tuple[tf.Tensor, tf.Tensor]:
  """The row of each corner of each point, and its share, of one level.

  Args:
    locations: float32 [batch, queries, heads, points, 2].
    weights: float32 [batch, queries, heads, points].
    heads: of the attention.
    size: (height, width) of the level.

  Returns:
    int32 and float32 [batch, queries, heads, 4 * points].
  """
  height, width = size
  image = tf.range(tf.shape(locations)[0])[:, None, None, None]
  head = tf.range(heads)[None, None, :, None]
  rows = []
  shares = []
  for index, share in point_ops.corners(locations, height, width):
    rows.append((image * height * width + index) * heads + head)
    shares.append(share * weights)
  return tf.concat(rows, axis=-1), tf.concat(shares, axis=-1)


def _sum(value: tf.Tensor, locations: tf.Tensor, weights: tf.Tensor, sizes) -> tf.Tensor:
  """`sample` without a gradient."""
  heads = value.shape[2]
  result = 0.0
  for level, (rows, size) in enumerate(_levels(value, sizes)):
    own = _points_of(level, weights.shape[3], sizes)
    index, share = _rows_and_shares(locations[:, :, :, own], weights[:, :, :, own], heads, size)
    # One corner at a time: XLA makes one loop over its channels, ten times as fast as a sum over an
    # axis.
    for row, part in zip(tf.unstack(index, axis=-1), tf.unstack(share, axis=-1)):
      result += tf.gather(rows, row) * part[..., None]
  return result


def _grid_sampled(value: tf.Tensor, locations: tf.Tensor, weights: tf.Tensor, sizes, grid_sample
                  ) -> tf.Tensor:
  """`sample` by an operator that interpolates maps, one call for each level; see `lowering`."""
  batch, queries, heads, count, _ = shape_ops.sizes(locations)
  channels = value.shape[3]
  grid = tf.transpose(2 * locations - 1, [0, 2, 1, 3, 4])
  grid = tf.reshape(grid, [batch * heads, queries, count, 2])
  shares = tf.transpose(weights, [0, 2, 1, 3])
  shares = tf.reshape(shares, [batch * heads, 1, queries, count])
  result = 0.0
  for level, (rows, (height, width)) in enumerate(_levels(value, sizes)):
    maps = tf.transpose(
        tf.reshape(rows, [batch, height * width, heads, channels]), [0, 2, 3, 1])
    maps = tf.reshape(maps, [batch * heads, channels, height, width])
    own = _points_of(level, count, sizes)
    samples = grid_sample(maps, grid[:, :, own])
    result += tf.reduce_sum(samples * shares[:, :, :, own], axis=3)
  result = tf.reshape(result, [batch, heads, channels, queries])
  return tf.transpose(result, [0, 3, 1, 2])


def _gradient(value: tf.Tensor, locations: tf.Tensor, weights: tf.Tensor, upstream: tf.Tensor, sizes
              ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Gradients of `sample` with respect to its three tensors."""
  heads = value.shape[2]
  channels = value.shape[3]
  grad_value = []
  grad_locations = []
  grad_weights = []
  for level, (rows, size) in enumerate(_levels(value, sizes)):
    own = _points_of(level, weights.shape[3], sizes)
    grad_rows, grad_location, grad_weight = _level_gradient(
        rows, locations[:, :, :, own], weights[:, :, :, own], heads, upstream, size)
    height, width = size
    shape = [tf.shape(value)[0], height * width, heads, channels]
    grad_value.append(tf.reshape(grad_rows, shape))
    grad_locations.append(grad_location)
    grad_weights.append(grad_weight)
  return (tf.concat(grad_value, axis=1), tf.concat(grad_locations, axis=3),
          tf.concat(grad_weights, axis=3))


def _level_gradient(rows, locations, weights, heads, upstream, size
                    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Gradients of one level's part of the sum with respect to its rows, locations and weights."""
  with tf.GradientTape() as tape:
    tape.watch([locations, weights])
    index, share = _rows_and_shares(locations, weights, heads, size)
  upstream = upstream[:, :, :, None]
  grad_share = tf.reduce_sum(tf.gather(rows, index) * upstream, axis=-1)
  grad_locations, grad_weights = tape.gradient(share, [locations, weights], grad_share)
  of_corners = tf.reshape(share[..., None] * upstream, [-1, rows.shape[1]])
  grad_rows = tf.math.unsorted_segment_sum(of_corners, tf.reshape(index, [-1]), tf.shape(rows)[0])
  return grad_rows, grad_locations, grad_weights


_compiled_sum = tf.function(_sum, jit_compile=True, autograph=False)
_compiled_gradient = tf.function(_gradient, jit_compile=True, autograph=False)
