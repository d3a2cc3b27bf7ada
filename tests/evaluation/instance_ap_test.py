"""Average precision: by hand, and that parts add up (the rules are pycocotools' own)."""

import numpy as np
import pytest

from tf_maskformer.evaluation.instance_ap import InstanceAP


def box(top, left, bottom, right, size=(100, 120)):
  mask = np.zeros(size, bool)
  mask[top:bottom, left:right] = True
  return mask


def true(mask, category=0, crowd=False):
  return {'category_id': category, 'mask': mask, 'iscrowd': crowd, 'area': int(mask.sum())}


def found(mask, score, category=0):
  return {'category_id': category, 'mask': mask, 'score': score}


def test_by_hand():
  scores = InstanceAP(3)
  large, small = box(0, 0, 100, 100), box(10, 10, 20, 20)
  scores.update(
      [true(large), true(small, 1)], [found(large, 0.9), found(box(50, 50, 60, 60), 0.8, 1)])
  result = scores.result()
  assert result['per_class'] == {0: pytest.approx(100), 1: pytest.approx(0)}
  assert result['ap'] == pytest.approx(50) and result['ap_large'] == pytest.approx(100)
  assert result['ap_small'] == pytest.approx(0) and np.isnan(result['ap_medium'])


def test_overlap_decides_which_thresholds_count():
  scores = InstanceAP(1)
  scores.update([true(box(0, 0, 100, 100))], [found(box(0, 0, 100, 72), 0.5)])  # IoU 0.72
  result = scores.result()
  assert result['ap50'] == pytest.approx(100) and result['ap75'] == pytest.approx(0)
  assert result['ap'] == pytest.approx(50)  # 0.50 to 0.70 of ten thresholds


def test_a_crowd_takes_what_lies_in_it():
  crowd, inside, outside = box(0, 0, 100, 60), box(10, 10, 40, 40), box(10, 70, 60, 110)
  scores = InstanceAP(1)
  scores.update([true(crowd, crowd=True), true(outside)], [found(inside, 0.9), found(outside, 0.8)])
  assert scores.result()['ap'] == pytest.approx(100)


def test_merging_is_adding():
  rng = np.random.default_rng(0)
  whole, parts = InstanceAP(4), [InstanceAP(4), InstanceAP(4)]
  for i in range(10):
    masks = [box(*sorted(rng.integers(0, 50, 2)), *(50 + rng.integers(1, 50, 2))) for _ in range(5)]
    truth = [true(m, int(rng.integers(4)), bool(rng.random() < 0.2)) for m in masks]
    guesses = []
    for mask in masks:
      moved = np.roll(mask, int(rng.integers(6)), 1)
      guesses.append(found(moved, float(rng.random()), int(rng.integers(4))))
    whole.update(truth, guesses)
    parts[i % 2].update(truth, guesses)
  parts[0].merge(parts[1])
  first, second = whole.result(), parts[0].result()
  for name, value in first.items():
    if name != 'per_class':
      np.testing.assert_allclose(second[name], value, err_msg=name)


def test_nothing_found_and_nothing_there():
  scores = InstanceAP(2)
  scores.update([], [])
  assert np.isnan(scores.result()['ap'])
  scores.update([true(box(0, 0, 10, 10))], [])
  assert scores.result()['ap'] == 0
