"""Resizing as PyTorch does it: bilinear with half-pixel centres and no antialiasing, and legacy nearest."""

import numpy as np
import tensorflow as tf


def _nearest_index(size: int | tf.Tensor, target: int | tf.Tensor):
  """floor(i * size / target) for i < target, in whole numbers."""
  if isinstance(size, int) and isinstance(target, int):
    return np.arange(target) * size // target
  return tf.cast(tf.range(tf.cast(target, tf.int64)) * tf.cast(size, tf.int64) // tf.cast(target, tf.int64), tf.int32)


def _sizes(x: tf.Tensor, axes: tuple[int, int]):
  """Sizes along two axes, integers where they are static."""
  dynamic = tf.shape(x)
  return [dynamic[a] if x.shape[a] is None else x.shape[a] for a in axes]


def _nearest(x: tf.Tensor, size, axes: tuple[int, int]) -> tf.Tensor:
  for axis, old, new in zip(axes, _sizes(x, axes), size):
    if isinstance(old, int) and isinstance(new, int):
      if new == old:
        continue
      if new % old == 0:
        x = tf.repeat(x, new // old, axis=axis)
        continue
    x = tf.gather(x, _nearest_index(old, new), axis=axis)
  return x


def nearest(features: tf.Tensor, size) -> tf.Tensor:
  """Nearest resize of features by PyTorch's legacy rule, source index floor(i * in / out).

  Args:
    features: [batch, height, width, channels].
    size: (height, width) of the result, integers or scalar tensors.

  Returns:
    [batch, *size, channels].
  """
  return _nearest(features, size, (1, 2))


def nearest_maps(maps: tf.Tensor, size) -> tf.Tensor:
  """The same for maps without channels, [batch, layers, height, width] -> [batch, layers, *size]."""
  return _nearest(maps, size, (2, 3))


def bilinear_matrix(size: int | tf.Tensor, target: int | tf.Tensor) -> tf.Tensor:
  """The matrix [target, size] whose product with a row of `size` samples interpolates `target` of them."""
  static = isinstance(size, int) and isinstance(target, int)
  lib = np if static else tf
  as_float = (lambda v: np.float32(v)) if static else (lambda v: tf.cast(v, tf.float32))
  place = (lib.range(target) if not static else np.arange(target))
  place = (as_float(place) + 0.5) * (as_float(size) / as_float(target)) - 0.5
  place = lib.maximum(place, as_float(0))
  below = lib.floor(place)
  share = place - below
  above = lib.minimum(below + 1, as_float(size) - 1)
  columns = as_float(np.arange(size) if static else tf.range(size))[None]
  matrix = (as_float(columns == below[:, None]) * (1 - share)[:, None]
            + as_float(columns == above[:, None]) * share[:, None])
  return tf.constant(matrix, tf.float32) if static else matrix


def bilinear(maps: tf.Tensor, size) -> tf.Tensor:
  """Bilinear resize (align_corners False, no antialias) as two matrix products; its gradient is one too.

  Args:
    maps: float32 [..., height, width].
    size: (height, width) of the result, integers or scalar tensors.

  Returns:
    float32 [..., *size].
  """
  height, width = _sizes(maps, (-2, -1))
  rows, columns = bilinear_matrix(height, size[0]), bilinear_matrix(width, size[1])
  return tf.matmul(rows, tf.matmul(maps, columns, transpose_b=True))
