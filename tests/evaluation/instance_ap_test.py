"""Average precision: by hand, as pycocotools computes it, and that parts add up."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.evaluation import random_instances
from tests.evaluation import spread
from tf_maskformer.evaluation import coco_scores
from tf_maskformer.evaluation.instance_ap import InstanceAP
from tf_maskformer.evaluation.run_lengths import encode


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


def as_coco(images, size, num_classes):
  """Rows of images in the form of pycocotools."""
  coco = COCO()
  rows = []
  for number, of_image in enumerate(images):
    for row in of_image:
      rows.append({**row, 'id': len(rows) + 1, 'image_id': number, 'area': row.get(
          'area', row['mask'].sum()), 'segmentation': encode(row['mask'])})
  height, width = size
  coco.dataset = {
      'images': [{'id': i, 'height': height, 'width': width} for i in range(len(images))],
      'categories': [{'id': c} for c in range(num_classes)], 'annotations': rows}
  coco.createIndex()
  return coco


def official(images, size=random_instances.SIZE, num_classes=random_instances.CLASSES):
  """Returns pycocotools' six numbers and those of the classes, NaN where there are none."""
  truth, predictions = zip(*images)
  with contextlib.redirect_stdout(io.StringIO()):
    evaluation = COCOeval(
        as_coco(truth, size, num_classes), as_coco(predictions, size, num_classes), 'segm')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
  precision = evaluation.eval['precision'][:, :, :, 0, -1]
  of_classes = [precision[:, :, c].mean() for c in range(num_classes)]
  return 100 * np.array([v if v > -1 else np.nan for v in (*evaluation.stats[:6], *of_classes)])


@pytest.mark.parametrize('seed, count, most_found', [
    (0, 1, 20), (100, 12, 20), (200, 25, 20), (300, 3, 400), (400, 2, 1)])
def test_as_pycocotools(seed, count, most_found):
  images = [random_instances.image(seed + i, most_found) for i in range(count)]
  images.append(([], []))
  if seed == 100:
    images[2][1][0]['score'] = float('nan')  # of a model that diverged
  scores = InstanceAP(random_instances.CLASSES)
  for truth, predictions in images:
    scores.update(truth, predictions)
  result = scores.result()
  own = [result[name] for name in coco_scores.NAMES]
  own += [result['per_class'].get(c, np.nan) for c in range(random_instances.CLASSES)]
  np.testing.assert_allclose(own, official(images), rtol=1e-12)


def test_results_may_be_asked_for_in_between():
  scores = InstanceAP(1)
  mask = box(0, 0, 50, 50)
  scores.update([true(mask)], [])
  assert scores.result()['ap'] == scores.result()['ap'] == 0
  scores.update([true(mask)], [found(mask, 0.5)])
  assert 40 < scores.result()['ap'] < 60


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


@pytest.mark.parametrize('places', [1, 2, 3])
def test_images_compared_elsewhere_have_the_same_result(places):
  rng = np.random.default_rng(0)
  here = InstanceAP(4)
  images = [([], [])]
  for i in range(10):
    masks = [box(*sorted(rng.integers(0, 50, 2)), *(50 + rng.integers(1, 50, 2))) for _ in range(5)]
    truth = [true(m, int(rng.integers(4)), bool(rng.random() < 0.2)) for m in masks]
    guesses = []
    for mask in masks:
      moved = np.roll(mask, int(rng.integers(6)), 1)
      guesses.append(found(moved, round(rng.random(), 1), int(rng.integers(4))))
    images.append((truth, guesses[:i]))
  for image in images:
    here.update(*image)
  assert 0 < here.result()['ap'] < 100
  np.testing.assert_equal(
      spread.over(places, lambda: InstanceAP(4), images).result(), here.result())


def test_nothing_found_and_nothing_there():
  scores = InstanceAP(2)
  scores.update([], [])
  assert np.isnan(scores.result()['ap'])
  scores.update([true(box(0, 0, 10, 10))], [])
  assert scores.result()['ap'] == 0
