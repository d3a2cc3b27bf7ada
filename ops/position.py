"""Sine position encoding of a feature map (DETR; MaskFormer's position_encoding.py)."""

import math

import tensorflow as tf


def sine(height: int | tf.Tensor, width: int | tf.Tensor, features: int, temperature: float = 10000.0) -> tf.Tensor:
  """Encodes every pixel's place: sines and cosines of y first, then of x, interleaved.

  Places count from 1 and are divided by the map's size, so that they run to 2 pi.

  Args:
    height: of the feature map, integer.
    width: of the feature map, integer.
    features: channels of the result, a multiple of 4.
    temperature: base of the wavelengths.

  Returns:
    float32 [1, height * width, features] in [-1, 1], pixels row by row.
  """
  half = features // 2
  exponent = tf.constant([2 * (k // 2) / half for k in range(half)], tf.float32)
  wavelength = tf.pow(temperature, exponent)

  def axis(size):
    place = tf.cast(tf.range(1, size + 1), tf.float32)
    angle = place / (tf.cast(size, tf.float32) + 1e-6) * (2 * math.pi)
    angle = angle[:, None] / wavelength
    waves = tf.stack([tf.sin(angle[:, 0::2]), tf.cos(angle[:, 1::2])], axis=2)
    return tf.reshape(waves, [-1, half])

  y = tf.repeat(axis(height)[:, None], width, axis=1)
  x = tf.repeat(axis(width)[None], height, axis=0)
  return tf.reshape(tf.concat([y, x], axis=-1), [1, -1, features])
