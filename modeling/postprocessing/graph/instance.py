"""Instance inference of Mask2Former in TensorFlow (twin: ../instance.py)."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_maskformer.modeling.postprocessing.graph.resize import to_original
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes

_NO_DIVISION_BY_ZERO = 1e-6  # added to the area, as officially


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


def instances(class_logits: tf.Tensor, mask_logits: tf.Tensor, sizes: Sizes | None,
              count: int, only_classes: np.ndarray | None = None) -> Instances:
  """Takes the best pairs of query and class; a query may appear with several classes.

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object.
    mask_logits: float32 [queries, h, w].
    sizes: of the image; None: the masks have the original size already.
    count: number of pairs; all there are where that is less.
    only_classes: bool [classes]; pairs of the other classes are dropped afterwards (things only,
      where a panoptic prediction is made too). None: all stay.
  """
  probabilities = tf.nn.softmax(class_logits)[:, :-1]
  num_classes = tf.shape(probabilities)[1]
  # Of equal values the first comes first, as in a stable sort.
  ranked = tf.reshape(probabilities, [-1])
  best, pairs = tf.math.top_k(ranked, tf.minimum(count, tf.size(ranked)))
  queries = pairs // num_classes
  classes = pairs - queries * num_classes
  if only_classes is not None:
    wanted = tf.where(tf.gather(tf.constant(only_classes), classes))[:, 0]
    best = tf.gather(best, wanted)
    queries = tf.gather(queries, wanted)
    classes = tf.gather(classes, wanted)
  distinct, rows = tf.unique(queries)
  logits = to_original(tf.gather(mask_logits, distinct), sizes)
  masks = logits > 0
  inside = tf.reduce_sum(tf.where(masks, tf.sigmoid(logits), 0), axis=[1, 2])
  area = tf.reduce_sum(tf.cast(masks, tf.float32), axis=[1, 2])
  certainty = inside / (area + _NO_DIVISION_BY_ZERO)
  return Instances(queries, classes, best * tf.gather(certainty, rows), masks, rows)
