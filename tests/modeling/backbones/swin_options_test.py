"""Swin with options that no published model has, against the paper written out in numpy."""

import numpy as np
import pytest

from tests.modeling import slow
from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.backbones import Swin
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.factory import build_backbone


def attention(w, name, x, heads, window, regions):
  """Window attention of one window's tokens, [tokens, channels]; -100 between regions."""
  tokens, channels = x.shape
  width = channels // heads
  q, k, v = np.split(slow.linear(x, w, f'{name}.qkv'), 3, axis=1)
  table = w[f'{name}.relative_position_bias_table']
  y = np.zeros_like(x)
  for head in range(heads):
    part = slice(head * width, (head + 1) * width)
    logits = q[:, part] @ k[:, part].T * width ** -0.5
    for a, b in np.ndindex(tokens, tokens):
      rows, columns = (p - r for p, r in zip(divmod(a, window), divmod(b, window)))
      row = (rows + window - 1) * (2 * window - 1) + columns + window - 1
      logits[a, b] += table[row, head] - 100 * (regions[a] != regions[b])
    y[:, part] = slow.softmax(logits) @ v[:, part]
  return slow.linear(y, w, f'{name}.proj')


def attend(w, name, x, heads, window, shift):
  """Attention of a map [height, width, channels] padded to whole windows."""
  height, width, channels = x.shape
  x = np.pad(x, [[0, -height % window], [0, -width % window], [0, 0]])
  strip = [np.searchsorted([n - window, n - shift], range(n), 'right') for n in x.shape[:2]]
  region = strip[0][:, None] * 3 + strip[1] if shift else np.zeros(x.shape[:2])
  x = np.roll(x, (-shift, -shift), (0, 1))
  y = np.zeros_like(x)
  for top in range(0, x.shape[0], window):
    for left in range(0, x.shape[1], window):
      place = np.s_[top:top + window, left:left + window]
      tokens = x[place].reshape(-1, channels)
      found = attention(w, name, tokens, heads, window, region[place].reshape(-1))
      y[place] = found.reshape(window, window, channels)
  return np.roll(y, (shift, shift), (0, 1))[:height, :width]


def twin(w, config, image):
  """The features of one image [height, width, 3]."""
  height, width, _ = image.shape
  image = np.pad(image, [[0, -height % 4], [0, -width % 4], [0, 0]])
  patches = image.reshape(image.shape[0] // 4, 4, image.shape[1] // 4, 4, 3)
  x = np.einsum('hiwjc,ocij->hwo', patches, w['patch_embed.proj.weight'])
  x = x + w['patch_embed.proj.bias']
  x = slow.layer_norm(x, w, 'patch_embed.norm')
  features = {}
  for stage, (depth, heads) in enumerate(zip(config.depths, config.heads)):
    for block in range(depth):
      name = f'layers.{stage}.blocks.{block}'
      shift = block % 2 * (config.window // 2)
      y = slow.layer_norm(x, w, f'{name}.norm1')
      x = x + attend(w, f'{name}.attn', y, heads, config.window, shift)
      y = slow.linear(slow.layer_norm(x, w, f'{name}.norm2'), w, f'{name}.mlp.fc1')
      x = x + slow.linear(slow.gelu(y), w, f'{name}.mlp.fc2')
    features[str(stage + 2)] = slow.layer_norm(x, w, f'norm{stage}')
    if stage < 3:
      x = np.pad(x, [[0, x.shape[0] % 2], [0, x.shape[1] % 2], [0, 0]])
      x = np.concatenate([x[0::2, 0::2], x[1::2, 0::2], x[0::2, 1::2], x[1::2, 1::2]], axis=-1)
      x = slow.layer_norm(x, w, f'layers.{stage}.downsample.norm')
      x = slow.linear(x, w, f'layers.{stage}.downsample.reduction')
  return features


@pytest.mark.parametrize('options', [
    dict(), dict(qkv_bias=False), dict(mlp_ratio=2.5), dict(mlp_ratio=0.3), dict(window=3),
    dict(window=1), dict(window=4, heads=[1, 4, 2, 8], embed_dim=24), dict(depths=[1, 3, 1, 2])],
    ids=str)
def test_options_that_no_published_model_has(options):
  given = dict(embed_dim=8, depths=[2, 1, 1, 1], heads=[2, 2, 4, 4], window=5, drop_path=0.0)
  config = Swin(**{**given, **options})
  ours = build_backbone(Backbone(type='swin', swin=config))
  weights = slow.fill(names.entries(ours))
  assert any(name.endswith('qkv.bias') for name in weights) == config.qkv_bias
  assert len(weights['layers.0.blocks.0.mlp.fc1.bias']) == int(config.embed_dim * config.mlp_ratio)
  image = np.random.default_rng(1).normal(size=[1, 39, 50, 3]).astype(np.float32)
  found = ours(image)
  for level, wanted in twin(weights, config, image[0].astype(np.float64)).items():
    slow.assert_near(found[level][0], wanted, 40, level)
