"""Resizing as PyTorch does it: bilinear (half-pixel centers, no antialias) and legacy nearest."""

import numpy as np
import tensorflow as tf

from tf_maskformer.ops import shape as shape_ops
from tf_maskformer.ops.shape import Size

# Rows that `bilinear` and `bilinear_transposed` interpolate in one product.
_BAND = 16


def nearest(features: tf.Tensor, size: tuple[Size, Size]) -> tf.Tensor:
  """Nearest resize of features by PyTorch's legacy rule, source index floor(i * in / out).

  Args:
    features: [batch, height, width, channels].
    size: (height, width) of the result.

  Returns:
    [batch, *size, channels].
  """
  features = _nearest_along(features, 1, size[0])
  return _nearest_along(features, 2, size[1])


def nearest_maps(maps: tf.Tensor, size: tuple[Size, Size]) -> tf.Tensor:
  """The same for id maps, [batch, planes, height, width] -> [batch, planes, *size]."""
  maps = _nearest_along(maps, 2, size[0])
  return _nearest_along(maps, 3, size[1])


def _nearest_along(x: tf.Tensor, axis: int, target: Size) -> tf.Tensor:
  """Nearest resize of one axis."""
  size = shape_ops.sizes(x)[axis]
  if not shape_ops.are_static(size, target):
    return tf.gather(x, _nearest_index(size, target), axis=axis)
  if target == size:
    return x
  if target % size == 0:
    return tf.repeat(x, target // size, axis=axis)
  return tf.gather(x, np.arange(target) * size // target, axis=axis)


def _nearest_index(size: Size, target: Size) -> tf.Tensor:
  """floor(i * size / target) for i < target, int32, computed in integers that do not overflow."""
  size = tf.cast(size, tf.int64)
  target = tf.cast(target, tf.int64)
  return tf.cast(tf.range(target) * size // target, tf.int32)


def bilinear_matrix(size: Size, target: Size) -> tf.Tensor:
  """The matrix, float32 [target, size], that interpolates `target` samples from `size` samples."""
  if shape_ops.are_static(size, target):
    return tf.constant(_static_matrix(size, target))
  return _dynamic_matrix(size, target)


def _static_matrix(size: int, target: int) -> np.ndarray:
  """`bilinear_matrix` of integers; float32 throughout, as in `_dynamic_matrix`."""
  scale = np.float32(size) / np.float32(target)
  place = (np.arange(target, dtype=np.float32) + 0.5) * scale - 0.5
  place = np.maximum(place, 0)[:, None]
  below = np.floor(place)
  above = np.minimum(below + 1, size - 1)
  share = place - below
  columns = np.arange(size, dtype=np.float32)[None]
  return (columns == below) * (1 - share) + (columns == above) * share


def _dynamic_matrix(size: Size, target: Size) -> tf.Tensor:
  """`bilinear_matrix` of sizes of which one is a tensor."""
  last = tf.cast(size, tf.float32) - 1
  scale = tf.cast(size, tf.float32) / tf.cast(target, tf.float32)
  place = (tf.cast(tf.range(target), tf.float32) + 0.5) * scale - 0.5
  place = tf.maximum(place, 0.0)[:, None]
  below = tf.floor(place)
  above = tf.minimum(below + 1, last)
  share = place - below
  columns = tf.cast(tf.range(size), tf.float32)[None]
  at_below = tf.cast(columns == below, tf.float32)
  at_above = tf.cast(columns == above, tf.float32)
  return at_below * (1 - share) + at_above * share


def _rows_product(matrix: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
  """matrix [p, q] times each of maps [n, q, w]: float32 [n, p, w].

  Without a product that broadcasts: that crashes in oneDNN at n = 1 (TensorFlow 2.20).
  """
  copies = tf.tile(matrix[None], [shape_ops.batch_size(maps), 1, 1])
  return tf.matmul(copies, maps)


def _columns_product(maps: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
  """Each of maps [n, h, q] times matrix [q, p], as one plain product: float32 [n, h, p]."""
  n, height, width = shape_ops.sizes(maps)
  rows = tf.matmul(tf.reshape(maps, [-1, width]), matrix)
  return tf.reshape(rows, [n, height, shape_ops.sizes(matrix)[1]])


def _band_matrix(size: Size, target: Size) -> tf.Tensor | None:
  """The matrix that interpolates a band of rows from itself and a row on each side.

  Returns:
    float32 [factor * band, band + 2]; None where bands do not fit: sizes that are not static, no
    integer factor, or not at least two full bands.
  """
  if not shape_ops.are_static(size, target):
    return None
  if target % size or size % _BAND or size == _BAND:
    return None
  factor = target // size
  place = (np.arange(factor * _BAND) + 0.5) / factor + 0.5  # in the padded band
  place = place[:, None]
  below = np.floor(place)
  share = place - below
  columns = np.arange(_BAND + 2)[None]
  matrix = (columns == below) * (1 - share) + (columns == below + 1) * share
  return tf.constant(matrix, tf.float32)


def bilinear(maps: tf.Tensor, size: tuple[Size, Size]) -> tf.Tensor:
  """Bilinear resize (align_corners False, no antialias) as products with constant matrices.

  A row of the result depends on two rows of the input: a product with the full matrix multiplies
  mostly zeros, so rows are taken in bands where the factor is an integer.

  Args:
    maps: float32 [n, height, width].
    size: (height, width) of the result.

  Returns:
    float32 [n, *size].
  """
  _, height, width = shape_ops.sizes(maps)
  wide = _columns_product(maps, tf.transpose(bilinear_matrix(width, size[1])))
  band = _band_matrix(height, size[0])
  if band is None:
    return _rows_product(bilinear_matrix(height, size[0]), wide)
  padded = tf.concat([wide[:, :1], wide, wide[:, -1:]], axis=1)
  bands = tf.stack([padded[:, i:i + _BAND + 2] for i in range(0, height, _BAND)], axis=1)
  high = _rows_product(band, tf.reshape(bands, [-1, _BAND + 2, size[1]]))
  return tf.reshape(high, [-1, size[0], size[1]])


def bilinear_features(features: tf.Tensor, size: tuple[Size, Size]) -> tf.Tensor:
  """The same resize of [batch, height, width, channels] to (height, width) `size`."""
  batch, height, width, channels = shape_ops.sizes(features)
  # Two products with plain matrices; untouched axes stay innermost.
  rows = tf.reshape(features, [batch, height, width * channels])
  rows = _rows_product(bilinear_matrix(height, size[0]), rows)
  columns = tf.reshape(rows, [batch * size[0], width, channels])
  columns = _rows_product(bilinear_matrix(width, size[1]), columns)
  return tf.reshape(columns, [batch, size[0], size[1], channels])


def bilinear_transposed(gradient: tf.Tensor, size: tuple[Size, Size]) -> tf.Tensor:
  """The transposed map of `bilinear`, which is its gradient.

  Args:
    gradient: float32 [n, height, width], with respect to the result of `bilinear`.
    size: (height, width) of its input.

  Returns:
    float32 [n, *size].
  """
  _, height, width = shape_ops.sizes(gradient)
  band = _band_matrix(size[0], height)
  if band is None:
    matrix = tf.transpose(bilinear_matrix(size[0], height))
    low = _rows_product(matrix, gradient)
  else:
    low = _rows_of_bands(gradient, band, size[0])
  return _columns_product(low, bilinear_matrix(size[1], width))


def _rows_of_bands(gradient: tf.Tensor, band: tf.Tensor, low: int) -> tf.Tensor:
  """Gradient [n, height, width] -> [n, low, width], from the transposed product of every band."""
  _, height, width = shape_ops.sizes(gradient)
  num_bands = low // _BAND
  parts = tf.reshape(gradient, [-1, height // num_bands, width])
  parts = _rows_product(tf.transpose(band), parts)
  parts = tf.reshape(parts, [-1, num_bands, _BAND + 2, width])
  before = parts[:, :, :1]
  own = parts[:, :, 1:-1]
  after = parts[:, :, -1:]
  # The row before a band is the last row of the previous band; at the border it is the band's own
  # first row.
  first = own[:, :, :1] + tf.concat([before[:, :1], after[:, :-1]], axis=1)
  last = own[:, :, -1:] + tf.concat([before[:, 1:], after[:, -1:]], axis=1)
  rows = tf.concat([first, own[:, :, 1:-1], last], axis=2)
  return tf.reshape(rows, [-1, low, width])
