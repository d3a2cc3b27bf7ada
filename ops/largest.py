"""The largest of several maps at each pixel."""

import tensorflow as tf

from tf_maskformer.ops import lowering


def largest_of_maps(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
  """Returns which map is the largest, the first of equal ones, and its values.

  Args:
    values: float32 [rows, n, width], n below 2^24. Where all are NaN, any map may be returned.

  Returns:
    int32 [rows, width], 0 .. n - 1, and float32 [rows, width].
  """
  largest = tf.reduce_max(values, axis=1)
  if lowering.current().portable:
    return tf.argmax(values, axis=1, output_type=tf.int32), largest
  # In half the time. Other runtimes may round the two sides of the comparison differently.
  count = tf.shape(values)[1]
  ranks = tf.cast(tf.range(count, 0, -1), tf.float32)[None, :, None]
  rank = tf.reduce_max(tf.where(values == largest[:, None], ranks, 1.0), axis=1)
  return count - tf.cast(rank, tf.int32), largest
