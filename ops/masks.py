"""Binary target masks out of id maps."""

import tensorflow as tf

from tf_maskformer.ops import resize


def segment_masks(id_maps: tf.Tensor, layer: tf.Tensor, size) -> tf.Tensor:
  """Masks of all segments at a smaller size, for the matching.

  Args:
    id_maps: integer [batch, layers, height, width], value slot + 1 where a segment is, 0 elsewhere.
    layer: int32 [batch, segments], the id map that holds each segment.
    size: (height, width) of the result; nearest by the legacy rule.

  Returns:
    float32 [batch, segments, height * width] of zeros and ones.
  """
  small = resize.nearest_maps(id_maps, size)
  shape = tf.shape(small)
  small = tf.cast(tf.reshape(small, [shape[0], shape[1], shape[2] * shape[3]]), tf.int32)
  of_segment = small if id_maps.shape[1] == 1 else tf.gather(small, layer, batch_dims=1)
  slots = tf.range(1, tf.shape(layer)[1] + 1)
  return tf.cast(of_segment == slots[None, :, None], tf.float32)


def masks_of(id_maps: tf.Tensor, image: tf.Tensor, layer: tf.Tensor, slot: tf.Tensor) -> tf.Tensor:
  """Masks of chosen segments at full size.

  Args:
    id_maps: integer [batch, layers, height, width].
    image: int32 [n], index into the batch.
    layer: int32 [n].
    slot: int32 [n], the segment's slot.

  Returns:
    bool [n, height, width].
  """
  maps = tf.gather_nd(id_maps, tf.stack([image, layer], axis=1))
  return maps == tf.cast(slot + 1, maps.dtype)[:, None, None]


def inside(image_size: tf.Tensor, size) -> tf.Tensor:
  """Tells an image from the padding right of and below it.

  Args:
    image_size: int32 [batch, 2], (height, width) of each image.
    size: (height, width) of the batch.

  Returns:
    float32 [batch, height * width], 1 in the image, 0 in its padding.
  """
  rows = tf.range(size[0])[None, :, None] < image_size[:, 0, None, None]
  columns = tf.range(size[1])[None, None] < image_size[:, 1, None, None]
  return tf.cast(tf.reshape(rows & columns, [-1, size[0] * size[1]]), tf.float32)
