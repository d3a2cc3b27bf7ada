"""PRE_NORM of both transformers against PyTorch's numbers, and its tensors in files and groups.

`tests/data/pre_norm.npz` was recorded by `python -m tests.modeling.pre_norm_recording` (torch
2.13.0, float64): weights and inputs are functions of that file's seeds, the outputs are PyTorch's.
"""

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling import pre_norm_recording as recording
from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.backbones import ResNet
from tf_maskformer.configs.model import Mask2Former
from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.configs.model import PixelDecoder
from tf_maskformer.configs.model import TransformerDecoder
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import exports
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.modeling.factory import build_model

HEAD = 'sem_seg_head.'
# Float32 against float64: a few units in the last place of sums of some hundred terms.
TOLERANCE = 2e-6


def config(predictor='maskformer', pre_norm=True):
  make = {'maskformer': MaskFormer, 'mask2former': Mask2Former}[predictor]
  layers = {'maskformer': recording.DECODER_LAYERS, 'mask2former': recording.MASKED_LAYERS}
  return make(
      num_classes=recording.CLASSES, num_queries=recording.QUERIES,
      backbone=Backbone(resnet=ResNet(
          depth=14, stem_channels=8, res2_channels=recording.TOP // 8, bottleneck_channels=4)),
      pixel_decoder=PixelDecoder(
          width=recording.WIDTH, mask_width=recording.MASK_WIDTH, encoder_heads=recording.HEADS,
          encoder_layers=recording.ENCODER_LAYERS, encoder_feedforward=recording.FEEDFORWARD),
      transformer_decoder=TransformerDecoder(
          layers=layers[predictor], hidden=recording.HIDDEN, heads=recording.HEADS, dropout=0.0,
          feedforward=recording.FEEDFORWARD, pre_norm=pre_norm))


def filled(predictor, shapes, seed):
  """Returns the model with the recorded weights of its transformers, each of which has a place."""
  model = build_model(config(predictor), seed=0)
  entries = names.entries(model)
  for name, value in recording.draw(shapes, seed).items():
    entries[name].assign_official(value)
  return model


def assert_recorded(found, name):
  wanted = np.load(recording.PATH)[name]
  np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE * np.abs(wanted).max())


def given(name):
  return tf.constant(recording.inputs()[name])


def test_encoder_and_decoder_of_maskformer():
  model = filled('maskformer', recording.standard_shapes(), 1)
  features = {'5': given('res5')}
  for level in (2, 3, 4):
    features[str(level)] = tf.zeros([2, 32 >> level, 48 >> level, recording.TOP >> 5 - level])
  memory = model.pixel_decoder(features)['memory']
  assert_recorded(memory, 'standard/memory')
  recorded = tf.constant(np.load(recording.PATH)['standard/memory'])
  outputs = model.predictor({'memory': recorded, 'mask_features': given('mask_features')})
  for name, value in outputs.items():
    assert_recorded(value, f'standard/{name}')


def test_decoder_of_mask2former():
  model = filled('mask2former', recording.masked_shapes(), 2)
  maps = [given(f'map_{i}') for i in range(3)]
  outputs = model.predictor({'maps': maps, 'mask_features': given('mask_features')})
  for name, value in outputs.items():
    assert_recorded(value, f'masked/{name}')


@pytest.mark.parametrize('predictor, norms', [
    ('maskformer',
     ['pixel_decoder.transformer.encoder.norm', 'predictor.transformer.encoder.norm']),
    ('mask2former', [])])
def test_tensors_that_pre_norm_adds(predictor, norms, tmp_path):
  model = build_model(config(predictor), seed=1)
  plain = build_model(config(predictor, pre_norm=False), seed=2)
  added = {f'{HEAD}{norm}.{leaf}' for norm in norms for leaf in ('weight', 'bias')}
  entries = names.entries(model)
  assert set(entries) - set(names.entries(plain)) == added
  assert not set(names.entries(plain)) - set(entries)

  undecayed = {v.ref() for v in model.undecayed_variables()}
  assert all(entries[name].variable.ref() in undecayed for name in added)

  for entry in entries.values():  # no norm at its initial value
    change = tf.random.stateless_uniform(entry.variable.shape, [3, len(entry.name)])
    entry.variable.assign_add(change)
  for path in (str(tmp_path / 'x.pkl'), str(tmp_path / 'x.safetensors')):
    exports.write(exports.official_state(model, 0.1), path)
    again = build_model(config(predictor), seed=3)
    report = restore.restore(again, path)
    assert not report.missing
    for name, entry in names.entries(again).items():
      np.testing.assert_array_equal(entry.to_official(), entries[name].to_official(), err_msg=name)
    if added:
      with pytest.raises(UserError, match=f'has {len(added)} tensors .* has no place for'):
        restore.restore(plain, path)
