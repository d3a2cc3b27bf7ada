"""Swin against a recorded official run (`mf_swin_tiny`), its parts against slow, obvious twins."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.losses import recorded
from tests.modeling import tiny_swin
from tests.modeling.golden import Golden
from tests.modeling.golden import nchw
from tests.modeling.golden import official
from tests.modeling.golden import rms_error
from tf_maskformer.configs.backbones import Swin as SwinConfig
from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.optimization import AdamW
from tf_maskformer.configs.optimization import LearningRate
from tf_maskformer.configs.optimization import Optimization
from tf_maskformer.losses.set_loss import SetLoss
from tf_maskformer.modeling.backbones import swin
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.modeling.layers.dropout import drop_path
from tf_maskformer.training import optimizers

GOLDEN = Golden('mf_swin_tiny')
golden, assert_close = GOLDEN.load, GOLDEN.assert_close


@pytest.fixture(scope='module', name='model')
def build():
  return tiny_swin.model()


def test_every_recorded_feature(model):
  section, arrays, images = 'training step', golden('forward'), tiny_swin.batch()
  x = model.backbone.patch_embed(images)
  assert_close(nchw(x)[:, ::2], arrays['backbone/patch_embed/every_2'], section,
               'backbone features')
  for i, stage in enumerate(model.backbone.layers):
    for j, block in enumerate(stage.blocks):
      x = block(x)
      tokens = tf.reshape(x, [2, -1, x.shape[-1]])
      name = f'backbone/layers.{i}.blocks.{j}'
      if i == 0:
        tokens, name = tokens[..., ::2], f'{name}/every_2'
      assert_close(tokens, arrays[name], section, 'backbone features')
    if stage.downsample is not None:
      x = stage.downsample(x)
  features = model.backbone(images)
  for level in '2345':
    assert_close(nchw(features[level]), arrays[f'backbone/res{level}'], section,
                 'backbone features')
  pixel = model.pixel_decoder(features)
  mask_features, memory = pixel['mask_features'], pixel['memory']
  assert_close(nchw(mask_features)[:, ::2], arrays['pixel_decoder/mask_features/every_2'], section,
               'pixel decoder mask_features')
  assert memory is features['5']


@pytest.mark.parametrize('how', ['eager', 'graph of any size', 'compiled'])
def test_logits(model, how):
  section, arrays, images = 'training step', golden('forward'), tiny_swin.batch()
  any_size = [tf.TensorSpec([None, None, None, 3])]
  run = {'eager': model,
         'graph of any size': tf.function(model, input_signature=any_size),
         'compiled': tf.function(model, jit_compile=True)}[how]
  outputs = run(images)
  for layer in range(2):
    assert_close(outputs['class_logits'][layer], arrays[f'predictor/layer{layer}/pred_logits'],
                 section, 'predictor pred_logits')
    assert_close(outputs['mask_logits'][layer], arrays[f'predictor/layer{layer}/pred_masks'],
                 section, 'predictor pred_masks')


@pytest.mark.parametrize('file, section, window', [
    ('window7_67x93', 'window 7, 67x93', 7), ('window4', 'window 4, 67x93', 4)])
def test_odd_size_and_other_window(file, section, window):
  model, arrays, image = tiny_swin.model(window), golden(file), tiny_swin.image(file)
  features = model.backbone(image)
  for level in '2345':
    assert_close(nchw(features[level]), arrays[f'backbone/res{level}'], section,
                 'backbone features')
  outputs = model(image)
  assert_close(outputs['class_logits'][-1], arrays['predictor/layer1/pred_logits'], section,
               'predictor pred_logits')
  assert_close(outputs['mask_logits'][-1], arrays['predictor/layer1/pred_masks'], section,
               'predictor pred_masks')


def test_losses_gradients_and_one_update():
  model = tiny_swin.model()
  targets = recorded.targets('mf_swin_tiny')
  set_loss = SetLoss(Losses(), 7, False)
  with tf.GradientTape() as tape:
    outputs = model(tiny_swin.batch(), training=True)
    cost = set_loss.cost(outputs, targets)
    query_index = set_loss.match(outputs, targets)
    terms = set_loss.terms(outputs, targets, query_index)
    total = set_loss.weigh(terms)
  # Ten times the recorded noise, rounded down: loss terms 2.08e-6, total 1.114e-6, norm of the
  # gradients 3.713e-7.
  wanted, matches = golden('losses'), golden('matcher')
  for term, name in (('class', 'ce'), ('mask', 'mask'), ('dice', 'dice')):
    for layer, suffix in enumerate(('_0', '')):
      np.testing.assert_allclose(terms[term][layer], wanted[f'unweighted/loss_{name}{suffix}'],
                                 rtol=2.1e-5)
  np.testing.assert_allclose(total, wanted['total'], rtol=1.1e-5)
  for layer in range(2):
    for b in range(2):
      rows = {k: matches[f'layer{layer}/image{b}/{k}']
              for k in ('cost_total', 'query_index', 'target_index')}
      found = cost[layer, b, :, :rows['cost_total'].shape[1]]
      assert_close(found, rows['cost_total'], 'training step', 'matcher cost_total')
      np.testing.assert_array_equal(query_index[layer, b].numpy()[rows['target_index']],
                                    rows['query_index'])

  gradients = tape.gradient(total, model.trainable_variables)
  recorded_gradients = golden('grads')
  np.testing.assert_allclose(tf.linalg.global_norm(gradients), recorded_gradients['global_norm'],
                             rtol=3.7e-6)
  whole = GOLDEN.check_gradients(official(model, gradients), recorded_gradients, 'training step')
  assert whole == 119

  before = official(model, [v.numpy() for v in model.trainable_variables])
  settings = Optimization(
      optimizer=AdamW(backbone_multiplier=1.0, weight_decay=0.01),
      learning_rate=LearningRate(base=6e-5, schedule='constant'))
  optimizer = optimizers.build(
      settings, 10, rate_multipliers=model.rate_multipliers(settings.optimizer),
      undecayed=model.undecayed_variables())
  optimizer.apply_gradients(list(zip(gradients, model.trainable_variables)))
  after = official(model, [v.numpy() for v in model.trainable_variables])
  changes = golden('optimizer')
  checked = [k.split('/')[2] for k in changes if k.startswith('step1/delta/')]
  assert len(checked) > 5
  for name in checked:
    error = rms_error(after[name] - before[name], changes[f'step1/delta/{name}'])
    assert error < GOLDEN.rms_bound('training step', 'step1 parameter change'), (name, error)


def test_parameter_groups_are_the_official_ones(model):
  groups = GOLDEN.json('optimizer_groups')
  official_names = {e.variable.ref(): n for n, e in names.entries(model).items()}
  assert {official_names[v.ref()] for v in model.trainable_variables} == set(groups)
  undecayed = {official_names[v.ref()] for v in model.undecayed_variables()}
  assert undecayed == {n for n, row in groups.items() if row['weight_decay'] == 0}


def test_a_known_batch_stays_known(model):
  any_size = [tf.TensorSpec([2, None, None, 3])]
  run = tf.function(model, input_signature=any_size).get_concrete_function()
  for logits in run.structured_outputs.values():
    assert logits.shape[1] == 2


def test_relative_position_index_of_window_7():
  index = swin.relative_position_index(7)
  assert (index[0, 0], index[0, 48], index[48, 0]) == (84, 0, 168)


@pytest.mark.parametrize('height, width', [(14, 21), (7, 7)])
def test_shift_mask_against_its_definition(height, width):
  window, shift = 7, 3
  region = np.zeros([height, width], int)
  for y in range(height):
    for x in range(width):
      strip = lambda i, n: 0 if i < n - window else 1 if i < n - shift else 2
      region[y, x] = 3 * strip(y, height) + strip(x, width)
  expected = []
  for top in range(0, height, window):
    for left in range(0, width, window):
      r = region[top:top + window, left:left + window].reshape(-1)
      expected.append(np.where(r[:, None] == r[None], 0.0, -100.0))
  np.testing.assert_array_equal(swin.shift_mask(height, width, window, shift)[:, 0], expected)


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
  x = tf.ones([4000, 3, 2])
  y = drop_path(x, 0.3, tf.constant([1, 2]), 5).numpy()
  assert set(np.unique(y).round(5)) == {0.0, np.float32(1 / 0.7).round(5)}
  assert (y == y[:, :1, :1]).all() and abs(y.mean() - 1) < 0.05
  assert drop_path(x, 0.3, None, 5) is x


def test_stochastic_depth_grows_and_follows_its_seed():
  model = build_model(tiny_swin.config(drop_path=0.7), seed=1)
  # pylint: disable=protected-access
  rates = [block._drop_rate for stage in model.backbone.layers for block in stage.blocks]
  np.testing.assert_allclose(rates, np.arange(8) / 7 * 0.7)
  images = tiny_swin.batch()

  def run(*seed):
    seed = tf.constant(seed) if seed else None
    return model.backbone(images, training=True, seed=seed)['5'].numpy()

  np.testing.assert_array_equal(run(3, 0), run(3, 0))
  assert np.abs(run(3, 0) - run(4, 0)).max() > 1e-2
  assert np.abs(run(3, 0) - run()).max() > 1e-2


def test_bfloat16_is_near_float32():
  images = tf.random.stateless_normal([1, 67, 93, 3], [1, 2])
  config = SwinConfig(embed_dim=16, depths=[2, 2, 2, 2], heads=[2, 2, 4, 4], drop_path=0.0)
  exact = swin.Swin(config)
  tf_keras.mixed_precision.set_global_policy('mixed_bfloat16')
  try:
    half = swin.Swin(config)
  finally:
    tf_keras.mixed_precision.set_global_policy('float32')
  for ours, theirs in zip(half.variables, exact.variables):
    ours.assign(theirs)
  found, wanted = half(tf.cast(images, tf.bfloat16)), exact(images)
  for level in '2345':
    assert found[level].dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(found[level], tf.float32), wanted[level], atol=0.15)
