"""The per-pixel baselines: their logits from parts checked elsewhere, and their labels."""

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling import tiny
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing.resize import to_original
from tf_maskformer.modeling.postprocessing.semantic import as_segments
from tf_maskformer.modeling.postprocessing.semantic import semantic
from tf_maskformer.modeling.postprocessing.semantic import semantic_labels
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.ops import resize


def test_baseline_is_a_convolution_on_the_mask_features():
  model = build_model(tiny.per_pixel_config(), seed=0)
  images = tf.random.stateless_normal([2, 50, 61, 3], [1, 2])
  outputs = model(images)
  assert list(outputs) == ['mask_logits'] and outputs['mask_logits'].shape == (1, 2, 7, 13, 16)
  features = model.pixel_decoder(model.backbone(images))['mask_features']
  kernel, bias = model.predictor.weight[0, 0], model.predictor.bias
  np.testing.assert_allclose(outputs['mask_logits'][0], tf.einsum('bhwc,ck->bkhw', features, kernel)
                             + bias[:, None, None], atol=1e-5)


def test_plus_is_the_transformer_without_a_class_head():
  plus = build_model(tiny.plus_config(), seed=3)
  images = tf.random.stateless_normal([1, 64, 64, 3], [1, 2])
  outputs = plus(images)
  assert list(outputs) == ['mask_logits'] and outputs['mask_logits'].shape == (3, 1, 7, 16, 16)
  assert plus(images, last_layer_only=True)['mask_logits'].shape == (1, 1, 7, 16, 16)


def test_labels_follow_the_official_steps():
  logits = np.random.default_rng(0).normal(size=[5, 7, 9]).astype(np.float32)
  enlarged = resize.bilinear(tf.constant(logits), (28, 36))[:, :25, :31]
  wanted = resize.bilinear(enlarged, (40, 17)).numpy().argmax(axis=0)
  sizes = Sizes((25, 31), (25, 31), (40, 17))
  found = predictions.labels_of({'mask_logits': logits}, sizes, resize_first=False)
  np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize('resize_first', [True, False])
def test_bands_make_the_same_labels(resize_first, monkeypatch):
  rng = np.random.default_rng(0)
  class_logits = rng.normal(size=[6, 5]).astype(np.float32)
  mask_logits = rng.normal(size=[6, 8, 10]).astype(np.float32) * 3
  sizes = Sizes((32, 40), (29, 40), (71, 33))
  wanted = semantic(class_logits, mask_logits, sizes, resize_first=resize_first).argmax(axis=0)
  monkeypatch.setattr('tf_maskformer.modeling.postprocessing.semantic._BAND_ELEMENTS', 4 * 33 * 6)
  found = semantic_labels(class_logits, mask_logits, sizes, resize_first=resize_first)
  np.testing.assert_array_equal(found, wanted)
  np.testing.assert_allclose(to_original(mask_logits, sizes, slice(5, 9)),
                             to_original(mask_logits, sizes)[:, 5:9], atol=1e-5)


def test_segments_of_labels():
  id_map, segments = as_segments(np.array([[0, 3], [-1, 3]]))
  np.testing.assert_array_equal(id_map, [[1, 4], [0, 4]])
  assert [(s['id'], s['category_id']) for s in segments] == [(1, 0), (4, 3)]
