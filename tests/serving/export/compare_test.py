"""Differences of logits, and equal pixels whatever the segments are numbered."""

import numpy as np
import pytest

from tf_maskformer.serving.export import compare


def panoptic(id_map, classes):
  padded = np.zeros(8, np.int32)
  padded[:len(classes)] = classes
  return {'id_map': np.array(id_map, np.int32), 'classes': padded}


def test_another_numbering_is_equal():
  first = panoptic([[0, 1, 1], [2, 2, 3]], [4, 5, 6])
  second = panoptic([[0, 3, 3], [1, 1, 2]], [5, 6, 4])
  assert compare.equal_share(first, second, 'panoptic') == 1


def test_a_missing_segment_costs_its_pixels():
  first = panoptic([[0, 1, 1], [2, 2, 3]], [4, 5, 6])
  second = panoptic([[0, 0, 0], [1, 1, 2]], [5, 6])
  assert compare.equal_share(first, second, 'panoptic') == pytest.approx(4 / 6)


def test_another_class_is_not_equal():
  first = panoptic([[1, 1, 2]], [4, 5])
  assert compare.equal_share(first, panoptic([[1, 1, 2]], [5, 5]), 'panoptic') == pytest.approx(
      1 / 3)


def test_segments_are_matched_one_to_one():
  whole = panoptic([[1, 1, 1, 1]], [4])
  halves = panoptic([[1, 1, 2, 2]], [4, 4])
  assert compare.equal_share(whole, halves, 'panoptic') == 0.5
  assert compare.equal_share(halves, whole, 'panoptic') == 0.5


@pytest.mark.parametrize('task', ['panoptic', 'semantic', 'instance', 'raw'])
def test_another_size_is_not_equal(task):
  def answer(size):
    return {
        'id_map': np.zeros(size, int), 'labels': np.zeros(size, int), 'classes': np.zeros(1, int),
        'scores': np.ones(1), 'masks': np.ones([1, *size], np.uint8),
        'mask_logits': np.ones([1, *size]), 'padded_size': np.array(size),
        'image_size': np.array(size)}
  assert compare.equal_share(answer((2, 3)), answer((2, 3)), task) == 1
  assert compare.equal_share(answer((2, 3)), answer((3, 3)), task) == 0


def test_instances():
  masks = np.array([[[1, 1, 0, 0]], [[0, 0, 1, 1]]], np.uint8)
  first = {'classes': np.array([1, 2]), 'scores': np.array([0.75, 0.25]), 'masks': masks}
  assert compare.equal_share(first, {**first, 'scores': np.array([0.1, 0.9])}, 'instance') == 1
  turned = {**first, 'classes': np.array([2, 1]), 'masks': masks[::-1]}
  assert compare.equal_share(first, turned, 'instance') == 1
  half = masks.copy()
  half[0, 0, 1] = 0
  assert compare.equal_share(first, {**first, 'masks': half}, 'instance') == pytest.approx(
      0.75 * 0.5 + 0.25)


def test_logits_are_measured_in_their_own_unit():
  logits = np.array([[3.0, -3.0], [3.0, -3.0]])
  labels = {'labels': np.zeros([1, 1], int)}
  one = compare.difference(
      {'mask_logits': logits, **labels},
      {'mask_logits': logits + [[0.3, 0], [0, 0]], **labels}, 'semantic')
  assert one.largest == pytest.approx(0.1) and one.typical == pytest.approx(0.05)
  assert one.equal == 1


@pytest.mark.parametrize('wrong', [np.full([2, 2], np.nan), np.zeros([2, 3]), None])
def test_what_is_not_a_number_or_of_another_size_is_beyond(wrong):
  labels = {'labels': np.zeros([1, 1], int)}
  found = {**labels} if wrong is None else {'mask_logits': wrong, **labels}
  difference = compare.difference({'mask_logits': np.ones([2, 2]), **labels}, found, 'semantic')
  for precision in compare.TOLERANCES:
    assert 'largest difference' in difference.exceeds(compare.tolerance_of(precision, True))


@pytest.mark.parametrize('field, value, message', [
    ('typical', 2e-4, 'the typical difference of the logits is 0.0002'),
    ('largest', 2e-3, 'the largest difference of the logits is 0.002'),
    ('equal', 0.99, '99.00% of the pixels are equal, 99.9% are demanded')])
def test_each_tolerance_counts(field, value, message):
  good = compare.Difference(1e-5, 1e-5, 1.0)
  tolerance = compare.tolerance_of('float32', False)
  assert good.exceeds(tolerance) == ''
  assert message in good._replace(**{field: value}).exceeds(tolerance)


def test_a_checkpoint_that_jumps_allows_as_much():
  strict = compare.tolerance_of('float32', False)
  assert compare.allowed(strict, None) == strict
  steady = compare.Difference(1e-6, 1e-5, 1.0)
  assert compare.allowed(strict, steady) == strict
  jumping = compare.Difference(2e-4, 3e-3, 0.9995)
  found = compare.allowed(strict, jumping)
  assert jumping.exceeds(strict) and not jumping.exceeds(found)
  assert compare.Difference(3e-4, 5e-3, 0.9995).exceeds(found) == ''
  assert 'largest' in compare.Difference(3e-4, 7e-3, 0.9995).exceeds(found)
  # A silent error of sizes is off by about 1: no checkpoint excuses that.
  wild = compare.allowed(strict, compare.Difference(1.0, 9.0, 0.2))
  assert 'largest' in compare.Difference(0.0, 0.5, 1.0).exceeds(wild)
  assert 'typical' in compare.Difference(0.02, 0.0, 1.0).exceeds(wild)
  assert compare.Difference(0.0, 0.0, 0.98).exceeds(wild)


def test_a_score_at_a_threshold():
  """The export's logits are nearly the checkpoint's, and NumPy's answer to them is its own."""
  logits = np.array([[3.0, -3.0], [3.0, -3.0]])
  expected = {'mask_logits': logits, 'labels': np.array([[0, 1]])}
  found = {'mask_logits': logits + 1e-5, 'labels': np.array([[1, 1]])}
  own = {'labels': np.array([[1, 1]])}
  assert compare.difference(expected, found, 'semantic').equal == 0.5
  assert compare.difference(expected, found, 'semantic', own).equal == 1
  wrong = {'labels': np.array([[1, 0]])}
  assert compare.difference(expected, found, 'semantic', wrong).equal == 0.5
