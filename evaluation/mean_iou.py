"""Semantic segmentation scores over a data set, as detectron2's SemSegEvaluator computes them."""

from typing import Any

import numpy as np

from tf_maskformer.evaluation.metric import Contribution
from tf_maskformer.evaluation.metric import Metric


class MeanIoU(Metric):
  """Sums a confusion matrix; see `Metric`."""

  def __init__(self, num_classes: int):
    self._num_classes = num_classes
    # By true and predicted class; the last column is of pixels for which nothing was predicted.
    self._pixels = np.zeros([num_classes, num_classes + 1], np.int64)

  @property
  def confusion(self) -> np.ndarray:
    """int64 [class of the truth, class predicted], pixels."""
    return self._pixels[:, :-1]

  @property
  def missed(self) -> np.ndarray:
    """int64 [class of the truth], pixels for which nothing was predicted."""
    return self._pixels[:, -1]

  def contribution(self, truth: np.ndarray, predicted: np.ndarray) -> Contribution:
    """Returns what an image adds: the pixels of each pair of classes that occurs.

    Args:
      truth: integers [height, width], the class, below 0 where it is void.
      predicted: integers [height, width], 0 .. classes - 1, below 0 where nothing is predicted,
        which is wrong for the true class and counts for no other.

    Raises:
      ValueError: the sizes differ, or a class is out of range.
    """
    if truth.shape != predicted.shape:
      raise ValueError(f'truth is {truth.shape}, prediction {predicted.shape}; they must have '
                       'the same size')
    known = truth >= 0
    true_classes = truth[known].astype(np.int64)
    found_classes = predicted[known].astype(np.int64)
    is_missed = found_classes < 0
    self._require_known(true_classes)
    self._require_known(found_classes[~is_missed])
    found_classes[is_missed] = self._num_classes
    counts = np.bincount(true_classes * (self._num_classes + 1) + found_classes)
    pairs = np.flatnonzero(counts)
    return {'pairs': pairs, 'pixels': counts[pairs]}

  def add(self, contribution):
    """See `Metric`."""
    self._pixels.reshape(-1)[contribution['pairs']] += contribution['pixels']

  def _require_known(self, classes: np.ndarray) -> None:
    if classes.size and not (0 <= classes.min() and classes.max() < self._num_classes):
      raise ValueError(f'a class is outside 0 .. {self._num_classes - 1}')

  def result(self) -> dict[str, Any]:
    """Returns the scores.

    Classes that the truth never holds do not count, even where they are predicted.

    Returns:
      {'miou', 'fwiou', 'macc', 'pacc'}, x100, all 0 where nothing was seen; 'num_classes' seen;
      'per_class': {class: {'iou', 'acc'}} of these, x100.
    """
    hit = np.diag(self.confusion).astype(np.float64)
    truth = self.confusion.sum(axis=1) + self.missed
    predicted = self.confusion.sum(axis=0)
    seen = np.flatnonzero(truth)
    total = max(truth.sum(), 1)
    iou = hit[seen] / (truth + predicted - hit)[seen]
    accuracy = hit[seen] / truth[seen]
    per_class = {}
    for class_id, class_iou, class_accuracy in zip(seen, iou, accuracy):
      per_class[int(class_id)] = {
          'iou': float(100 * class_iou), 'acc': float(100 * class_accuracy)}
    return {
        'miou': _percent(iou),
        'fwiou': float(100 * (iou * truth[seen]).sum() / total),
        'macc': _percent(accuracy),
        'pacc': float(100 * hit.sum() / total),
        'num_classes': int(seen.size),
        'per_class': per_class,
    }


def _percent(values: np.ndarray) -> float:
  """Returns the mean x100, 0 without any."""
  return float(100 * values.mean()) if values.size else 0.0
