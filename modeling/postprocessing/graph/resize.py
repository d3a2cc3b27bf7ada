"""Mask logits from stride 4 to the original image, in TensorFlow (twin: ../resize.py)."""

import tensorflow as tf

from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes


def interpolation(size: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
  """Returns the matrix float64 [target, size] of bilinear interpolation.

  Centers are at half pixels, nothing is antialiased.

  Args:
    size: int32 [], samples that there are.
    target: int32 [], samples that are wanted.
  """
  below, above, share = _places(size, target)
  columns = tf.range(size)[None]
  at_below = tf.cast(columns == below[:, None], tf.float64)
  at_above = tf.cast(columns == above[:, None], tf.float64)
  return at_below * (1 - share)[:, None] + at_above * share[:, None]


def to_original(maps: tf.Tensor, sizes: Sizes | None) -> tf.Tensor:
  """Resizes to the padded size, crops the padding, resizes to the original size (official steps).

  Args:
    maps: float32 [n, h, w], logits of masks or scores.
    sizes: of the image; None: the maps have the original size already.

  Returns:
    float32 [n, *sizes.original].
  """
  if sizes is None:
    return maps
  shape = tf.shape(maps)
  down = axis(shape[1], sizes.padded[0], sizes.image[0], sizes.original[0])
  across = axis(shape[2], sizes.padded[1], sizes.image[1], sizes.original[1])
  return resize(maps, down, across)


def axis(size: tf.Tensor, padded: tf.Tensor, cropped: tf.Tensor, original: tf.Tensor) -> tf.Tensor:
  """Returns the three steps along one axis as one matrix float32 [original, size].

  Args:
    size: int32 [], of the maps, along this axis, as the others.
    padded: int32 [], of the model's input.
    cropped: int32 [], of the resized image.
    original: int32 [], of the result.
  """
  to_padded = interpolation(size, padded)
  below, above, share = _places(cropped, original)
  # A row of the second step has two entries, so its product with the first is two rows of that.
  rows_below = tf.gather(to_padded, below) * (1 - share)[:, None]
  rows_above = tf.gather(to_padded, above) * share[:, None]
  return tf.cast(rows_below + rows_above, tf.float32)


def resize(maps: tf.Tensor, down: tf.Tensor, across: tf.Tensor) -> tf.Tensor:
  """Multiplies maps float32 [n, h, w] by down [H, h] and across [W, w]: float32 [n, H, W]."""
  shape = tf.shape(maps)
  height = tf.shape(down)[0]
  width = tf.shape(across)[0]
  # Plain products of two matrices: those that broadcast are slower, and crash in oneDNN at n = 1
  # (TensorFlow 2.20).
  wide = tf.matmul(tf.reshape(maps, [-1, shape[2]]), across, transpose_b=True)
  columns = tf.reshape(wide, [shape[0], shape[1], width])
  copies = tf.tile(down[None], [shape[0], 1, 1])
  return tf.reshape(tf.matmul(copies, columns), [shape[0], height, width])


def _places(size: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Returns the samples below and above each target (int32) and the share of the one above."""
  scale = tf.cast(size, tf.float64) / tf.cast(target, tf.float64)
  centers = tf.cast(tf.range(target), tf.float64) + 0.5
  place = tf.maximum(centers * scale - 0.5, 0)
  below = tf.floor(place)
  first = tf.cast(below, tf.int32)
  return first, tf.minimum(first + 1, size - 1), place - below
