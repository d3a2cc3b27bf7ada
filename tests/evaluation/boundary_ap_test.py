"""Boundary AP: COCO's rules written out slowly, the figures of another program, and by hand."""

import numpy as np
import pytest

from tests.evaluation import random_instances
from tests.evaluation import spread
from tests.evaluation.boundary_test import official
from tf_maskformer.evaluation import coco_scores
from tf_maskformer.evaluation.boundary_ap import BoundaryAP

THRESHOLDS = np.arange(0.5, 1, 0.05)
AREAS = {'ap': (0, 1e10), 'ap_small': (0, 32**2), 'ap_medium': (32**2, 96**2),
         'ap_large': (96**2, 1e10)}


def overlap(one, true):
  """The smaller IoU of masks and boundaries; the share that a crowd has of a prediction."""
  if not one['mask'].any():
    return 0.0
  if true['iscrowd']:
    return (one['mask'] & true['mask']).sum() / one['mask'].sum()
  ious = []
  for a, b in ((one['mask'], true['mask']), (official(one['mask']), official(true['mask']))):
    ious.append((a & b).sum() / (a | b).sum())
  return min(ious)


def outcomes(truth, found, threshold, area):
  """Returns what counts of a class in an image: instances, and score and success of each found."""
  lowest, highest = area
  ignored = [bool(t['iscrowd']) or not lowest <= t['area'] <= highest for t in truth]
  taken, rows = set(), []
  for one in sorted(found, key=lambda row: -row['score'])[:100]:
    best = None
    for is_ignored in (False, True):  # what counts comes first
      fits = [(overlap(one, t), k) for k, t in enumerate(truth) if ignored[k] == is_ignored
              and (k not in taken or t['iscrowd'])]
      fits = [pair for pair in fits if pair[0] >= threshold - 1e-10]
      if best is None and fits:
        best = max(fits)[1]  # of equal ones the last, as pycocotools
    if best is not None:
      taken.add(best)
      if not ignored[best]:
        rows.append((one['score'], True))
    elif lowest <= one['mask'].sum() <= highest:
      rows.append((one['score'], False))
  return ignored.count(False), rows


def precision(images, class_id, threshold, area):
  """Returns the mean of the precision at 101 recalls; None where there is nothing to find."""
  total, rows = 0, []
  for truth, found in images:
    of_class = [[r for r in part if r['category_id'] == class_id] for part in (truth, found)]
    count, more = outcomes(*of_class, threshold, area)
    total += count
    rows += more
  if not total:
    return None
  hits = np.cumsum([hit for _, hit in sorted(rows, key=lambda row: -row[0])])
  best = hits / np.arange(1, len(hits) + 1)
  values = []
  for recall in np.linspace(0, 1, 101):
    reached = best[hits / total >= recall - 1e-12] if len(hits) else []
    values.append(max(reached, default=0.0))
  return np.mean(values)


def mean(images, thresholds, area):
  values = [precision(images, c, t, area) for c in range(random_instances.CLASSES)
            for t in thresholds]
  known = [v for v in values if v is not None]
  return 100 * np.mean(known) if known else np.nan


def scores_of(images):
  scores = BoundaryAP(random_instances.CLASSES)
  for truth, found in images:
    scores.update(truth, found)
  return scores.result()


@pytest.mark.parametrize('seed', [0, 1])
def test_against_the_rules_written_out(seed):
  images = [random_instances.image(1000 * seed + i) for i in range(8)]
  result = scores_of(images)
  for name, area in AREAS.items():
    assert result[name] == pytest.approx(mean(images, THRESHOLDS, area), nan_ok=True), name
  for name, threshold in (('ap50', 0.5), ('ap75', 0.75)):
    assert result[name] == pytest.approx(mean(images, [threshold], AREAS['ap'])), name


def test_as_another_program_computes_it():
  images = [random_instances.image(i, 200) for i in range(20)]
  result = scores_of(images)
  # COCOeval_faster of faster-coco-eval 1.8.0, iouType='boundary'.
  expected = [
      3.9368778244377065, 10.69556831949642, 1.8789367599557585, 3.7250494864904593,
      11.179808412558199, 43.003300330033]
  np.testing.assert_allclose([result[name] for name in coco_scores.NAMES], expected, rtol=1e-9)


@pytest.mark.parametrize('places', [1, 2, 3])
def test_images_compared_elsewhere_have_the_same_result(places):
  images = [random_instances.image(50 + i) for i in range(10)]
  images.insert(3, ([], []))
  elsewhere = spread.over(places, lambda: BoundaryAP(random_instances.CLASSES), images)
  np.testing.assert_equal(elsewhere.result(), scores_of(images))


def test_by_hand():
  square = np.zeros([100, 100], bool)
  square[20:80, 20:80] = True
  smaller = np.zeros([100, 100], bool)
  smaller[22:78, 22:78] = True  # IoU of masks 0.87, of boundaries, 3 pixels wide, 0.2
  truth = {'category_id': 0, 'mask': square, 'iscrowd': False, 'area': 3600}
  for mask, expected in ((square, 100), (smaller, 0)):
    result = scores_of([([truth], [{'category_id': 0, 'mask': mask, 'score': 0.5}])])
    assert result['ap50'] == pytest.approx(expected)
    assert result['per_class'] == {0: pytest.approx(expected)}


def test_nothing_found_and_nothing_there():
  assert np.isnan(scores_of([([], [])])['ap'])
  assert np.isnan(scores_of([])['ap'])
