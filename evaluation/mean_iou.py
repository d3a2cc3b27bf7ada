"""Semantic segmentation scores over a whole set, as detectron2's SemSegEvaluator computes them."""

import numpy as np


class MeanIoU:
  """Sums a confusion matrix; `update` an image at a time, `merge` several, `result` at the end."""

  def __init__(self, num_classes: int):
    self._num_classes = num_classes
    # [class of the truth, class predicted], pixels; int64.
    self.confusion = np.zeros([num_classes, num_classes], np.int64)

  def update(self, truth: np.ndarray, predicted: np.ndarray) -> None:
    """Adds an image.

    Args:
      truth: whole numbers [height, width], the class, below 0 where it is void.
      predicted: whole numbers [height, width], 0 .. classes - 1.

    Raises:
      ValueError: the sizes differ, or a class is out of range.
    """
    if truth.shape != predicted.shape:
      raise ValueError(f'truth is {truth.shape}, prediction {predicted.shape}; they must have one size')
    known = truth >= 0
    t, p = truth[known].astype(np.int64), predicted[known].astype(np.int64)
    if t.size and not (t.max() < self._num_classes and 0 <= p.min() and p.max() < self._num_classes):
      raise ValueError(f'a class is outside 0 .. {self._num_classes - 1}')
    counts = np.bincount(t * self._num_classes + p, minlength=self._num_classes**2)
    self.confusion += counts.reshape(self._num_classes, self._num_classes)

  def merge(self, other: 'MeanIoU') -> None:
    """Adds what another instance has seen."""
    self.confusion += other.confusion

  def result(self) -> dict:
    """Returns {'miou', 'fwiou', 'macc', 'pacc'}, x100, and 'per_class': {class: {'iou', 'acc'}} of classes seen.

    Classes that the truth never holds take no part, even where they are predicted. Nothing seen: all 0.
    """
    hit = np.diag(self.confusion).astype(np.float64)
    truth, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
    seen = np.flatnonzero(truth)
    total = max(truth.sum(), 1)
    iou = hit[seen] / (truth + predicted - hit)[seen]
    accuracy = hit[seen] / truth[seen]
    mean = lambda values: float(100 * values.mean()) if seen.size else 0.0
    return {
        'miou': mean(iou), 'fwiou': float(100 * (iou * truth[seen]).sum() / total), 'macc': mean(accuracy),
        'pacc': float(100 * hit.sum() / total), 'num_classes': int(seen.size),
        'per_class': {int(c): {'iou': float(100 * i), 'acc': float(100 * a)} for c, i, a in zip(seen, iou, accuracy)}}
