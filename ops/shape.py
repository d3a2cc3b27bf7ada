"""Sizes of tensors, static where they are known."""

import tensorflow as tf


def spatial_size(features: tf.Tensor) -> tuple[int | tf.Tensor, int | tf.Tensor]:
  """Returns (height, width) of [batch, height, width, channels]: integers, or scalars where dynamic."""
  dynamic = tf.shape(features)
  return tuple(dynamic[i] if features.shape[i] is None else features.shape[i] for i in (1, 2))
