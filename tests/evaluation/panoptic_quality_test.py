"""Panoptic quality against panopticapi's rules written out slowly, and by hand."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.dataloaders import small_coco
from tests.evaluation import spread
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.evaluation.panoptic_quality import PanopticQuality

CLASSES = 4


def boundary_of(mask):
  """The authors' way: the mask in a frame of zeros, eroded pixel by pixel."""
  framed = np.pad(mask.astype(np.uint8), 1)
  width = max(round(0.02 * np.hypot(*mask.shape)), 1)
  eroded = cv2.erode(framed, np.ones([3, 3], np.uint8), iterations=width)
  return mask & (eroded[1:-1, 1:-1] == 0)


def boundary_iou(a, b, void):
  """IoU of the boundaries of two masks."""
  a, b = boundary_of(a), boundary_of(b)
  return (a & b).sum() / (a.sum() + b.sum() - (a & b).sum() - (b & void).sum())


def slow_update(sums, true_map, true_segments, id_map, segments, of_boundaries):
  """panopticapi's rules, one pair of masks after the other."""
  matched_true, matched = set(), set()
  for t in true_segments:
    for p in segments:
      if t['iscrowd'] or t['category_id'] != p['category_id']:
        continue
      a, b = true_map == t['id'], id_map == p['id']
      union = b.sum() + t['area'] - (a & b).sum() - (b & (true_map == 0)).sum()
      iou = (a & b).sum() / union
      if of_boundaries:
        iou = min(iou, boundary_iou(a, b, true_map == 0))
      if iou > 0.5:
        sums[t['category_id']] += [iou, 1, 0, 0]
        matched_true.add(t['id'])
        matched.add(p['id'])
  crowd_of = {}
  for t in true_segments:
    if t['id'] not in matched_true:
      if t['iscrowd']:
        crowd_of[t['category_id']] = t['id']
      else:
        sums[t['category_id'], 3] += 1
  for p in segments:
    if p['id'] in matched:
      continue
    b = id_map == p['id']
    ignored = (b & (true_map == 0)).sum()
    if p['category_id'] in crowd_of:
      ignored += (b & (true_map == crowd_of[p['category_id']])).sum()
    if ignored / b.sum() <= 0.5:
      sums[p['category_id'], 2] += 1


