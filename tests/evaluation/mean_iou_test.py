"""Semantic scores against sums written out class by class, and by hand."""

import numpy as np
import pytest

from tests.evaluation import spread
from tf_maskformer.evaluation.mean_iou import MeanIoU


def test_by_hand():
  scores = MeanIoU(3)
  scores.update(np.array([[0, 0, 0, 1], [1, -1, -1, 1]]), np.array([[0, 0, 1, 1], [2, 2, 0, 1]]))
  result = scores.result()
  assert result['per_class'] == {0: {'iou': pytest.approx(200 / 3), 'acc': pytest.approx(200 / 3)},
                                 1: {'iou': pytest.approx(50.0), 'acc': pytest.approx(200 / 3)}}
  assert result['miou'] == pytest.approx((200 / 3 + 50) / 2)  # class 2 is predicted but never true
  assert result['pacc'] == pytest.approx(400 / 6)
  assert result['fwiou'] == pytest.approx((200 / 3 + 50) / 2)
  assert result['num_classes'] == 2


def test_against_masks_and_compared_elsewhere():
  rng = np.random.default_rng(0)
  pairs = [(rng.integers(-1, 5, [9, 11]), rng.integers(0, 6, [9, 11])) for _ in range(12)]
  whole = MeanIoU(6)
  for pair in pairs:
    whole.update(*pair)
  truth, predicted = (np.stack([p[i] for p in pairs]) for i in (0, 1))
  known, ious = truth >= 0, []
  for c in range(5):
    a, b = (truth == c) & known, (predicted == c) & known
    ious.append((a & b).sum() / (a | b).sum())
  assert whole.result()['miou'] == pytest.approx(100 * np.mean(ious))
  for places in (1, 2, 3):
    assert spread.over(places, lambda: MeanIoU(6), pairs).result() == whole.result()
  accuracies = [
      ((truth == c) & (predicted == c)).sum() / (truth == c).sum() for c in range(5)]
  assert whole.result()['macc'] == pytest.approx(100 * np.mean(accuracies))


def test_pixels_for_which_nothing_is_predicted():
  scores = MeanIoU(2)
  scores.update(np.array([[0, 0, 1, 1, -1]]), np.array([[0, -1, 1, 1, -1]]))
  scores.update(np.array([[1]]), np.array([[-1]]))
  result = scores.result()
  assert result['per_class'] == {0: {'iou': 50, 'acc': 50},
                                 1: {'iou': pytest.approx(200 / 3), 'acc': pytest.approx(200 / 3)}}
  assert result['pacc'] == pytest.approx(60)
  assert scores.missed.tolist() == [1, 1] and scores.confusion.tolist() == [[1, 0], [0, 2]]


def test_nothing_seen_and_wrong_input():
  scores = MeanIoU(3)
  scores.update(np.full([2, 2], -1), np.zeros([2, 2], int))
  assert scores.result()['miou'] == 0 and scores.result()['num_classes'] == 0
  with pytest.raises(ValueError, match='the same size'):
    scores.update(np.zeros([2, 2], int), np.zeros([2, 3], int))
  with pytest.raises(ValueError, match='outside 0 .. 2'):
    scores.update(np.zeros([1, 1], int), np.full([1, 1], 3))
