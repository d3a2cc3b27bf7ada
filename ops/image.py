"""From RGB bytes to the network's input."""

import tensorflow as tf

from tf_maskformer.ops import shape as shape_ops
from tf_maskformer.ops.shape import Size

# Mean and standard deviation of ImageNet's RGB bytes, as detectron2 and both official repositories
# use them (`PIXEL_MEAN`, `PIXEL_STD`); bytes are not divided by 255 first.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


def inside(image_size: tf.Tensor, size: tuple[Size, Size]) -> tf.Tensor:
  """Tells an image from the padding right of and below it.

  Args:
    image_size: int32 [batch, 2], (height, width) of each image.
    size: (height, width) of the batch.

  Returns:
    bool [batch, *size], true in the image, false in its padding.
  """
  rows = tf.range(size[0])[None, :] < image_size[:, :1]
  columns = tf.range(size[1])[None, :] < image_size[:, 1:]
  return rows[:, :, None] & columns[:, None, :]


def normalize(images: tf.Tensor, image_size: tf.Tensor) -> tf.Tensor:
  """Normalizes images and sets the padding to zero.

  Args:
    images: uint8 (or any real type) [batch, height, width, 3], RGB, 0..255.
    image_size: int32 [batch, 2], (height, width) of each image without padding; images are in the
      upper left corner.

  Returns:
    float32 [batch, height, width, 3]: (image - mean) / std, and 0 right of and below the image (the
    official code pads after normalizing; a 0 byte would be about -2).
  """
  normalized = (tf.cast(images, tf.float32) - PIXEL_MEAN) / tf.constant(PIXEL_STD)
  in_image = inside(tf.cast(image_size, tf.int32), shape_ops.spatial_size(images))
  # where, not a product: a bfloat16 or XLA rounding of the image must not leak into the padding.
  return tf.where(in_image[..., None], normalized, 0.0)


def pad_to_multiple(maps: tf.Tensor, divisor: int) -> tf.Tensor:
  """Pads maps with zeros, right and below, to multiples of `divisor`.

  Args:
    maps: [batch, height, width, channels].
    divisor: 0 or 1: no padding.

  Returns:
    [batch, padded height, padded width, channels].
  """
  if divisor < 2:
    return maps
  height, width = shape_ops.spatial_size(maps)
  bottom = shape_ops.to_multiple(height, divisor)
  right = shape_ops.to_multiple(width, divisor)
  return tf.pad(maps, [[0, 0], [0, bottom], [0, right], [0, 0]])


def round_up(sizes: tf.Tensor, divisor: int) -> tf.Tensor:
  """Returns integers rounded up to multiples of `divisor`; 0: as they are."""
  if divisor < 2:
    return sizes
  return sizes + shape_ops.to_multiple(sizes, divisor)