def draw(rng, crowds, factor):
  coarse = rng.integers(0, 9, [5, 5])
  blocks = np.kron(coarse, np.ones([4, 4], int))
  true_map = blocks * factor  # ids need not be consecutive
  id_map = np.where(rng.random([20, 20]) < 0.85, blocks, rng.integers(0, 9, [20, 20]))
  def segments(values, extra):
    rows = []
    for i in np.unique(values[values > 0]).tolist():
      category = int(rng.integers(CLASSES)) if extra is None else extra[i]
      rows.append({'id': i, 'category_id': category})
    return rows
  true_segments = segments(true_map, None)
  for s in true_segments:
    s['iscrowd'] = int(crowds and rng.random() < 0.3)
    s['area'] = int((true_map == s['id']).sum())
  classes = {s['id'] // factor: s['category_id'] for s in true_segments}
  guess = {}
  for i in range(9):
    guess[i] = classes.get(i, 0) if rng.random() < 0.8 else int(rng.integers(CLASSES))
  return true_map, true_segments, id_map, segments(id_map, guess)


@pytest.mark.parametrize('of_boundaries', [False, True])
@pytest.mark.parametrize('crowds, factor', [(False, 7), (True, 1000003)])
def test_against_the_rules_written_out(crowds, factor, of_boundaries):
  rng = np.random.default_rng(int(crowds))
  make = lambda: PanopticQuality(CLASSES, {0, 1}, of_boundaries)
  quality = make()
  sums = np.zeros([CLASSES, 4])
  images = [draw(rng, crowds, factor) for _ in range(150)]
  for image in images:
    slow_update(sums, *image, of_boundaries)
    quality.update(*image)
  result = quality.result()
  pq = sums[:, 0] / (sums[:, 1] + sums[:, 2] / 2 + sums[:, 3] / 2)
  assert sums[:, 1:].min() > 0
  for c in range(CLASSES):
    row = result['per_class'][c]
    assert (row['tp'], row['fp'], row['fn']) == tuple(sums[c, 1:])
    assert row['pq'] == pytest.approx(100 * pq[c])
  assert result['all']['pq'] == pytest.approx(100 * pq.mean())
  assert result['things']['pq'] == pytest.approx(100 * pq[:2].mean())
  assert result['stuff']['pq'] == pytest.approx(100 * pq[2:].mean())
  for places in (1, 2, 3):
    assert spread.over(places, make, images).result() == result


def test_by_hand():
  true_map = np.array([[1] * 6 + [2] * 4])
  id_map = np.array([[1] * 5 + [2] * 5])
  quality = PanopticQuality(2, {0})
  quality.update(true_map, [{'id': 1, 'category_id': 0, 'iscrowd': 0, 'area': 6},
                            {'id': 2, 'category_id': 1, 'iscrowd': 0, 'area': 4}],
                 id_map, [{'id': 1, 'category_id': 0}, {'id': 2, 'category_id': 1}])
  result = quality.result()
  assert result['all']['pq'] == pytest.approx(100 * (5 / 6 + 4 / 5) / 2)
  assert result['all']['rq'] == 100 and result['things']['num_classes'] == 1


@pytest.mark.parametrize('of_boundaries', [False, True])
@pytest.mark.parametrize('kind, things, stuff', [('drawn', 4, 3), ('real', 14, 17)])
def test_annotations_against_themselves(kind, things, stuff, of_boundaries, tmp_path):
  root = small_coco.folder(kind, tmp_path / 'coco') / 'annotations'
  content = json.loads((root / 'panoptic_val2017.json').read_text())
  data_set = catalog.get('coco_panoptic')
  quality = PanopticQuality(data_set.num_classes, data_set.thing_classes, of_boundaries)
  for row in content['annotations']:
    png = Image.open(root / 'panoptic_val2017' / row['file_name']).convert('RGB')
    png = np.asarray(png).astype(np.int64)
    ids = png @ [1, 256, 65536]
    truth = [
        {**s, 'category_id': data_set.contiguous_ids[s['category_id']]}
        for s in row['segments_info']]
    quality.update(ids, truth, ids, truth)
  result = quality.result()
  assert result['all'] == {'pq': 100.0, 'sq': 100.0, 'rq': 100.0, 'num_classes': things + stuff}
  assert (result['things']['num_classes'], result['stuff']['num_classes']) == (things, stuff)


def test_a_mask_that_is_right_inside_has_no_boundary_quality():
  square = np.zeros([100, 100], int)
  square[20:80, 20:80] = 1
  smaller = np.zeros([100, 100], int)
  smaller[24:76, 24:76] = 1  # boundaries are 3 pixels wide
  truth = [{'id': 1, 'category_id': 0, 'iscrowd': 0, 'area': 3600}]
  for id_map, of_boundaries, expected in (
      (smaller, False, 100 * 52**2 / 3600), (smaller, True, 0.0), (square, True, 100.0)):
    quality = PanopticQuality(1, {0}, of_boundaries)
    # What surrounds it is of another class, not void, which would not count.
    background = [{'id': 2, 'category_id': 0, 'iscrowd': 1, 'area': 6400}]
    true_map = np.where(square, 1, 2)
    quality.update(true_map, truth + background, id_map, [{'id': 1, 'category_id': 0}])
    assert quality.result()['all']['pq'] == pytest.approx(expected)


@pytest.mark.parametrize('area', [0, 1, 3])
def test_an_area_that_is_stated_too_small_makes_no_iou_above_one(area):
  quality = PanopticQuality(1, {0})
  ids = np.ones([2, 2], int)
  truth = [{'id': 1, 'category_id': 0, 'iscrowd': 0, 'area': area}]
  quality.update(ids, truth, ids, truth)
  assert quality.result()['all']['sq'] == 100


def test_nothing_seen_is_zero():
  nothing = {'pq': 0.0, 'sq': 0.0, 'rq': 0.0, 'num_classes': 0}
  assert PanopticQuality(3, {0}).result()['all'] == nothing


@pytest.mark.parametrize('id_map, segments, words', [
    ([[1, 2]], [{'id': 1, 'category_id': 0}], 'not among its segments'),
    ([[1, 1]], [{'id': 1, 'category_id': 0}, {'id': 5, 'category_id': 0}], 'no pixel'),
    ([[1, 1]], [{'id': 1, 'category_id': 9}], 'unknown class 9'),
    ([[1, 1, 1]], [{'id': 1, 'category_id': 0}], 'original size')])
def test_wrong_predictions_are_errors(id_map, segments, words):
  with pytest.raises(ValueError, match=words):
    PanopticQuality(2, {0}).update(np.zeros([1, 2], int), [], np.array(id_map), segments)
