"""Computes an image a band of rows at a time: memory stays flat, and a band fits the caches."""

from collections.abc import Callable, Sequence

import tensorflow as tf

ELEMENTS = 2**20  # of the largest tensor of a band
_BLOCKS = 8  # of columns

Maps = Sequence[tf.Tensor]  # [rows, ...] each
Sums = Sequence[tf.Tensor]  # of the shape that they have for the complete image


def rows_of(elements_per_row: tf.Tensor) -> tf.Tensor:
  """Returns how many rows a band has, int32 []: at least one."""
  return tf.maximum(ELEMENTS // tf.maximum(elements_per_row, 1), 1)


def compute(height: tf.Tensor, rows: tf.Tensor, of_band: Callable[..., tuple[Maps, Sums]],
            maps: Sequence[tf.TensorSpec], sums: Sums) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
  """Computes all bands.

  Args:
    height: int32 [], rows of the image.
    rows: int32 [], of a band; the last may have fewer.
    of_band: takes the first row and the one after the last, int32 []; returns maps of these rows
      and what is to be added up over bands.
    maps: shapes and types of the maps, the axis of the rows included.
    sums: zeros of the shapes and types of the sums.

  Returns:
    The maps of the complete image, and the sums.
  """
  count = -(-height // rows)
  arrays = [
      tf.TensorArray(spec.dtype, count, infer_shape=False, element_shape=spec.shape)
      for spec in maps]
  def step(i, arrays, sums):
    top = i * rows
    band_maps, band_sums = of_band(top, tf.minimum(top + rows, height))
    written = [array.write(i, one) for array, one in zip(arrays, band_maps)]
    return i + 1, written, [total + one for total, one in zip(sums, band_sums)]
  _, arrays, sums = tf.while_loop(
      lambda i, *_: i < count, step, (tf.constant(0), arrays, list(sums)), parallel_iterations=2)
  return [array.concat() for array in arrays], sums


class _Used:
  """Which columns of a matrix of interpolation are not zero in some of its rows."""

  def __init__(self, matrix: tf.Tensor):
    """Takes the matrix float32 [target, size]."""
    used = tf.cast(matrix != 0, tf.int32)
    self._first = tf.argmax(used, axis=1, output_type=tf.int32)
    last = tf.argmax(used[:, ::-1], axis=1, output_type=tf.int32)
    self._end = tf.shape(matrix)[1] - last

  def between(self, top: tf.Tensor, bottom: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the first column and the one after the last for rows `top` to `bottom` - 1."""
    return self._first[top], self._end[bottom - 1]


def widen(maps: tf.Tensor, across: tf.Tensor) -> tf.Tensor:
  """Does `resize.widen` in blocks of columns, whose products are smaller."""
  shape = tf.shape(maps)
  flat = tf.reshape(maps, [-1, shape[2]])
  used = _Used(across)
  width = tf.shape(across)[0]
  blocks = []
  for i in range(_BLOCKS):
    left = width * i // _BLOCKS
    right = width * (i + 1) // _BLOCKS
    # A block of a very narrow map may be empty; its product is, too.
    first, end = used.between(tf.minimum(left, width - 1), tf.maximum(right, 1))
    blocks.append(tf.matmul(flat[:, first:end], across[left:right, first:end], transpose_b=True))
  return tf.reshape(tf.concat(blocks, axis=1), [shape[0], shape[1], width])


class LowRows:
  """Maps of low resolution whose rows are interpolated a band at a time."""

  def __init__(self, maps: tf.Tensor, down: tf.Tensor):
    """Takes maps float32 [h, a, b] and the matrix float32 [height, h] of their rows."""
    self._maps = maps
    self._down = down
    self._used = _Used(down)

  def band(self, top: tf.Tensor, bottom: tf.Tensor) -> tf.Tensor:
    """Returns the rows from `top` to the one before `bottom`, float32 [rows, a, b]."""
    first, end = self._used.between(top, bottom)
    matrix = self._down[top:bottom, first:end]
    needed = self._maps[first:end]
    shape = tf.shape(needed)
    rows = tf.matmul(matrix, tf.reshape(needed, [shape[0], -1]))
    return tf.reshape(rows, [bottom - top, shape[1], shape[2]])
