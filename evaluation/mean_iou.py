"""Semantic segmentation scores over a data set, as detectron2's SemSegEvaluator computes them."""

from typing import Any

import numpy as np


class MeanIoU:
  """Sums a confusion matrix; `update` per image, `merge` several, `result` at the end.

  Attributes:
    confusion: int64 [class of the truth, class predicted], pixels.
    missed: int64 [class of the truth], pixels for which nothing was predicted.
  """

  def __init__(self, num_classes: int):
    self._num_classes = num_classes
    self.missed = np.zeros(num_classes, np.int64)
    self.confusion = np.zeros([num_classes, num_classes], np.int64)

  def update(self, truth: np.ndarray, predicted: np.ndarray) -> None:
    """Adds an image.

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
    self._require_known(truth[known])
    missed = known & (predicted < 0)
    if missed.any():
      self.missed += np.bincount(truth[missed], minlength=self._num_classes)
      known &= ~missed
    true_classes = truth[known].astype(np.int64)
    found_classes = predicted[known].astype(np.int64)
    self._require_known(found_classes)
    pairs = true_classes * self._num_classes + found_classes
    counts = np.bincount(pairs, minlength=self._num_classes**2)
    self.confusion += counts.reshape(self._num_classes, self._num_classes)

  def _require_known(self, classes: np.ndarray) -> None:
    if classes.size and not (0 <= classes.min() and classes.max() < self._num_classes):
      raise ValueError(f'a class is outside 0 .. {self._num_classes - 1}')

  def merge(self, other: 'MeanIoU') -> None:
    """Adds what another instance has seen."""
    self.confusion += other.confusion
    self.missed += other.missed

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
