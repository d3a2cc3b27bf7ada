"""Resizing as PyTorch does it: bilinear with half-pixel centers and no antialiasing, and legacy nearest."""

import numpy as np
import tensorflow as tf

from tf_maskformer.ops import shape as shape_ops


def _nearest_index(size: int | tf.Tensor, target: int | tf.Tensor):
  """floor(i * size / target) for i < target, in whole numbers."""
  if isinstance(size, int) and isinstance(target, int):
    return np.arange(target) * size // target
  return tf.cast(tf.range(tf.cast(target, tf.int64)) * tf.cast(size, tf.int64) // tf.cast(target, tf.int64), tf.int32)


def _sizes(x: tf.Tensor, axes: tuple[int, int]):
  """Sizes along two axes, integers where they are static."""
  sizes = shape_ops.sizes(x)
  return [sizes[a] for a in axes]


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


# Rows that are interpolated in one product by `bilinear` and `bilinear_transposed`.
_BAND = 16


def _rows_product(matrix: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
  """matrix [p, q] times every one of maps [n, q, w], without a broadcasting product (crashes in oneDNN at n = 1)."""
  return tf.matmul(tf.tile(matrix[None], [shape_ops.batch_size(maps), 1, 1]), maps)


def _columns_product(maps: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
  """Every one of maps [n, h, q] times matrix [q, p], as one plain product."""
  n, height, width = shape_ops.sizes(maps)
  rows = tf.matmul(tf.reshape(maps, [-1, width]), matrix)
  return tf.reshape(rows, [n, height, shape_ops.sizes(matrix)[1]])


def _band_matrix(size, target) -> np.ndarray | None:
  """The matrix [factor * band, band + 2] that interpolates a band of rows from itself and a row on each side.

  None where bands do not fit: sizes that are not static, or no whole factor.
  """
  if not (isinstance(size, int) and isinstance(target, int)) or target % size or size % _BAND or size == _BAND:
    return None
  factor = target // size
  place = (np.arange(factor * _BAND) + 0.5) / factor + 0.5  # in the padded band
  below = np.floor(place)
  columns = np.arange(_BAND + 2)[None]
  share = (place - below)[:, None]
  matrix = (columns == below[:, None]) * (1 - share) + (columns == below[:, None] + 1) * share
  return matrix.astype(np.float32)


def bilinear(maps: tf.Tensor, size) -> tf.Tensor:
  """Bilinear resize (align_corners False, no antialias) as matrix products, in bands of rows where the factor is whole.

  A row of the result depends on two rows of the input: a product with the whole matrix multiplies mostly zeros.

  Args:
    maps: float32 [n, height, width].
    size: (height, width) of the result, integers or scalar tensors.

  Returns:
    float32 [n, *size].
  """
  height, width = _sizes(maps, (1, 2))
  wide = _columns_product(maps, tf.transpose(bilinear_matrix(width, size[1])))
  band = _band_matrix(height, size[0])
  if band is None:
    return _rows_product(bilinear_matrix(height, size[0]), wide)
  padded = tf.concat([wide[:, :1], wide, wide[:, -1:]], 1)
  bands = tf.stack([padded[:, i:i + _BAND + 2] for i in range(0, height, _BAND)], 1)
  high = _rows_product(tf.constant(band), tf.reshape(bands, [-1, _BAND + 2, size[1]]))
  return tf.reshape(high, [-1, size[0], size[1]])


def bilinear_features(features: tf.Tensor, size) -> tf.Tensor:
  """The same resize of [batch, height, width, channels] to (height, width) `size`."""
  height, width = _sizes(features, (1, 2))
  batch, channels = _sizes(features, (0, 3))
  # Two products with plain matrices; what is not touched lies to the right.
  rows = _rows_product(bilinear_matrix(height, size[0]), tf.reshape(features, [batch, height, width * channels]))
  rows = tf.reshape(rows, [batch * size[0], width, channels])
  return tf.reshape(_rows_product(bilinear_matrix(width, size[1]), rows), [batch, size[0], size[1], channels])


def bilinear_transposed(gradient: tf.Tensor, size) -> tf.Tensor:
  """The transposed map of `bilinear`, which is its gradient.

  Args:
    gradient: float32 [n, height, width], by the result of `bilinear`.
    size: (height, width) of its input.

  Returns:
    float32 [n, *size].
  """
  height, width = _sizes(gradient, (1, 2))
  band = _band_matrix(size[0], height)
  if band is None:
    low = _rows_product(tf.transpose(bilinear_matrix(size[0], height)), gradient)
  else:
    num_bands = size[0] // _BAND
    parts = tf.reshape(gradient, [-1, height // num_bands, width])
    parts = _rows_product(tf.transpose(tf.constant(band)), parts)
    parts = tf.reshape(parts, [-1, num_bands, _BAND + 2, width])
    before, own, after = parts[:, :, :1], parts[:, :, 1:-1], parts[:, :, -1:]
    # The row before a band is the last of the band before; at the border it is the band's own first row.
    first = own[:, :, :1] + tf.concat([before[:, :1], after[:, :-1]], 1)
    last = own[:, :, -1:] + tf.concat([before[:, 1:], after[:, -1:]], 1)
    low = tf.reshape(tf.concat([first, own[:, :, 1:-1], last], 2), [-1, size[0], width])
  return _columns_product(low, bilinear_matrix(size[1], width))
