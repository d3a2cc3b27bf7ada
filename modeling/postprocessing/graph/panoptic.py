"""Panoptic inference of MaskFormer and Mask2Former in TensorFlow (twin: ../panoptic.py)."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_maskformer.modeling.postprocessing.graph.resize import to_original
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes


class Panoptic(NamedTuple):
  """The segments of an image.

  Attributes:
    id_map: int32 [height, width], at each pixel the id of its segment, 0 where there is none.
    classes: int32 [queries], of segment 1, 2, ...; 0 beyond `count`.
    scores: float32 [queries], class probability of segment 1, 2, ...; 0 beyond `count`.
    count: int32 [], segments.
  """
  id_map: tf.Tensor
  classes: tf.Tensor
  scores: tf.Tensor
  count: tf.Tensor


def panoptic(class_logits: tf.Tensor, mask_logits: tf.Tensor, sizes: Sizes | None,
             is_thing: np.ndarray, object_mask_threshold: float | tf.Tensor,
             overlap_threshold: float | tf.Tensor, confident_only: bool = False) -> Panoptic:
  """Gives every pixel to the query with the largest class score times mask probability.

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object.
    mask_logits: float32 [queries, h, w].
    sizes: of the image; None: the masks have the original size already.
    is_thing: bool [classes]; segments of the others are merged.
    object_mask_threshold: queries whose class score is not above it are dropped.
    overlap_threshold: a mask that keeps a smaller share of its pixels (probability >= 0.5) is
      dropped.
    confident_only: pixels whose own mask is below 0.5 stay void (Mask2Former).

  Returns:
    The segments, their ids in the order of the queries.
  """
  probabilities = tf.nn.softmax(class_logits)
  scores = tf.reduce_max(probabilities, axis=1)
  labels = tf.argmax(probabilities, axis=1, output_type=tf.int32)
  no_object = tf.shape(class_logits)[1] - 1
  is_kept = (labels != no_object) & (scores > object_mask_threshold)
  # At least one: the maximum over nothing is an error.
  kept = tf.where(is_kept | _is_only_first(is_kept))[:, 0]
  is_kept = tf.gather(is_kept, kept)
  scores = tf.gather(scores, kept)
  labels = tf.gather(labels, kept)
  masks = tf.sigmoid(to_original(tf.gather(mask_logits, kept), sizes))
  owner, is_good, confident = _owners(masks, scores, is_kept, overlap_threshold, confident_only)
  ids, starts = _numbered(labels, is_good, _things(labels, is_thing))
  id_map = tf.gather(ids, owner)
  if confident is not None:
    id_map *= tf.cast(confident, tf.int32)
  places = tf.where(starts)[:, 0]
  count = tf.shape(places)[0]
  beyond = [[0, tf.shape(class_logits)[0] - count]]
  return Panoptic(
      id_map, tf.pad(tf.gather(labels, places), beyond), tf.pad(tf.gather(scores, places), beyond),
      count)


def _is_only_first(is_kept: tf.Tensor) -> tf.Tensor:
  """Returns bool [queries], true at the first query if none is kept."""
  first = tf.range(tf.shape(is_kept)[0]) == 0
  return first & ~tf.reduce_any(is_kept)


def _owners(masks: tf.Tensor, scores: tf.Tensor, is_kept: tf.Tensor,
            overlap_threshold: float | tf.Tensor, confident_only: bool
            ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
  """Finds who owns each pixel, and which masks keep enough of theirs.

  Args:
    masks: float32 [n, H, W], probabilities.
    scores: float32 [n].
    is_kept: bool [n].
    overlap_threshold: see `panoptic`.
    confident_only: see `panoptic`.

  Returns:
    owner int32 [H, W]; whether a mask is a segment, bool [n]; with `confident_only` whether the
    owner's own mask is at least 0.5, bool [H, W], else None.
  """
  count = tf.shape(masks)[0]
  size = tf.shape(masks)[1:]
  owner = tf.argmax(scores[:, None, None] * masks, axis=0, output_type=tf.int32)
  flat_owner = tf.reshape(owner, [-1])
  ones = tf.ones_like(flat_owner)
  area = tf.math.unsorted_segment_sum(ones, flat_owner, count)
  total = tf.reduce_sum(tf.cast(masks >= 0.5, tf.int32), axis=[1, 2])
  share = tf.cast(area, tf.float32) / tf.cast(tf.maximum(total, 1), tf.float32)
  is_good = is_kept & (area > 0) & (total > 0) & (share >= overlap_threshold)
  if not confident_only:
    return owner, is_good, None
  place = flat_owner * (size[0] * size[1]) + tf.range(size[0] * size[1])
  confident = tf.gather(tf.reshape(masks, [-1]), place) >= 0.5
  remaining = tf.math.unsorted_segment_sum(tf.cast(confident, tf.int32), flat_owner, count)
  return owner, is_good & (remaining > 0), tf.reshape(confident, size)


def _things(labels: tf.Tensor, is_thing: np.ndarray) -> tf.Tensor:
  """Returns whether each label, int32 [n], is a thing's; no-object, which is last, is none."""
  return tf.gather(tf.constant([*map(bool, is_thing), False]), labels)


def _numbered(labels: tf.Tensor, is_good: tf.Tensor, are_things: tf.Tensor
              ) -> tuple[tf.Tensor, tf.Tensor]:
  """Numbers the segments from 1; stuff of one class shares the number of its first mask.

  Returns:
    The id of each mask, int32 [n], 0 of those that are not good, and whether a segment starts with
    it, bool [n].
  """
  index = tf.range(tf.shape(labels)[0])
  mergeable = is_good & ~are_things
  same_class = (labels[:, None] == labels[None]) & mergeable[:, None] & mergeable[None]
  same = same_class | (index[:, None] == index[None])
  first = tf.argmax(tf.cast(same, tf.int32), axis=1, output_type=tf.int32)
  starts = is_good & (first == index)
  numbers = tf.cumsum(tf.cast(starts, tf.int32))
  ids = tf.where(is_good, tf.gather(numbers, first), 0)
  return ids, starts
