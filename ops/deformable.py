"""The sampling of multi-scale deformable attention (Deformable DETR, arXiv 2010.04159), in plain TensorFlow."""

from collections.abc import Sequence

import tensorflow as tf

from ops import points as point_ops


def sample(value: tf.Tensor, locations: tf.Tensor, weights: tf.Tensor, sizes: Sequence[tuple]) -> tf.Tensor:
  """Sums, for every query and head, bilinear samples of all levels with their attention weights.

  Args:
    value: float32 [batch, tokens, heads, width], the levels one after the other, row by row.
    locations: float32 [batch, queries, heads, levels, points, 2], (x, y) in units of each level's map.
    weights: float32 [batch, queries, heads, levels, points].
    sizes: (height, width) of each level.

  Returns:
    float32 [batch, queries, heads, width].
  """
  shape = tf.shape(value)
  batch, heads = shape[0], value.shape[2]
  picture = tf.range(batch)[:, None, None, None]
  head = tf.range(heads)[None, None, :, None]
  result, start = 0.0, 0
  for level, (height, width) in enumerate(sizes):
    tokens = value[:, start:start + height * width]
    start += height * width
    rows = tf.reshape(tokens, [batch * height * width * heads, value.shape[3]])
    indices, shares = [], []
    for place, share in point_ops.corners(locations[:, :, :, level], height, width):
      indices.append((picture * height * width + place) * heads + head)
      shares.append(share * weights[:, :, :, level])
    gathered = tf.gather(rows, tf.concat(indices, axis=-1))  # [batch, queries, heads, 4 points, width]
    result += tf.reduce_sum(gathered * tf.concat(shares, axis=-1)[..., None], axis=3)
  return result


_compiled = tf.function(sample, jit_compile=True)


def sample_compiled(value: tf.Tensor, locations: tf.Tensor, weights: tf.Tensor, sizes: Sequence[tuple]) -> tf.Tensor:
  """`sample`, compiled by XLA, which neither keeps the gathered values nor scatters slowly in the gradient.

  For static sizes: a compilation for each set of sizes takes a while.
  """
  return _compiled(value, locations, weights, tuple(sizes))
