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


def _gradient(value, locations, weights, upstream, sizes):
  """Gradients of `sample` by its three tensors, from a forward pass of its own."""
  with tf.GradientTape() as tape:
    tape.watch([value, locations, weights])
    result = sample(value, locations, weights, sizes)
  return tape.gradient(result, [value, locations, weights], upstream)


_compiled = tf.function(sample, jit_compile=True)
_compiled_gradient = tf.function(_gradient, jit_compile=True)


def sample_compiled(value: tf.Tensor, locations: tf.Tensor, weights: tf.Tensor, sizes: Sequence[tuple]) -> tf.Tensor:
  """`sample`, compiled by XLA, forward and gradient each for itself.

  Nothing but its arguments is kept for the gradient (the gathered values of a layer would be half a gigabyte), which
  does not scatter slowly either. For static sizes: a compilation for each set of sizes takes a while.
  """
  sizes = tuple(sizes)

  @tf.custom_gradient
  def run(*tensors):
    return _compiled(*tensors, sizes), lambda upstream: _compiled_gradient(*tensors, upstream, sizes)

  return run(value, locations, weights)
