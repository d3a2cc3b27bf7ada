"""Mask logits from stride 4 to the original image, in TensorFlow (twin: ../resize.py).

Maps are held as [height, n, width]: a band of rows of all maps is one product of two matrices, and
one piece of memory.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes


class Taps(NamedTuple):
  """Bilinear interpolation along an axis: between which two samples a target is, and where.

  Attributes:
    below: int32 [target].
    above: int32 [target], the next sample or, at the end, the same.
    share: float64 [target], weight of the one above, 0 .. 1.
  """
  below: tf.Tensor
  above: tf.Tensor
  share: tf.Tensor


def taps(size: tf.Tensor, target: tf.Tensor) -> Taps:
  """Returns where `target` samples are among `size` (int32 []); centers are at half pixels."""
  scale = tf.cast(size, tf.float64) / tf.cast(target, tf.float64)
  centers = tf.cast(tf.range(target), tf.float64) + 0.5
  place = tf.maximum(centers * scale - 0.5, 0)
  floor = tf.floor(place)
  below = tf.cast(floor, tf.int32)
  return Taps(below, tf.minimum(below + 1, size - 1), place - floor)


def interpolation(size: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
  """Returns the matrix float64 [target, size] of bilinear interpolation; nothing is antialiased."""
  below, above, share = taps(size, target)
  columns = tf.range(size)[None]
  at_below = tf.cast(columns == below[:, None], tf.float64)
  at_above = tf.cast(columns == above[:, None], tf.float64)
  return at_below * (1 - share)[:, None] + at_above * share[:, None]


class Axes(NamedTuple):
  """The three steps of `to_original` along both axes.

  Attributes:
    down: float32 [original height, h].
    across: float32 [original width, w].
  """
  down: tf.Tensor
  across: tf.Tensor


def axes(low: tf.Tensor, sizes: Sizes) -> Axes:
  """Returns the matrices from maps of size `low` (int32 [2]) to the original size.

  The steps are the official ones: to the padded size, without the padding, to the original size.
  """
  return Axes(*(
      _axis(low[k], sizes.padded[k], sizes.image[k], sizes.original[k]) for k in range(2)))


def _axis(size: tf.Tensor, padded: tf.Tensor, cropped: tf.Tensor, original: tf.Tensor) -> tf.Tensor:
  """Returns the three steps along one axis as one matrix float32 [original, size]."""
  to_padded = interpolation(size, padded)
  below, above, share = taps(cropped, original)
  # A row of the last step has two entries, so its product with the first is two rows of that.
  rows_below = tf.gather(to_padded, below) * (1 - share)[:, None]
  rows_above = tf.gather(to_padded, above) * share[:, None]
  return tf.cast(rows_below + rows_above, tf.float32)


def rows_first(maps: tf.Tensor) -> tf.Tensor:
  """Returns maps [n, h, w] as [h, n, w]."""
  return tf.transpose(maps, [1, 0, 2])


def widen(maps: tf.Tensor, across: tf.Tensor) -> tf.Tensor:
  """Interpolates the columns of maps [h, n, w] by `across` [W, w]: float32 [h, n, W]."""
  shape = tf.shape(maps)
  columns = tf.matmul(tf.reshape(maps, [-1, shape[2]]), across, transpose_b=True)
  return tf.reshape(columns, [shape[0], shape[1], tf.shape(across)[0]])


def heighten(maps: tf.Tensor, down: tf.Tensor) -> tf.Tensor:
  """Interpolates the rows of maps [h, n, w] by `down` [H, h]: float32 [H, n, w]."""
  shape = tf.shape(maps)
  rows = tf.matmul(down, tf.reshape(maps, [shape[0], -1]))
  return tf.reshape(rows, [tf.shape(down)[0], shape[1], shape[2]])


def to_original(maps: tf.Tensor, sizes: Sizes) -> tf.Tensor:
  """Resizes maps float32 [n, h, w] to the original size: float32 [H, n, W]."""
  down, across = axes(tf.shape(maps)[1:], sizes)
  return heighten(widen(rows_first(maps), across), down)


def sums_of_maps(maps: tf.Tensor) -> tf.Tensor:
  """Returns the sum of each of maps [h, n, w], float32 [n]; whole numbers are exact below 2^24.

  Neighbors first: two to three times as fast as over both axes at once.
  """
  return tf.reduce_sum(tf.reduce_sum(maps, axis=2), axis=0)
