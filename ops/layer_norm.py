"""Layer norm with its gradient in closed form: nothing is kept but the input and two numbers of each row."""

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
    inverse = tf.math.rsqrt(
        tf.reduce_mean(tf.math.squared_difference(full, mean), axis=-1, keepdims=True) + epsilon)

    def gradient(upstream):
      g = tf.cast(upstream, tf.float32)
      normed = (tf.cast(x, tf.float32) - mean) * inverse
      rows = list(range(x.shape.rank - 1))
      by_weight, by_bias = tf.reduce_sum(g * normed, rows), tf.reduce_sum(g, rows)
      g *= weight
      along = tf.reduce_mean(g * normed, axis=-1, keepdims=True)
      by_x = (g - tf.reduce_mean(g, axis=-1, keepdims=True) - normed * along) * inverse
      return tf.cast(by_x, x.dtype), by_weight, by_bias
    return tf.cast((full - mean) * inverse * weight + bias, x.dtype), gradient

  return normalize(x, weight, bias)
