"""From RGB bytes to the network's input."""

import tensorflow as tf

# Mean and standard deviation of ImageNet's RGB bytes, as detectron2 and both official repositories use
# them (`PIXEL_MEAN`, `PIXEL_STD`); there is no division by 255 before.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


def normalize(images, image_size):
  """Normalizes images and sets the padding to zero.

  Args:
    images: uint8 (or any real type) [batch, height, width, 3], RGB, 0..255.
    image_size: int32 [batch, 2], (height, width) of the un-padded images, which lie in the upper left.

  Returns:
    float32 [batch, height, width, 3]: (image - mean) / std, and 0 right of and below the image (the
    official code pads after normalizing; a 0 byte would be about -2).
  """
  normalized = (tf.cast(images, tf.float32) - PIXEL_MEAN) / tf.constant(PIXEL_STD)
  height, width = tf.shape(images)[1], tf.shape(images)[2]
  image_size = tf.cast(image_size, tf.int32)
  rows = tf.range(height)[tf.newaxis, :] < image_size[:, :1]
  columns = tf.range(width)[tf.newaxis, :] < image_size[:, 1:]
  inside = rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :]
  # where, not a product: a bf16 or XLA rounding of the image must not leak into the padding.
  return tf.where(inside[..., tf.newaxis], normalized, 0.0)


def pad_to_multiple(maps, divisor):
  """Pads [batch, height, width, channels] with zeros, right and below, to multiples of `divisor`; 0: not at all."""
  if divisor < 2:
    return maps
  size = tf.shape(maps)
  bottom, right = -size[1] % divisor, -size[2] % divisor
  return tf.pad(maps, [[0, 0], [0, bottom], [0, right], [0, 0]])


def round_up(sizes: tf.Tensor, divisor: int) -> tf.Tensor:
  """Returns whole numbers rounded up to multiples of `divisor`; 0: as they are."""
  return -(-sizes // divisor) * divisor if divisor > 1 else sizes
