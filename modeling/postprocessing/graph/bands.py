"""Computes an image a band of rows at a time: memory stays flat, and a band fits the caches."""

from collections.abc import Callable, Sequence

import tensorflow as tf

ELEMENTS = 2**20  # of the largest tensor of a band

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


class LowRows:
  """Maps of low resolution whose rows are interpolated a band at a time."""

  def __init__(self, maps: tf.Tensor, down: tf.Tensor):
    """Takes maps float32 [h, n, width] and the matrix float32 [height, h] of their rows."""
    self._maps = maps
    self._down = down
    used = tf.cast(down != 0, tf.int32)
    self._first = tf.argmax(used, axis=1, output_type=tf.int32)
    last = tf.argmax(used[:, ::-1], axis=1, output_type=tf.int32)
    self._end = tf.shape(down)[1] - last

  def band(self, top: tf.Tensor, bottom: tf.Tensor) -> tf.Tensor:
    """Returns the rows from `top` to the one before `bottom`, float32 [rows, n, width]."""
    first = self._first[top]
    end = self._end[bottom - 1]
    matrix = self._down[top:bottom, first:end]
    needed = self._maps[first:end]
    shape = tf.shape(needed)
    rows = tf.matmul(matrix, tf.reshape(needed, [shape[0], -1]))
    return tf.reshape(rows, [bottom - top, shape[1], shape[2]])
