"""Mask2Former's three answers against the official functions on recorded logits."""

import json

import numpy as np
import pytest

from tests import support
from tf_maskformer.modeling.postprocessing.instance import instances
from tf_maskformer.modeling.postprocessing.panoptic import panoptic
from tf_maskformer.modeling.postprocessing.semantic import semantic
from tf_maskformer.modeling.postprocessing.sizes import Sizes


@pytest.fixture(name='golden')
def load_golden():
  return np.load(support.golden('m2f_tiny/inference.npz'))


def noise(group):
  floors = json.loads(support.golden('m2f_tiny/noise_floor.json').read_text())
  return 10 * floors['inference on given logits'][group]['max_abs']


def arguments(golden, i):
  sizes = Sizes.of(
      golden['input/padded_size'], golden['input/image_sizes'][i], golden['input/output_sizes'][i])
  return golden['input/pred_logits'][i], golden['input/pred_masks'][i], sizes


@pytest.mark.parametrize('image', [0, 1])
@pytest.mark.parametrize('object_threshold, overlap', [(0.8, 0.8), (0.4, 0.5), (0.0, 0.0)])
def test_panoptic(golden, image, object_threshold, overlap):
  things = set(golden['input/thing_class_ids'].tolist())
  id_map, segments = panoptic(
      *arguments(golden, image), things, object_threshold, overlap, confident_only=True)
  key = f'panoptic/object{object_threshold}_overlap{overlap}/image{image}'
  np.testing.assert_array_equal(id_map, golden[f'{key}/map'])
  np.testing.assert_array_equal([[s['id'], s['category_id'], int(s['isthing'])] for s in segments],
                                golden[f'{key}/segments'])


@pytest.mark.parametrize('image', [0, 1])
@pytest.mark.parametrize('order', ['before', 'after'])
def test_semantic(golden, image, order):
  scores = semantic(*arguments(golden, image), resize_first=order == 'before')
  np.testing.assert_array_equal(scores.argmax(0), golden[f'semantic/{order}/image{image}/argmax'])
  step = (3, 4)[image]
  np.testing.assert_allclose(scores[:, ::step, ::step],
                             golden[f'semantic/{order}/image{image}/every_{step}'],
                             atol=noise('semantic inference'))


@pytest.mark.parametrize('image', [0, 1])
@pytest.mark.parametrize('kind', ['instance_only', 'with_panoptic'])
def test_instances(golden, image, kind):
  things = set(golden['input/thing_class_ids'].tolist()) if kind == 'with_panoptic' else None
  found = instances(*arguments(golden, image), 20, things)
  wanted = {name: golden[f'instance/{kind}/image{image}/{name}']
            for name in ('scores', 'classes', 'query', 'areas')}
  order = np.lexsort((wanted['classes'], wanted['query']))
  rows = sorted(found, key=lambda row: (row['query'], row['category_id']))
  assert [(r['query'], r['category_id']) for r in rows] == list(
      zip(wanted['query'][order].tolist(), wanted['classes'][order].tolist()))
  np.testing.assert_allclose([r['score'] for r in rows], wanted['scores'][order],
                             atol=noise('instance scores'))
  masks = golden[f'instance/image{image}/masks_by_query']
  for row in rows:
    np.testing.assert_array_equal(row['mask'], masks[row['query']] > 0)
