"""Group norm with its gradient in closed form: one pass less each way, and nothing kept but the input."""

import tensorflow as tf


def group_norm(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, groups: int, epsilon: float) -> tf.Tensor:
  """Normalizes every group of neighboring channels over all pixels of an image (Wu and He, arXiv 1803.08494).

  Args:
    x: [batch, height, width, channels].
    weight: float32 [channels].
    bias: float32 [channels].
    groups: divides channels.
    epsilon: added to the variance.

  Returns:
    Like x; statistics are float32 whatever its dtype.
  """
  width = x.shape[-1] // groups
  def sum_of_group(per_channel):  # [batch, channels] -> [batch, groups]
    return tf.reduce_sum(tf.reshape(per_channel, [-1, groups, width]), axis=2)
  def of_channel(per_group):  # [batch, groups] -> [batch, 1, 1, channels]
    return tf.reshape(tf.tile(per_group[:, :, None], [1, 1, width]), [-1, 1, 1, groups * width])

  @tf.custom_gradient
  def normalize(x, weight, bias):
    full = tf.cast(x, tf.float32)
    shape = tf.shape(x)
    count = tf.cast(shape[1] * shape[2] * width, tf.float32)
    mean = of_channel(sum_of_group(tf.reduce_sum(full, [1, 2])) / count)
    variance = sum_of_group(tf.reduce_sum(tf.math.squared_difference(full, mean), [1, 2])) / count
    inverse = of_channel(tf.math.rsqrt(variance + epsilon))
    scale = inverse * weight

    def gradient(upstream):
      full, g = tf.cast(x, tf.float32), tf.cast(upstream, tf.float32)
      total = tf.reduce_sum(g, [1, 2])
      along = tf.reduce_sum(g * (full - mean), [1, 2])
      mean_of_g = of_channel(sum_of_group(weight * total) / count)
      slope = of_channel(sum_of_group(weight * along) / count) * inverse**3
      by_x = g * scale - full * slope + (slope * mean - inverse * mean_of_g)
      return tf.cast(by_x, x.dtype), tf.reduce_sum(along * inverse[:, 0, 0], 0), tf.reduce_sum(total, 0)
    return tf.cast(full * scale + (bias - mean * scale), x.dtype), gradient

  return normalize(x, weight, bias)
