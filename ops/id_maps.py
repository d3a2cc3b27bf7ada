"""Binary target masks out of id maps.

An id map holds the segments of one plane: value slot + 1 where a segment is, 0 elsewhere. Segments
that overlap are in different planes.
"""

import tensorflow as tf

from tf_maskformer.ops import resize
from tf_maskformer.ops import shape as shape_ops
from tf_maskformer.ops.shape import Size


def segment_masks(id_maps: tf.Tensor, plane: tf.Tensor, size: tuple[Size, Size]) -> tf.Tensor:
  """Masks of all segments at a smaller size, for the matching.

  Args:
    id_maps: integer [batch, planes, height, width].
    plane: int32 [batch, segments], the plane that holds each segment.
    size: (height, width) of the result; nearest by the legacy rule.

  Returns:
    float32 [batch, segments, height * width] of zeros and ones.
  """
  small = resize.nearest_maps(id_maps, size)
  batch, planes, height, width = shape_ops.sizes(small)
  ids = tf.cast(tf.reshape(small, [batch, planes, height * width]), tf.int32)
  of_segment = ids if id_maps.shape[1] == 1 else tf.gather(ids, plane, batch_dims=1)
  own_id = tf.range(1, tf.shape(plane)[1] + 1)
  return tf.cast(of_segment == own_id[None, :, None], tf.float32)


def masks_of(id_maps: tf.Tensor, image: tf.Tensor, plane: tf.Tensor, slot: tf.Tensor) -> tf.Tensor:
  """Masks of chosen segments at full size.

  Args:
    id_maps: integer [batch, planes, height, width].
    image: int32 [n], index into the batch.
    plane: int32 [n].
    slot: int32 [n], the segment's slot.

  Returns:
    bool [n, height, width].
  """
  maps = tf.gather_nd(id_maps, tf.stack([image, plane], axis=1))
  own_id = tf.cast(slot + 1, maps.dtype)
  return maps == own_id[:, None, None]
