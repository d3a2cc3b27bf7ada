"""Answers at a fixed size, in graphs whose every shape is static (LiteRT has only such).

The twins of panoptic.py, semantic.py and instance.py for an image that came at the network's size.
Nothing is gathered by what was found: all queries are brought to the image's size, by two gathers
and a sum for each axis, and what was dropped is masked.
"""

import numpy as np
import tensorflow as tf

from tf_maskformer.modeling.postprocessing.graph import panoptic as any_size
from tf_maskformer.modeling.postprocessing.graph.instance import NO_DIVISION_BY_ZERO
from tf_maskformer.modeling.postprocessing.graph.panoptic import Panoptic
from tf_maskformer.ops.strides import MASK_STRIDE

Size = tuple[int, int]


def to_image(maps: tf.Tensor, padded: Size, image: Size) -> tf.Tensor:
  """Resizes maps float32 [n, h, w] to the size `padded` and crops them to that of the image."""
  maps = _along(maps, 1, padded[0], image[0])
  return _along(maps, 2, padded[1], image[1])


def _along(maps: tf.Tensor, axis: int, padded: int, cropped: int) -> tf.Tensor:
  """`to_image` of one axis."""
  size = maps.shape[axis]
  place = np.maximum((np.arange(cropped) + 0.5) * (size / padded) - 0.5, 0)
  below = np.floor(place).astype(np.int32)
  above = np.minimum(below + 1, size - 1)
  shape = [-1 if i == axis else 1 for i in range(3)]
  share = np.reshape(place - below, shape).astype(np.float32)
  at_below = tf.gather(maps, below, axis=axis)
  at_above = tf.gather(maps, above, axis=axis)
  return at_below * (1 - share) + at_above * share


def panoptic(class_logits: tf.Tensor, mask_logits: tf.Tensor, padded: Size, image: Size,
             is_thing: np.ndarray, object_mask_threshold: float, overlap_threshold: float,
             confident_only: bool = False) -> Panoptic:
  """See `panoptic.panoptic`.

  Args:
    class_logits: float32 [queries, classes + 1].
    mask_logits: float32 [queries, h, w].
    padded: (height, width) of the network's input.
    image: (height, width) of the image in it, and of the answer.
    is_thing: bool [classes].
    object_mask_threshold: see there.
    overlap_threshold: see there.
    confident_only: see there.
  """
  probabilities = tf.nn.softmax(class_logits)
  scores = tf.reduce_max(probabilities, axis=1)
  labels = tf.argmax(probabilities, axis=1, output_type=tf.int32)
  is_kept = (labels != class_logits.shape[1] - 1) & (scores > object_mask_threshold)
  masks = tf.sigmoid(to_image(mask_logits, padded, image))
  owner, is_good, confident = _owners(masks, scores, is_kept, overlap_threshold)
  if confident_only:
    flat_owner = tf.reshape(owner, [-1])
    remaining = tf.math.unsorted_segment_sum(
        tf.reshape(confident, [-1]), flat_owner, masks.shape[0])
    is_good &= remaining > 0
  ids, starts = any_size.numbered(labels, is_good, any_size.things(labels, is_thing))
  id_map = tf.gather(ids, owner)
  if confident_only:
    id_map *= confident
  classes, of_segments = _compact(starts, labels, scores)
  count = tf.reduce_sum(tf.cast(starts, tf.int32))
  return Panoptic(id_map, classes, of_segments, count)


