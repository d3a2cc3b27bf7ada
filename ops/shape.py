"""Sizes of tensors, static where they are known."""

import tensorflow as tf


def sizes(x: tf.Tensor) -> list[int | tf.Tensor]:
  """Returns the size of every axis: integers, or scalars where dynamic."""
  known = list(x.shape)
  if None not in known:
    return known
  dynamic = tf.shape(x)
  return [dynamic[i] if size is None else size for i, size in enumerate(known)]


def batch_size(x: tf.Tensor) -> int | tf.Tensor:
  """Returns the first axis' size: an integer, or a scalar where dynamic."""
  return tf.shape(x)[0] if x.shape[0] is None else x.shape[0]


def spatial_size(features: tf.Tensor) -> tuple[int | tf.Tensor, int | tf.Tensor]:
  """Returns (height, width) of [batch, height, width, channels]: integers, or scalars where dynamic."""
  return tuple(sizes(features)[1:3])


def with_static_size(maps: tf.Tensor, size) -> tf.Tensor:
  """Returns [n, height, width] knowing its (height, width) where they are integers."""
  return tf.ensure_shape(maps, [None, *(s if isinstance(s, int) else None for s in size)])
