"""Sine position encoding of a feature map (DETR; MaskFormer's position_encoding.py)."""

import math

import tensorflow as tf

from tf_maskformer.ops.shape import Size

_EPSILON = 1e-6  # added to the size that positions are divided by, as in the official code


def sine(height: Size, width: Size, features: int, temperature: float = 10000.0) -> tf.Tensor:
  """Encodes the position of every pixel: sines and cosines of y first, then of x, interleaved.

  Positions count from 1 and are divided by the map's size, so that they run to 2 pi.

  Args:
    height: of the feature map.
    width: of the feature map.
    features: channels of the result, a multiple of 4.
    temperature: base of the wavelengths.

  Returns:
    float32 [1, height * width, features] in [-1, 1], pixels row by row.
  """
  half = features // 2
  y = tf.repeat(_waves(height, half, temperature)[:, None], width, axis=1)
  x = tf.repeat(_waves(width, half, temperature)[None], height, axis=0)
  return tf.reshape(tf.concat([y, x], axis=-1), [1, -1, features])


def _waves(size: Size, features: int, temperature: float) -> tf.Tensor:
  """Encodes the positions of one axis, float32 [size, features]."""
  exponent = tf.constant([2 * (k // 2) / features for k in range(features)], tf.float32)
  wavelength = tf.pow(temperature, exponent)
  place = tf.cast(tf.range(1, size + 1), tf.float32)
  angle = place / (tf.cast(size, tf.float32) + _EPSILON) * (2 * math.pi)
  angle = angle[:, None] / wavelength
  waves = tf.stack([tf.sin(angle[:, 0::2]), tf.cos(angle[:, 1::2])], axis=2)
  return tf.reshape(waves, [-1, features])
