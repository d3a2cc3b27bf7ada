"""What is beyond the tolerance of a precision is one line; scores decide where they are known."""

import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.serving.export import report
from tf_maskformer.serving.export.compare import Difference
from tf_maskformer.serving.export.plan import Plan

GOOD = Difference(1e-6, 1e-5, 1.0)


def check(precision, difference, score=None, resized=False, kind='openvino'):
  scores = {} if score is None else {'pq_all': score}
  row = {'size': (97, 130), 'resized': resized, 'difference': difference}
  report.check(Plan(kind, 'panoptic', precision=precision), [row], scores, {'pq_all': 80.0},
               'pq_all')


def test_what_is_equal_passes():
  for precision in ('float32', 'float16', 'bfloat16', 'int8'):
    check(precision, GOOD)
    check(precision, GOOD, 80.0)


def test_the_image_is_named():
  with pytest.raises(UserError, match='at 97x130 pixels .* is 0.01 of .* in float32; nothing was'):
    check('float32', Difference(1e-6, 0.01, 1.0))
  check('float32', Difference(1e-6, 0.01, 1.0), resized=True)


@pytest.mark.parametrize('precision, points', [('float32', 0.06), ('int8', 1.1), ('int8', -1.1)])
def test_scores_that_differ(precision, points):
  with pytest.raises(UserError, match='pq_all is .*, of the checkpoint 80.00, and may differ by'):
    check(precision, GOOD, 80.0 + points)


def test_a_score_that_is_not_a_number():
  with pytest.raises(UserError, match='pq_all is nan'):
    check('float32', GOOD, float('nan'))


def test_the_score_decides_for_reduced_precisions_alone():
  apart = Difference(0.2, 3.0, 0.9)
  with pytest.raises(UserError, match="try --precision float32, or --records 'FOLDER/val.' to"):
    check('int8', apart)
  check('int8', apart, 79.5)
  with pytest.raises(UserError, match='nothing was written$'):
    check('float32', apart, 80.0)


@pytest.mark.parametrize('value', [float('inf'), float('nan')])
def test_another_size_never_passes(value):
  with pytest.raises(UserError, match='largest difference'):
    check('int8', Difference(value, value, 1.0), 80.0)


def test_shares_are_not_rounded_up():
  assert report._percent(1.0) == '100 %'
  assert report._percent(1 - 1e-9) == '99.9999 %'
