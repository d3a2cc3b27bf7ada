"""Panoptic and semantic inference against the official functions on recorded logits."""

import numpy as np
import pytest

from tests import support
from tf_maskformer.modeling.postprocessing.panoptic import panoptic
from tf_maskformer.modeling.postprocessing.resize import to_original
from tf_maskformer.modeling.postprocessing.semantic import semantic
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.ops import resize as tensor_resize


@pytest.fixture(name='golden')
def load_golden():
  return np.load(support.golden('mf_tiny/inference.npz'))


def arguments(golden, i):
  sizes = Sizes.of(
      golden['input/padded_size'], golden['input/image_sizes'][i], golden['input/output_sizes'][i])
  return golden['input/pred_logits'][i], golden['input/pred_masks'][i], sizes


@pytest.mark.parametrize('image', [0, 1])
@pytest.mark.parametrize('object_threshold, overlap', [(0.8, 0.8), (0.4, 0.5)])
def test_panoptic(golden, image, object_threshold, overlap):
  things = set(golden['input/thing_class_ids'].tolist())
  id_map, segments = panoptic(*arguments(golden, image), things, object_threshold, overlap)
  key = f'panoptic/object{object_threshold}_overlap{overlap}/image{image}'
  np.testing.assert_array_equal(id_map, golden[f'{key}/map'])
  found = [[s['id'], s['category_id'], int(s['isthing'])] for s in segments]
  np.testing.assert_array_equal(found, golden[f'{key}/segments'])


@pytest.mark.parametrize('image', [0, 1])
@pytest.mark.parametrize('order', ['before', 'after'])
def test_semantic(golden, image, order):
  scores = semantic(*arguments(golden, image), resize_first=order == 'before')
  np.testing.assert_array_equal(scores.argmax(0), golden[f'semantic/{order}/image{image}/argmax'])
  key = f'semantic/{order}/image{image}'
  whole = key in golden
  wanted = golden[key if whole else f'{key}/every_3']
  # Ten times the recorded noise of 9.23e-7, rounded down.
  np.testing.assert_allclose(scores if whole else scores[:, ::3, ::3], wanted, atol=9.2e-6)


def test_no_query_left_gives_void():
  logits = np.zeros([3, 4], np.float32)
  logits[:, -1] = 9
  masks = np.ones([3, 4, 4], np.float32)
  id_map, segments = panoptic(logits, masks, Sizes((16, 16), (16, 16), (10, 12)), {0}, 0.5, 0.8)
  assert not id_map.any() and id_map.shape == (10, 12) and not segments


def test_composed_resize_equals_the_three_steps():
  maps = np.random.default_rng(0).normal(size=[3, 7, 9]).astype(np.float32)
  padded = tensor_resize.bilinear(maps, (28, 36))[:, :25, :31]
  np.testing.assert_allclose(to_original(maps, Sizes((28, 36), (25, 31), (40, 17))),
                             tensor_resize.bilinear(padded, (40, 17)), atol=2e-6)
