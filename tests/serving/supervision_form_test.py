"""supervision's Detections hold what the segments say."""

import sys

import numpy as np
import pytest

from tests.serving import result_test
from tf_maskformer.errors import UserError


def test_detections():
  supervision = pytest.importorskip('supervision')
  result = result_test.panoptic()
  found = result.to_supervision()
  assert isinstance(found, supervision.Detections) and len(found) == 3
  assert found.xyxy.tolist() == [[0, 1, 30, 10], [0, 10, 15, 20], [20, 12, 29, 20]]
  assert found.class_id.tolist() == [2, 1, 1]
  np.testing.assert_allclose(found.confidence, [0.5, 0.75, 0.99996])
  assert found['class_name'].tolist() == ['sky', 'dog', 'dog']
  assert found['segment_id'].tolist() == [1, 2, 3]
  assert found['category_id'].tolist() == [90, 18, 18]
  for mask, segment in zip(found.mask, result.segments):
    np.testing.assert_array_equal(mask, segment.mask)
  image = supervision.MaskAnnotator().annotate(result.image.copy(), found)
  assert (image != result.image).any()


def test_no_scores_and_nothing():
  pytest.importorskip('supervision')
  assert result_test.semantic().to_supervision().confidence is None
  nothing = result_test.panoptic().only(classes=[0]).to_supervision()
  assert len(nothing) == 0 and nothing.mask.shape == (0, 20, 30)


def test_it_is_missing(monkeypatch):
  monkeypatch.setitem(sys.modules, 'supervision', None)
  with pytest.raises(UserError, match='not installed; run: python -m pip install supervision'):
    result_test.panoptic().to_supervision()
