"""The largest of many classes at each pixel, of which few can be it.

A query gives nearly all of its probability to one class, so that the classes of an image's objects
have the largest sums nearly everywhere. Their sums are computed, and one more that bounds those of
all others: only where it is the largest, all classes are compared. The labels are the same, to the
rounding of sums.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_maskformer.modeling.postprocessing.graph.semantic import largest

_PROBABLE = 0.05  # a class that no query gives more to is unlikely
_MARGIN = 1.0001  # of the bound: sums of float32 are rounded


class LikelyClasses:
  """Finds the class with the largest score of each pixel, for all bands of an image."""

  def __init__(self, classes: tf.Tensor):
    """Chooses the likely ones.

    Args:
      classes: float32 [queries, classes], probabilities.
    """
    self._classes = classes
    is_likely = tf.reduce_max(classes, axis=0) > _PROBABLE
    self._ids = tf.cast(tf.where(is_likely)[:, 0], tf.int32)
    bound = _MARGIN * tf.reduce_max(tf.where(is_likely, 0.0, classes), axis=1, keepdims=True)
    self._columns = tf.concat([tf.gather(classes, self._ids, axis=1), bound], axis=1)
    self._are_few = 2 * tf.shape(self._columns)[1] <= tf.shape(classes)[1]

  def labels(self, scores: Callable[[tf.Tensor], tf.Tensor],
             masks_at: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Returns the class of the largest score at each pixel, int32 [rows, width].

    Args:
      scores: takes class probabilities [queries, n] and returns their sums, weighted by masks,
        float32 [rows, width, n].
      masks_at: takes places int64 [m, 2] and returns the mask probabilities there, float32
        [m, queries].
    """
    def of_all():
      return largest(scores(self._classes))
    def of_few():
      found = largest(scores(self._columns))
      unsure = tf.where(found == tf.shape(self._ids)[0])
      known = tf.gather(tf.concat([self._ids, [0]], axis=0), found)
      rest = largest(tf.matmul(masks_at(unsure), self._classes))
      return tf.tensor_scatter_nd_update(known, unsure, rest)
    return tf.cond(self._are_few, of_few, of_all)
