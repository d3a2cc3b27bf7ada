"""Mask2Former against recorded numbers of the official code (`m2f_tiny`)."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.modeling import tiny_m2f
from tests.modeling.golden import Golden
from tests.modeling.golden import nchw
from tests.modeling.golden import released_file
from tf_maskformer.configs.optimization import AdamW
from tf_maskformer.modeling.conversion import exports
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.modeling.pixel_decoders import deformable
from tf_maskformer.modeling.transformer_decoders import masked

GOLDEN = Golden('m2f_tiny')
golden, assert_close = GOLDEN.load, GOLDEN.assert_close
STEP, ODD = 'training step', 'odd size forward, SIZE_DIVISIBILITY 0'


@pytest.fixture(scope='module', name='model')
def build():
  return tiny_m2f.model()


def test_pixel_decoder(model):
  arrays, images = golden('forward'), tiny_m2f.batch()
  features = model.backbone(images)
  for level in '2345':
    assert_close(nchw(features[level]), arrays[f'backbone/res{level}'], STEP, 'backbone features')
  decoder = model.pixel_decoder
  projected = [norm(conv(features[level]))
               for level, (conv, norm) in zip(deformable.LEVELS, decoder.input_proj)]
  for i, x in enumerate(projected[:2]):
    assert_close(nchw(x), arrays[f'pixel_decoder/input_proj_{i}'], STEP, 'pixel decoder inner')
  assert_close(nchw(projected[2])[:, ::2], arrays['pixel_decoder/input_proj_2/every_2'], STEP,
               'pixel decoder inner')
  sizes = [(3, 4), (6, 8), (12, 16)]
  assert_close(deformable.reference_points(sizes),
               arrays['pixel_decoder/reference_points'][:, :, 0], STEP,
               'reference points')
  pixel = decoder(features)
  for i, x in enumerate(pixel['maps']):
    assert_close(nchw(x), arrays[f'pixel_decoder/multi_scale_{i}'], STEP, 'pixel decoder inner')
  assert_close(nchw(pixel['mask_features'])[:, ::2], arrays['pixel_decoder/mask_features/every_2'],
               STEP, 'pixel decoder mask_features')


@pytest.mark.parametrize('how', ['eager', 'graph of any size', 'compiled'])
def test_all_predictions(model, how):
  arrays, images = golden('forward'), tiny_m2f.batch()
  any_size = [tf.TensorSpec([None, None, None, 3])]
  run = {'eager': model,
         'graph of any size': tf.function(model, input_signature=any_size),
         'compiled': tf.function(model, jit_compile=True)}[how]
  outputs = run(images)
  assert outputs['class_logits'].shape[0] == 6
  for i in range(6):
    assert_close(outputs['class_logits'][i], arrays[f'predictor/layer{i}/pred_logits'], STEP,
                 'predictor pred_logits')
    assert_close(outputs['mask_logits'][i], arrays[f'predictor/layer{i}/pred_masks'], STEP,
                 'predictor pred_masks')
  last = model(images, last_layer_only=True)
  for name, value in last.items():
    np.testing.assert_allclose(value[0], outputs[name][-1], atol=1e-3)


def test_attention_masks_bit_by_bit(model, monkeypatch):
  seen, of = [], masked.attention_mask
  monkeypatch.setattr(masked, 'attention_mask', lambda *a: seen.append(of(*a)) or seen[-1])
  for file, images in (('forward', tiny_m2f.batch()), ('odd_size', tiny_m2f.odd_batch())):
    seen.clear()
    model(images)
    assert len(seen) == 5
    for i, found in enumerate(seen):
      before = golden(file)[f'predictor/attention_mask{i}/before'].astype(bool)
      after = before & ~before.all(axis=-1, keepdims=True)
      np.testing.assert_array_equal(found, after)
      if file == 'forward':
        np.testing.assert_array_equal(after, golden(file)[f'predictor/attention_mask{i}/after'])


def test_odd_size(model):
  arrays, images = golden('odd_size'), tiny_m2f.odd_batch()
  pixel = model.pixel_decoder(model.backbone(images))
  for i, x in enumerate(pixel['maps']):
    assert_close(nchw(x), arrays[f'pixel_decoder/multi_scale_{i}'], ODD, 'pixel decoder inner')
  outputs = model(images)
  for i in range(6):
    assert_close(outputs['class_logits'][i], arrays[f'predictor/layer{i}/pred_logits'], ODD,
                 'predictor pred_logits')
  for i in (0, 5):
    assert_close(outputs['mask_logits'][i], arrays[f'predictor/layer{i}/pred_masks'], ODD,
                 'predictor pred_masks')


def test_parameter_groups_are_the_official_ones(model):
  groups = GOLDEN.json('optimizer_groups')
  official_names = {e.variable.ref(): n for n, e in names.entries(model).items()}
  multipliers = model.rate_multipliers(AdamW(backbone_multiplier=0.1))
  backbone = {official_names[v] for v, multiplier in multipliers.items() if multiplier == 0.1}
  undecayed = {official_names[v.ref()] for v in model.undecayed_variables()}
  assert {official_names[v.ref()] for v in model.trainable_variables} == set(groups)
  assert backbone == {n for n, row in groups.items() if row['lr'] == pytest.approx(1e-5)}
  assert undecayed == {n for n, row in groups.items() if row['weight_decay'] == 0}


def test_a_file_in_released_spelling(model, tmp_path):
  path = released_file('m2f_tiny', tmp_path / 'model_final.pkl')
  again = build_model(tiny_m2f.config(), seed=1)
  report = restore.restore(again, path)
  assert report.kind == 'official MaskFormer' and not report.missing
  for name, value in model(tiny_m2f.batch()).items():
    np.testing.assert_array_equal(again(tiny_m2f.batch())[name], value)


def test_round_trip_is_bit_equal(model, tmp_path):
  again = build_model(tiny_m2f.config(), seed=1)
  exports.write(exports.official_state(model, 0.1), str(tmp_path / 'x.pkl'))
  restore.restore(again, str(tmp_path / 'x.pkl'))
  wanted = {n: e.to_official() for n, e in names.entries(model).items()}
  for name, entry in names.entries(again).items():
    assert entry.to_official().tobytes() == wanted[name].tobytes(), name


def test_with_a_plain_fpn():
  config = tiny_m2f.config()
  config.which_pixel_decoder = 'fpn'
  # Other than the decoder's, so that its inputs are projected.
  config.pixel_decoder.width = 32
  model = build_model(config, seed=1)
  outputs = model(tiny_m2f.odd_batch())
  assert outputs['mask_logits'].shape == (6, 2, 12, 19, 26)
  assert outputs['class_logits'].shape == (6, 2, 12, 8)
  assert len(model.predictor.input_proj) == 3


def test_float32_pixel_decoder_under_mixed_precision():
  tf_keras.mixed_precision.set_global_policy('mixed_bfloat16')
  try:
    half = build_model(tiny_m2f.config(), seed=1)
  finally:
    tf_keras.mixed_precision.set_global_policy('float32')
  assert half.compute_dtype == 'bfloat16'
  pixel = half.pixel_decoder(half.backbone(tf.cast(tiny_m2f.batch(), tf.bfloat16)))
  assert {x.dtype for x in tf.nest.flatten(pixel)} == {tf.float32}
  outputs = half(tiny_m2f.batch())
  exact = build_model(tiny_m2f.config(), seed=1)(tiny_m2f.batch())
  for name, value in outputs.items():
    assert value.dtype == tf.float32
    assert np.median(np.abs(value - exact[name])) < 0.05 * np.abs(exact[name]).max()
