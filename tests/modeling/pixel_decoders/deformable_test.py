"""The deformable pixel decoder against its formula, and layers that run twice."""

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling import slow
from tf_maskformer.configs.model import PixelDecoder
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.layers.deformable_attention import DeformableAttention
from tf_maskformer.modeling.pixel_decoders.deformable import DeformableDecoder

CHANNELS = {'2': 8, '3': 8, '4': 16, '5': 16}


@pytest.mark.slow
def test_recomputed_layers():
  rng = np.random.default_rng(0)
  features = {level: tf.constant(
      rng.normal(size=[2, 32 >> i, 64 >> i, CHANNELS[level]]), tf.float32)
              for i, level in enumerate(CHANNELS)}
  def of(recompute, weights=None):
    decoder = DeformableDecoder(PixelDecoder(
        width=32, mask_width=32, encoder_layers=2, encoder_heads=4, encoder_feedforward=16,
        recompute_encoder=recompute), CHANNELS)
    if weights:
      decoder.set_weights(weights)
    @tf.function
    def run():
      with tf.GradientTape() as tape:
        outputs = decoder(features)
        total = tf.reduce_sum(tf.sin(outputs['mask_features']))
      return total, tape.gradient(total, decoder.trainable_variables)
    total, gradients = run()
    return decoder.get_weights(), [total, *gradients]
  weights, kept = of(False)
  _, again = of(True, weights)
  assert len(kept) > 40
  for a, b in zip(again, kept):
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(np.abs(b).max(), 1))


def attend(w, name, query, value, sizes, heads, points):
  """MSDeformAttn of one image: tokens [tokens, features] of all levels, a place at a time."""
  value = slow.linear(value, w, f'{name}.value_proj')
  tokens, features = value.shape
  grid = [tokens, heads, len(sizes), points]
  offsets = slow.linear(query, w, f'{name}.sampling_offsets').reshape(*grid, 2)
  weights = slow.linear(query, w, f'{name}.attention_weights').reshape(tokens, heads, -1)
  weights = slow.softmax(weights).reshape(grid)
  maps, start = [], 0
  for height, width in sizes:
    end = start + height * width
    maps.append(value[start:end].reshape(height, width, heads, -1))
    start = end
  places = [((j + 0.5) / width, (i + 0.5) / height)
            for height, width in sizes for i in range(height) for j in range(width)]
  seen = np.zeros([tokens, heads, features // heads])
  for token, head, level, point in np.ndindex(*grid):
    height, width = sizes[level]
    x, y = offsets[token, head, level, point]
    column, row = places[token][0] * width + x - 0.5, places[token][1] * height + y - 0.5
    weight = weights[token, head, level, point]
    seen[token, head] += weight * slow.sample(maps[level][:, :, head], row, column)
  return slow.linear(seen.reshape(tokens, features), w, f'{name}.output_proj')


def twin(w, config, features):
  """The official MSDeformAttnPixelDecoder on one image, {level: [height, width, channels]}."""
  levels, width = ('5', '4', '3'), config.width
  sizes = [features[level].shape[:2] for level in levels]
  tokens, places = [], []
  for i, level in enumerate(levels):
    x = slow.conv(features[level][None], w[f'input_proj.{i}.0.weight'])
    x = x + w[f'input_proj.{i}.0.bias']
    tokens.append(slow.group_norm(x, w, f'input_proj.{i}.1').reshape(-1, width))
    place = slow.sine(*sizes[i], width) + w['transformer.level_embed'][i]
    places.append(place.reshape(-1, width))
  x, place = np.concatenate(tokens), np.concatenate(places)
  for i in range(config.encoder_layers):
    name = f'transformer.encoder.layers.{i}'
    y = attend(
        w, f'{name}.self_attn', x + place, x, sizes, config.encoder_heads, config.encoder_points)
    x = slow.layer_norm(x + y, w, f'{name}.norm1')
    y = slow.linear(slow.relu(slow.linear(x, w, f'{name}.linear1')), w, f'{name}.linear2')
    x = slow.layer_norm(x + y, w, f'{name}.norm2')
  parts = np.split(x, np.cumsum([h * w for h, w in sizes])[:-1])
  maps = [part.reshape(1, *size, width) for part, size in zip(parts, sizes)]
  def block(name, x):
    y = slow.conv(x, w[f'{name}.weight'])
    return slow.group_norm(y, w, f'{name}.norm') if config.norm else y + w[f'{name}.bias']
  lateral = block('adapter_1', features['2'][None])
  y = slow.relu(block('layer_1', lateral + slow.bilinear(maps[-1], lateral.shape[1:3])))
  mask_features = slow.conv(y, w['mask_features.weight']) + w['mask_features.bias']
  return maps, mask_features


@pytest.mark.parametrize('options', [
    dict(encoder_points=1), dict(encoder_points=3, encoder_heads=8),
    dict(encoder_points=6, norm=''),
    dict(encoder_heads=2, mask_width=5, encoder_layers=2)], ids=str)
def test_options_that_no_published_model_has(options):
  config = PixelDecoder(**{**dict(
      width=32, mask_width=32, encoder_layers=1, encoder_heads=4, encoder_feedforward=16,
      encoder_points=4), **options})
  ours = DeformableDecoder(config, CHANNELS)
  weights = slow.fill(names.entries(ours))
  rng = np.random.default_rng(1)
  sizes = {'2': (13, 18), '3': (7, 9), '4': (4, 5), '5': (2, 3)}
  features = {level: rng.normal(size=[1, *size, CHANNELS[level]]).astype(np.float32)
              for level, size in sizes.items()}
  found = ours(features)
  maps, mask_features = twin(
      weights, config, {level: x[0].astype(np.float64) for level, x in features.items()})
  slow.assert_near(found['mask_features'], mask_features, 40)
  for ours_map, wanted in zip(found['maps'], maps):
    slow.assert_near(ours_map, wanted, 40)


@pytest.mark.parametrize('heads, levels, points', [(8, 3, 4), (4, 3, 2), (6, 2, 1)])
def test_first_offsets_go_round(heads, levels, points):
  """Point p of head m starts p + 1 pixels away, towards 2 pi m / heads on a square's edge."""
  layer = DeformableAttention(24, heads, levels, points)
  offsets = layer.sampling_offsets.bias.numpy().reshape(heads, levels, points, 2)
  assert not layer.sampling_offsets.weight.numpy().any()
  for head, level, point in np.ndindex(heads, levels, points):
    x, y = offsets[head, level, point]
    assert max(abs(x), abs(y)) == pytest.approx(point + 1, abs=1e-5)
    angle = np.arctan2(y, x) - 2 * np.pi * head / heads
    assert np.cos(angle) == pytest.approx(1, abs=1e-6)
