"""Panoptic inference of MaskFormer and Mask2Former in TensorFlow (twin: ../panoptic.py)."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_maskformer.modeling.postprocessing.graph import resize
from tf_maskformer.modeling.postprocessing.graph.resize import to_original
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes
from tf_maskformer.ops import counting
from tf_maskformer.ops.largest import largest_of_maps
from tf_maskformer.ops.sigmoid import sigmoid


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


class Chosen(NamedTuple):
  """The n queries that can own pixels; at least one, since nothing is the largest of nothing.

  Attributes:
    queries: int32 [n].
    scores: float32 [n], class probabilities.
    classes: int32 [n].
    are_kept: bool [n], false for a query that stands for none.
  """
  queries: tf.Tensor
  scores: tf.Tensor
  classes: tf.Tensor
  are_kept: tf.Tensor


class Owned(NamedTuple):
  """Who owns the pixels of some rows of the image, and counts that add up over rows.

  Attributes:
    owner: int32 [rows, width], of the chosen queries.
    is_confident: bool [rows, width], whether the owner's own mask is at least 0.5.
    areas: int32 [n], pixels owned.
    totals: int32 [n], pixels where the mask is at least 0.5.
    confident_areas: int32 [n], pixels owned where the mask is at least 0.5.
  """
  owner: tf.Tensor
  is_confident: tf.Tensor
  areas: tf.Tensor
  totals: tf.Tensor
  confident_areas: tf.Tensor


def panoptic(class_logits: tf.Tensor, mask_logits: tf.Tensor, sizes: Sizes, is_thing: np.ndarray,
             object_mask_threshold: float | tf.Tensor, overlap_threshold: float | tf.Tensor,
             confident_only: bool = False) -> Panoptic:
  """Gives every pixel to the query with the largest class score times mask probability.

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object.
    mask_logits: float32 [queries, h, w].
    sizes: of the image.
    is_thing: bool [classes]; segments of the others are merged.
    object_mask_threshold: queries whose class score is not above it are dropped.
    overlap_threshold: a mask that keeps a smaller share of its pixels (probability >= 0.5) is
      dropped.
    confident_only: pixels whose own mask is below 0.5 stay void (Mask2Former).

  Returns:
    The segments, their ids in the order of the queries.
  """
  chosen = choose(class_logits, object_mask_threshold)
  logits = to_original(tf.gather(mask_logits, chosen.queries), sizes)
  owned = own(sigmoid(logits), chosen)
  return finish(
      chosen, owned, tf.shape(class_logits)[0], is_thing, overlap_threshold, confident_only)


def choose(class_logits: tf.Tensor, object_mask_threshold: float | tf.Tensor) -> Chosen:
  """Returns the queries that can own pixels; arguments as `panoptic`."""
  probabilities = tf.nn.softmax(class_logits)
  scores = tf.reduce_max(probabilities, axis=1)
  classes = tf.argmax(probabilities, axis=1, output_type=tf.int32)
  no_object = tf.shape(class_logits)[1] - 1
  are_kept = (classes != no_object) & (scores > object_mask_threshold)
  stands_for_none = (tf.range(tf.shape(scores)[0]) == 0) & ~tf.reduce_any(are_kept)
  queries = tf.cast(tf.where(are_kept | stands_for_none)[:, 0], tf.int32)
  return Chosen(
      queries, tf.gather(scores, queries), tf.gather(classes, queries),
      tf.gather(are_kept, queries))


def own(masks: tf.Tensor, chosen: Chosen) -> Owned:
  """Returns who owns the pixels of some rows.

  Args:
    masks: float32 [rows, n, width], probabilities of the chosen queries.
    chosen: these.
  """
  values = chosen.scores[None, :, None] * masks
  owner, best = largest_of_maps(values)
  # A mask is at least 0.5 exactly where its product with the score, rounded as it is, is at least
  # half the score.
  is_confident = best >= tf.gather(0.5 * chosen.scores, owner)
  count = tf.shape(masks)[1]
  owners = counting.occurrences(2 * owner + tf.cast(is_confident, tf.int32), 2 * count)
  doubtful_areas, confident_areas = tf.unstack(tf.reshape(owners, [count, 2]), axis=1)
  totals = tf.cast(resize.sums_of_maps(tf.cast(masks >= 0.5, tf.float32)), tf.int32)
  return Owned(owner, is_confident, doubtful_areas + confident_areas, totals, confident_areas)


def finish(chosen: Chosen, owned: Owned, num_queries: tf.Tensor, is_thing: np.ndarray,
           overlap_threshold: float | tf.Tensor, confident_only: bool) -> Panoptic:
  """Returns the segments of an image.

  Args:
    chosen: the queries that can own pixels.
    owned: of the complete image.
    num_queries: int32 [], length of the result's lists.
    is_thing: see `panoptic`, as the others.
    overlap_threshold: see there.
    confident_only: see there.
  """
  kept_share = tf.cast(owned.areas, tf.float32) / tf.cast(tf.maximum(owned.totals, 1), tf.float32)
  has_pixels = (owned.areas > 0) & (owned.totals > 0)
  if confident_only:
    has_pixels &= owned.confident_areas > 0
  is_segment = chosen.are_kept & has_pixels & (kept_share >= overlap_threshold)
  ids, starts = numbered(chosen.classes, is_segment, things(chosen.classes, is_thing))
  id_map = tf.gather(ids, owned.owner)
  if confident_only:
    id_map *= tf.cast(owned.is_confident, tf.int32)
  firsts = tf.where(starts)[:, 0]
  count = tf.shape(firsts)[0]
  beyond = [[0, num_queries - count]]
  classes = tf.pad(tf.gather(chosen.classes, firsts), beyond)
  scores = tf.pad(tf.gather(chosen.scores, firsts), beyond)
  return Panoptic(id_map, classes, scores, count)


def things(classes: tf.Tensor, is_thing: np.ndarray) -> tf.Tensor:
  """Returns whether each class, int32 [n], is a thing's; no-object, which is last, is none."""
  return tf.gather(tf.constant([*map(bool, is_thing), False]), classes)


def numbered(classes: tf.Tensor, is_segment: tf.Tensor, are_things: tf.Tensor
              ) -> tuple[tf.Tensor, tf.Tensor]:
  """Numbers the segments from 1; stuff of one class shares the number of its first mask.

  Returns:
    The id of each mask, int32 [n], 0 of those that are not segments, and whether a segment starts
    with it, bool [n].
  """
  index = tf.range(tf.shape(classes)[0])
  can_merge = is_segment & ~are_things
  same_class = classes[:, None] == classes[None]
  same_stuff = same_class & can_merge[:, None] & can_merge[None]
  same = same_stuff | (index[:, None] == index[None])
  first = tf.argmax(tf.cast(same, tf.int32), axis=1, output_type=tf.int32)
  starts = is_segment & (first == index)
  numbers = tf.cumsum(tf.cast(starts, tf.int32))
  ids = tf.where(is_segment, tf.gather(numbers, first), 0)
  return ids, starts
