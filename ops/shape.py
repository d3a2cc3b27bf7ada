"""Sizes of tensors: integers where they are static, scalar tensors where they are dynamic."""

import tensorflow as tf

Size = int | tf.Tensor  # a scalar tensor is int32


def sizes(x: tf.Tensor) -> list[Size]:
  """Returns the size of every axis."""
  known = list(x.shape)
  if None not in known:
    return known
  dynamic = tf.shape(x)
  return [dynamic[i] if size is None else size for i, size in enumerate(known)]


def batch_size(x: tf.Tensor) -> Size:
  """Returns the size of the first axis."""
  return tf.shape(x)[0] if x.shape[0] is None else x.shape[0]


def spatial_size(features: tf.Tensor) -> tuple[Size, Size]:
  """Returns (height, width) of [batch, height, width, channels]."""
  return tuple(sizes(features)[1:3])


def are_static(*given: Size) -> bool:
  """Returns whether all sizes are integers."""
  return all(isinstance(size, int) for size in given)


def smallest(a: Size, b: Size) -> Size:
  """Returns the smaller of two sizes, an integer if both are."""
  return min(a, b) if are_static(a, b) else tf.minimum(a, b)


def largest(a: Size, b: Size) -> Size:
  """Returns the larger of two sizes, an integer if both are."""
  return max(a, b) if are_static(a, b) else tf.maximum(a, b)


def to_multiple(size: Size, divisor: int) -> Size:
  """Returns how much a size falls short of the next multiple of `divisor`, 0 .. divisor - 1.

  Without a negative number: the remainder of one is another in ONNX than in TensorFlow, so that
  `-size % divisor` is wrong there.

  Args:
    size: 0 or more; a tensor may have any shape.
    divisor: 1 or more.
  """
  return (divisor - size % divisor) % divisor


def with_static_size(maps: tf.Tensor, size: tuple[Size, Size]) -> tf.Tensor:
  """Returns [n, height, width] with the static (height, width) where they are integers."""
  known = [n if isinstance(n, int) else None for n in size]
  return tf.ensure_shape(maps, [None, *known])
