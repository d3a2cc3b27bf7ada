"""The plain pyramid and the one with an encoder, with and without norms, written out in numpy."""

import numpy as np
import pytest

from tests.modeling import slow
from tf_maskformer.configs.model import PixelDecoder
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.pixel_decoders.fpn import FPN
from tf_maskformer.modeling.pixel_decoders.fpn import TransformerFPN

CHANNELS = {'2': 6, '3': 8, '4': 10, '5': 12}


def block(w, name, x):
  """A convolution with its norm, or with a bias where there is none (official `use_bias`)."""
  y = slow.conv(x, w[f'{name}.weight'])
  if f'{name}.norm.weight' in w:
    return slow.group_norm(y, w, f'{name}.norm')
  return y + w[f'{name}.bias']


def encode(w, config, x):
  """Post-norm encoder layers on res5."""
  batch, height, width, features = x.shape
  place = slow.sine(height, width, features).reshape(-1, features)
  x = x.reshape(batch, -1, features)
  for i in range(config.encoder_layers):
    name = f'transformer.encoder.layers.{i}'
    parts = [np.split(w[f'{name}.self_attn.in_proj_{leaf}'], 3) for leaf in ('weight', 'bias')]
    q, k, v = (y @ matrix.T + bias for y, matrix, bias in zip((x + place, x + place, x), *parts))
    y = np.zeros_like(x)
    share = features // config.encoder_heads
    for head in range(config.encoder_heads):
      own = np.s_[:, :, head * share:(head + 1) * share]
      y[own] = slow.softmax(q[own] @ k[own].swapaxes(1, 2) * share ** -0.5) @ v[own]
    x = slow.layer_norm(x + slow.linear(y, w, f'{name}.self_attn.out_proj'), w, f'{name}.norm1')
    y = slow.linear(slow.relu(slow.linear(x, w, f'{name}.linear1')), w, f'{name}.linear2')
    x = slow.layer_norm(x + y, w, f'{name}.norm2')
  return x.reshape(batch, height, width, features)


def twin(w, config, features, with_encoder):
  """The official BasePixelDecoder and TransformerEncoderPixelDecoder."""
  memory = features['5']
  if with_encoder:
    projected = slow.conv(memory, w['input_proj.weight']) + w['input_proj.bias']
    memory = encode(w, config, projected)
  y = slow.relu(block(w, 'layer_4', memory))
  maps = [y]
  for i, level in ((3, '4'), (2, '3'), (1, '2')):
    lateral = block(w, f'adapter_{i}', features[level])
    y = slow.relu(block(w, f'layer_{i}', lateral + slow.nearest(y, lateral.shape[1:3])))
    maps.append(y)
  mask_features = slow.conv(y, w['mask_features.weight']) + w['mask_features.bias']
  return {'memory': memory, 'mask_features': mask_features, 'maps': maps[:3]}


@pytest.mark.parametrize('make', [FPN, TransformerFPN])
@pytest.mark.parametrize('options', [
    dict(norm=''), dict(norm='group'), dict(norm='', width=20, mask_width=5, encoder_heads=5)],
    ids=str)
def test_against_the_official_steps(make, options):
  config = PixelDecoder(**{**dict(
      width=32, mask_width=8, encoder_layers=2, encoder_heads=4, encoder_feedforward=12),
      **options})
  ours = make(config, CHANNELS)
  weights = slow.fill(names.entries(ours))
  is_bare = not config.norm
  assert ('layer_1.bias' in weights) == ('adapter_3.bias' in weights) == is_bare
  assert ('layer_4.norm.weight' in weights) != is_bare
  rng = np.random.default_rng(1)
  sizes = {'2': (19, 26), '3': (10, 13), '4': (5, 7), '5': (3, 4)}
  features = {level: rng.normal(size=[2, *size, CHANNELS[level]]).astype(np.float32)
              for level, size in sizes.items()}
  found = ours(features)
  exact = {level: x.astype(np.float64) for level, x in features.items()}
  wanted = twin(weights, config, exact, make is TransformerFPN)
  for name in ('memory', 'mask_features'):
    slow.assert_near(found[name], wanted[name], 40, name)
  for ours_map, wanted_map in zip(found['maps'], wanted['maps']):
    slow.assert_near(ours_map, wanted_map, 40)