def _owners(masks: tf.Tensor, scores: tf.Tensor, is_kept: tf.Tensor, overlap_threshold: float
            ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Finds who owns each pixel, and which masks keep enough of theirs.

  Returns:
    owner int32 [H, W]; bool [queries]; whether the owner's own mask is at least 0.5, int32 [H, W].
  """
  count, height, width = masks.shape
  kept = tf.cast(is_kept, tf.float32)
  # -1 for what is not kept: even a kept mask that is 0 comes before it.
  ranked = (scores * kept)[:, None, None] * masks + (kept - 1)[:, None, None]
  owner = tf.argmax(ranked, axis=0, output_type=tf.int32)
  flat_owner = tf.reshape(owner, [-1])
  ones = tf.ones([height * width], tf.int32)
  area = tf.math.unsorted_segment_sum(ones, flat_owner, count)
  inside = tf.cast(masks >= 0.5, tf.int32)
  total = tf.reduce_sum(tf.reshape(inside, [count, height * width]), axis=1)
  share = tf.cast(area, tf.float32) / tf.cast(tf.maximum(total, 1), tf.float32)
  is_good = is_kept & (area > 0) & (total > 0) & (share >= overlap_threshold)
  place = flat_owner * (height * width) + np.arange(height * width, dtype=np.int32)
  confident = tf.reshape(tf.gather(tf.reshape(inside, [-1]), place), [height, width])
  return owner, is_good, confident


def _compact(starts: tf.Tensor, labels: tf.Tensor, scores: tf.Tensor
             ) -> tuple[tf.Tensor, tf.Tensor]:
  """Returns labels (int32) and scores of the queries where `starts`, followed by zeros."""
  slots = np.arange(starts.shape[0], dtype=np.int32)
  place = tf.cumsum(tf.cast(starts, tf.int32)) - 1
  is_at = starts[:, None] & (place[:, None] == slots)
  classes = tf.reduce_sum(tf.cast(is_at, tf.int32) * labels[:, None], axis=0)
  return classes, tf.reduce_sum(tf.cast(is_at, tf.float32) * scores[:, None], axis=0)


def labels(class_logits: tf.Tensor | None, mask_logits: tf.Tensor, padded: Size, image: Size
           ) -> tf.Tensor:
  """Returns the class of every pixel, int32 [*image]; see `semantic.labels`.

  Masks are resized before they are combined; where the image keeps its size, both orders give the
  same.

  Args:
    class_logits: float32 [queries, classes + 1]; None for a per-pixel model.
    mask_logits: float32 [queries, h, w]; of a per-pixel model [classes, h, w].
    padded: (height, width) of the network's input.
    image: (height, width) of the image in it, and of the answer.
  """
  if class_logits is None:
    _, height, width = mask_logits.shape
    enlarged = (MASK_STRIDE * height, MASK_STRIDE * width)
    return tf.argmax(to_image(mask_logits, enlarged, image), axis=0, output_type=tf.int32)
  classes = tf.nn.softmax(class_logits)[:, :-1]
  masks = tf.sigmoid(to_image(mask_logits, padded, image))
  queries, height, width = masks.shape
  combined = tf.matmul(
      tf.reshape(masks, [queries, height * width]), classes, transpose_a=True)
  found = tf.argmax(combined, axis=1, output_type=tf.int32)
  return tf.reshape(found, [height, width])


def instances(class_logits: tf.Tensor, mask_logits: tf.Tensor, padded: Size, image: Size,
              count: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Takes the best pairs of query and class, see `instance.instances`.

  Args:
    class_logits: float32 [queries, classes + 1].
    mask_logits: float32 [queries, h, w].
    padded: (height, width) of the network's input.
    image: (height, width) of the image in it, and of the answer.
    count: number of pairs; all there are where that is less.

  Returns:
    classes int32 [n], scores float32 [n], masks bool [n, *image]; best class probability first.
  """
  probabilities = tf.nn.softmax(class_logits)[:, :-1]
  queries, num_classes = probabilities.shape
  ranked = tf.reshape(probabilities, [queries * num_classes])
  best, pairs = tf.math.top_k(ranked, min(count, queries * num_classes))
  of_query = pairs // num_classes
  classes = pairs - of_query * num_classes
  logits = to_image(mask_logits, padded, image)
  masks = logits > 0
  inside = tf.cast(masks, tf.float32)
  area = tf.reduce_sum(inside, axis=[1, 2])
  certainty = tf.reduce_sum(tf.sigmoid(logits) * inside, axis=[1, 2]) / (area + NO_DIVISION_BY_ZERO)
  return classes, best * tf.gather(certainty, of_query), tf.gather(masks, of_query)
