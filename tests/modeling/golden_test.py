"""The model against recorded numbers of the official code (`mf_tiny`).

The bound is ten times the recorded difference between the official float32 and float64 runs.
"""

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling import tiny
from tests.modeling.golden import Golden
from tests.modeling.golden import nchw
from tf_maskformer.configs.optimization import AdamW
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.factory import build_model

GOLDEN = Golden('mf_tiny')
assert_close = GOLDEN.assert_close


@pytest.fixture(scope='module')
def model():
  return tiny.model()


@pytest.mark.parametrize('compiled', [False, True])
def test_every_recorded_feature(model, compiled):
  section = 'training step'
  images, _ = tiny.batch()
  golden = GOLDEN.load('forward')
  np.testing.assert_allclose(
      nchw(images), GOLDEN.load('inputs')['images_normalized_padded'], atol=1e-6)
  wrap = tf.function if compiled else (lambda f: f)
  features = wrap(model.backbone)(images)
  for level in '2345':
    assert_close(nchw(features[level]), golden[f'backbone/res{level}'], section,
                 'backbone features')
  pixel = wrap(model.pixel_decoder)(features)
  mask_features, memory = pixel['mask_features'], pixel['memory']
  assert_close(nchw(memory), golden['pixel_decoder/transformer_encoder_features'], section,
               'pixel decoder inner')
  assert_close(nchw(mask_features)[:, ::2], golden['pixel_decoder/mask_features/every_2'], section,
               'pixel decoder mask_features')
  embeddings = wrap(model.predictor.transformer)(memory, model.predictor.query_embed.table())
  assert_close(embeddings, golden['predictor/hs'], section, 'transformer decoder inner')
  assert_close(model.predictor.mask_embed(embeddings), golden['predictor/mask_embed'], section,
               'transformer decoder inner')
  outputs = wrap(model)(images)
  for layer in range(3):
    assert_close(outputs['class_logits'][layer], golden[f'predictor/layer{layer}/pred_logits'],
                 section, 'predictor pred_logits')
    assert_close(outputs['mask_logits'][layer], golden[f'predictor/layer{layer}/pred_masks'],
                 section, 'predictor pred_masks')


def test_plain_fpn():
  model = tiny.model(plain_fpn=True)
  images, _ = tiny.batch()
  golden = GOLDEN.load('plainfpn/forward')
  outputs = model(images)
  for layer in range(3):
    for ours, theirs in (('class_logits', 'pred_logits'), ('mask_logits', 'pred_masks')):
      assert_close(outputs[ours][layer], golden[f'predictor/layer{layer}/{theirs}'], 'plain FPN',
                   f'predictor {theirs}')


@pytest.mark.parametrize('file, section, divisor', [
    ('odd_size', 'odd size forward', 1),
    ('odd_size_divisibility_32', 'odd size forward, SIZE_DIVISIBILITY 32', 32)])
def test_odd_sizes(model, file, section, divisor):
  images, _ = tiny.batch('odd_size', 'input/', divisor)
  golden = GOLDEN.load(file)
  outputs = model(images)
  for ours, theirs in (('class_logits', 'pred_logits'), ('mask_logits', 'pred_masks')):
    assert_close(outputs[ours][-1], golden[f'predictor/layer2/{theirs}'], section,
                 f'predictor {theirs}')


def test_dynamic_size_equals_static(model):
  images, _ = tiny.batch('odd_size', 'input/')
  dynamic = tf.function(model, input_signature=[tf.TensorSpec([None, None, None, 3])])
  for name, value in model(images).items():
    np.testing.assert_allclose(dynamic(images)[name], value, atol=2e-4)


@pytest.mark.slow
def test_jit_compiled_equals_graph(model):
  images, _ = tiny.batch()
  for name, value in model(images).items():
    np.testing.assert_allclose(tf.function(model, jit_compile=True)(images)[name], value, atol=1e-3)


def test_parameter_groups_are_the_official_ones(model):
  groups = GOLDEN.json('optimizer_groups')
  official_names = {e.variable.ref(): n for n, e in names.entries(model).items()}
  multipliers = model.rate_multipliers(AdamW(backbone_multiplier=0.1))
  backbone = {official_names[v] for v, multiplier in multipliers.items() if multiplier == 0.1}
  undecayed = {official_names[v.ref()] for v in model.undecayed_variables()}
  trainable = {official_names[v.ref()] for v in model.trainable_variables}
  assert trainable == set(groups)
  assert backbone == {n for n, row in groups.items() if row['lr'] == pytest.approx(1e-5)}
  assert undecayed == {n for n, row in groups.items() if row['weight_decay'] == 0}


def test_query_permutation_permutes_predictions(model):
  images, _ = tiny.batch()
  before = model(images)
  order = np.random.default_rng(0).permutation(10)
  table = model.predictor.query_embed.weight
  saved = table.numpy()
  table.assign(saved[order])
  after = model(images)
  table.assign(saved)
  for name in before:
    np.testing.assert_allclose(after[name], before[name].numpy()[:, :, order], atol=1e-3)


def test_dropout_follows_its_seed():
  model = build_model(tiny.config(dropout=0.1), seed=1)
  images, _ = tiny.batch()
  run = lambda seed: model(images, training=True, seed=tf.constant(seed))['class_logits'].numpy()
  np.testing.assert_array_equal(run([3, 0]), run([3, 0]))
  assert np.abs(run([3, 0]) - run([4, 0])).max() > 1e-2
  assert np.abs(run([3, 0]) - run([3, 1])).max() > 1e-2
  np.testing.assert_array_equal(model(images)['class_logits'],
                                model(images, training=True)['class_logits'])
