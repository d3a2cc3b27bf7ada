"""Resizing images with Pillow's bilinear filter, as products with two matrices.

The filter is that of `tf.image.resize(antialias=True)`: a triangle that widens when shrinking.
TensorFlow's operation for it exists in no other runtime; a product exists in all of them.
"""

import numpy as np
import tensorflow as tf

from tf_maskformer.ops import shape as shape_ops
from tf_maskformer.ops.shape import Size


def matrix(size: Size, target: Size) -> tf.Tensor:
  """Returns the matrix float32 [target, size] that makes `target` samples from `size` samples.

  Computed in float32, as TensorFlow's operation does; rows sum to 1.
  """
  if shape_ops.are_static(size, target):
    return tf.constant(_static_matrix(size, target))
  scale = tf.cast(target, tf.float32) / tf.cast(size, tf.float32)
  step = 1.0 / scale
  reach = tf.maximum(step, 1.0)
  place = (tf.cast(tf.range(target), tf.float32) + 0.5) * step
  center = tf.cast(tf.range(size), tf.float32) + 0.5
  weights = tf.maximum(1.0 - tf.abs(center[None] - place[:, None]) / reach, 0.0)
  return weights / tf.reduce_sum(weights, axis=1, keepdims=True)


def _static_matrix(size: int, target: int) -> np.ndarray:
  """`matrix` of integers."""
  one = np.float32(1)
  step = one / (np.float32(target) / np.float32(size))
  reach = np.maximum(step, one)
  place = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * step
  center = np.arange(size, dtype=np.float32) + np.float32(0.5)
  weights = np.maximum(one - np.abs(center[None] - place[:, None]) / reach, np.float32(0))
  return weights / weights.sum(axis=1, keepdims=True)


def resize(image: tf.Tensor, size: tuple[Size, Size]) -> tf.Tensor:
  """Resizes one image; the twin of `dataloaders.augment.resize_image`.

  Sums are made in another order than there: of 10,000 bytes a few differ by one gray level.

  Args:
    image: uint8 (or any real type, 0..255) [height, width, 3].
    size: (height, width) of the result.

  Returns:
    float32 [*size, 3], rounded to integers in 0..255.
  """
  height, width, channels = shape_ops.sizes(image)
  pixels = tf.reshape(tf.cast(image, tf.float32), [height, width * channels])
  rows = tf.matmul(matrix(height, size[0]), pixels)
  planes = tf.transpose(tf.reshape(rows, [size[0], width, channels]), [2, 0, 1])
  across = tf.matmul(
      tf.reshape(planes, [channels * size[0], width]), matrix(width, size[1]), transpose_b=True)
  resized = tf.transpose(tf.reshape(across, [channels, size[0], size[1]]), [1, 2, 0])
  return tf.clip_by_value(tf.round(resized), 0.0, 255.0)
