"""Layer norm with its gradient in closed form: only the input and two numbers per row are kept."""

import tensorflow as tf


def layer_norm(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, epsilon: float) -> tf.Tensor:
  """Normalizes every row of the last axis (Ba, Kiros and Hinton, arXiv 1607.06450).

  Args:
    x: [..., channels].
    weight: float32 [channels].
    bias: float32 [channels].
    epsilon: added to the variance.

  Returns:
    Like x; computed in float32 whatever its dtype.
  """
  @tf.custom_gradient
  def normalize(x, weight, bias):
    full = tf.cast(x, tf.float32)
    mean = tf.reduce_mean(full, axis=-1, keepdims=True)
    squares = tf.math.squared_difference(full, mean)
    inverse = tf.math.rsqrt(tf.reduce_mean(squares, axis=-1, keepdims=True) + epsilon)
    y = (full - mean) * inverse * weight + bias

    def gradient(upstream):
      return _gradient(x, mean, inverse, weight, upstream)
    return tf.cast(y, x.dtype), gradient

  return normalize(x, weight, bias)


def _gradient(x, mean, inverse, weight, upstream) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Gradients with respect to x, weight and bias; `inverse` is 1 / the standard deviation."""
  upstream = tf.cast(upstream, tf.float32)
  normed = (tf.cast(x, tf.float32) - mean) * inverse
  rows = list(range(x.shape.rank - 1))
  grad_weight = tf.reduce_sum(upstream * normed, rows)
  grad_bias = tf.reduce_sum(upstream, rows)
  grad_normed = upstream * weight
  along = tf.reduce_mean(grad_normed * normed, axis=-1, keepdims=True)
  offset = tf.reduce_mean(grad_normed, axis=-1, keepdims=True)
  grad_x = (grad_normed - offset - normed * along) * inverse
  return tf.cast(grad_x, x.dtype), grad_weight, grad_bias
