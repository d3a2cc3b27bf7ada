"""Instance inference of Mask2Former in TensorFlow (twin: ../instance.py)."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_maskformer.modeling.postprocessing.graph import resize
from tf_maskformer.modeling.postprocessing.graph.resize import to_original
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes
from tf_maskformer.ops.sigmoid import sigmoid

NO_DIVISION_BY_ZERO = 1e-6  # added to the area, as officially


class Pairs(NamedTuple):
  """The best pairs of query and class, best class probability first.

  Attributes:
    queries: int32 [n].
    classes: int32 [n].
    probabilities: float32 [n], of the class.
    distinct: int32 [masks], the queries among them, each once.
    rows: int32 [n], where a pair's query is among the distinct.
  """
  queries: tf.Tensor
  classes: tf.Tensor
  probabilities: tf.Tensor
  distinct: tf.Tensor
  rows: tf.Tensor


class Inside(NamedTuple):
  """Masks in some rows of the image, and sums that add up over rows.

  Attributes:
    masks: bool [rows, n, width].
    areas: float32 [n], pixels of each mask.
    sums: float32 [n], of the probabilities inside each mask.
  """
  masks: tf.Tensor
  areas: tf.Tensor
  sums: tf.Tensor


class Instances(NamedTuple):
  """The instances of an image, best class probability first.

  Attributes:
    queries: int32 [n].
    classes: int32 [n].
    scores: float32 [n], class probability times the mean probability inside the mask.
    masks: bool [distinct, height, width], one of every query that is among them.
    rows: int32 [n], which of the masks is an instance's.
  """
  queries: tf.Tensor
  classes: tf.Tensor
  scores: tf.Tensor
  masks: tf.Tensor
  rows: tf.Tensor


def instances(class_logits: tf.Tensor, mask_logits: tf.Tensor, sizes: Sizes, count: int,
              only_classes: np.ndarray | None = None) -> Instances:
  """Takes the best pairs of query and class; a query may appear with several classes.

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object.
    mask_logits: float32 [queries, h, w].
    sizes: of the image.
    count: number of pairs; all there are where that is less.
    only_classes: bool [classes]; pairs of the other classes are dropped afterwards (things only,
      where a panoptic prediction is made too). None: all stay.
  """
  pairs = choose(class_logits, count, only_classes)
  logits = to_original(tf.gather(mask_logits, pairs.distinct), sizes)
  inside = look_inside(logits, sigmoid(logits))
  masks = tf.transpose(inside.masks, [1, 0, 2])
  return Instances(pairs.queries, pairs.classes, score(pairs, inside), masks, pairs.rows)


def choose(class_logits: tf.Tensor, count: int, only_classes: np.ndarray | None = None) -> Pairs:
  """Returns the best pairs; arguments as `instances`."""
  probabilities = tf.nn.softmax(class_logits)[:, :-1]
  num_classes = tf.shape(probabilities)[1]
  ranked = tf.reshape(probabilities, [-1])
  # Of equal values the first comes first, as in a stable sort.
  best, places = tf.math.top_k(ranked, tf.minimum(count, tf.size(ranked)))
  queries = places // num_classes
  classes = places - queries * num_classes
  if only_classes is not None:
    wanted = tf.where(tf.gather(tf.constant(only_classes), classes))[:, 0]
    best = tf.gather(best, wanted)
    queries = tf.gather(queries, wanted)
    classes = tf.gather(classes, wanted)
  distinct, rows = tf.unique(queries)
  return Pairs(queries, classes, best, distinct, rows)


def look_inside(logits: tf.Tensor, probabilities: tf.Tensor) -> Inside:
  """Returns the masks of some rows, of float32 [rows, n, width] at original size."""
  masks = logits > 0
  areas = resize.sums_of_maps(tf.cast(masks, tf.float32))
  sums = resize.sums_of_maps(tf.where(masks, probabilities, 0))
  return Inside(masks, areas, sums)


def score(pairs: Pairs, inside: Inside) -> tf.Tensor:
  """Returns the scores of the pairs, float32 [n]; `inside` is of the complete image."""
  certainty = inside.sums / (inside.areas + NO_DIVISION_BY_ZERO)
  return pairs.probabilities * tf.gather(certainty, pairs.rows)
