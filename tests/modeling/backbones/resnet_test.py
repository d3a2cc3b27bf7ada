"""ResNets against detectron2's layout written out in numpy from the official names."""

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling import slow
from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.backbones import ResNet
from tf_maskformer.configs.experiments import table
from tf_maskformer.modeling.backbones.resnet import BLOCKS
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.factory import build_backbone
from tf_maskformer.modeling.layers import norms
from tf_maskformer.modeling.layers.convolution import Conv2D

THIN = dict(stem_channels=8, res2_channels=16, bottleneck_channels=4)
WIDE = dict(stem_channels=32, res2_channels=64, bottleneck_channels=32)  # 32 groups everywhere


def twin(w, config, images, training=False):
  """detectron2's ResNet (build_resnet_backbone and the DeepLab one)."""
  def conv(x, name, stride=1, dilation=1):
    y = slow.conv(x, w[f'{name}.weight'], stride, dilation)
    if config.norm == 'group':
      return slow.group_norm(y, w, f'{name}.norm')
    return slow.batch_norm(y, w, f'{name}.norm', training and config.norm != 'frozen')

  x = slow.relu(conv(images, 'stem.conv1', 2))
  if config.stem_type == 'deeplab':
    x = slow.relu(conv(slow.relu(conv(x, 'stem.conv2')), 'stem.conv3'))
  x = slow.max_pool(x)
  features = {}
  for level, blocks in zip('2345', BLOCKS[config.depth]):
    for b in range(blocks):
      name = f'res{level}.{b}'
      halves = b == 0 and level in '345' and not (level == '5' and config.res5_dilation == 2)
      stride = 2 if halves else 1
      first, second = (stride, 1) if config.stride_in_1x1 else (1, stride)
      dilation = config.res5_dilation * config.res5_multi_grid[b] if level == '5' else 1
      y = slow.relu(conv(x, f'{name}.conv1', first))
      y = slow.relu(conv(y, f'{name}.conv2', second, dilation))
      y = conv(y, f'{name}.conv3')
      if x.shape[-1] != y.shape[-1]:
        x = conv(x, f'{name}.shortcut', stride)
      x = slow.relu(y + x)
    features[level] = x
  return features


def check(config, size, training=False, units=100):
  ours = build_backbone(Backbone(type='resnet', resnet=config))
  weights = slow.fill(names.entries(ours))
  images = np.random.default_rng(1).normal(size=[2, *size, 3]).astype(np.float32)
  found = ours(images, training=training)
  for level, wanted in twin(weights, config, images.astype(np.float64), training).items():
    slow.assert_near(found[level], wanted, units, level)
  return ours, weights


@pytest.mark.parametrize('backbone', ['r50', 'r101', 'r101c'])
@pytest.mark.parametrize('size', [(64, 96), (71, 90)])
def test_full_depth(backbone, size):
  check(ResNet(**table.BACKBONES[backbone][1]), size)


@pytest.mark.parametrize('options', [
    dict(depth=14), dict(depth=26), dict(depth=152), dict(stride_in_1x1=True),
    dict(depth=14, stride_in_1x1=True, stem_type='deeplab'), dict(res5_dilation=2),
    dict(res5_dilation=2, res5_multi_grid=[1, 2, 4]), dict(res5_multi_grid=[1, 2, 4]),
    dict(res5_dilation=2, res5_multi_grid=[2, 1, 3], stride_in_1x1=True),
    dict(res5_multi_grid=[2, 4, 8], stride_in_1x1=True), dict(depth=26, res5_dilation=2),
    dict(depth=14, stem_channels=16)], ids=str)
def test_options_that_no_published_model_has(options):
  check(ResNet(**{**THIN, **options}), (71, 90))


@pytest.mark.parametrize('norm', ['batch', 'sync', 'group'])
@pytest.mark.parametrize('training', [False, True])
def test_other_norms(norm, training):
  # The last stage's batch statistics are of 12 values a channel: more rounding than of a map.
  ours, before = check(ResNet(depth=14, norm=norm, **WIDE), (71, 90), training, 300)
  after = names.entries(ours)
  for name, value in before.items():
    moves = training and 'running_' in name
    assert np.array_equal(after[name].to_official(), value.astype(np.float32)) != moves, name


@pytest.mark.parametrize('norm', ['frozen', 'batch', 'sync', 'group'])
@pytest.mark.parametrize('freeze_at', range(6))
def test_frozen_parts(norm, freeze_at):
  """As detectron2: trained batch norms of a frozen part become frozen ones, a group norm stays."""
  ours = build_backbone(Backbone(resnet=ResNet(depth=14, norm=norm, freeze_at=freeze_at, **WIDE)))
  trained = {v.ref() for v in ours.trainable_variables}
  kinds = {'frozen': norms.FrozenBatchNorm, 'group': norms.GroupNorm}
  for level, part in enumerate((ours.stem, ours.res2, ours.res3, ours.res4, ours.res5), 1):
    is_frozen = level <= freeze_at
    block = part if level == 1 else part[0]
    kind = kinds.get(norm, norms.FrozenBatchNorm if is_frozen else norms.BatchNorm)
    assert isinstance(block.conv1.norm, kind), level
    of_kernel = {block.conv1.weight.ref()}
    of_norm = {v.ref() for v in block.conv1.norm.variables}
    assert bool(of_kernel & trained) != is_frozen, level
    assert bool(of_norm & trained) == (not is_frozen and norm != 'frozen'), level


@pytest.mark.parametrize('dilation', [2, 4])
def test_gradient_of_dilated_convolution(dilation):
  rng = np.random.default_rng(dilation)
  layer = Conv2D(3, 5, 3, dilation=dilation)
  x = rng.normal(size=[2, 11, 14, 3]).astype(np.float32)
  g = rng.normal(size=[2, 11, 14, 5]).astype(np.float32)
  by_kernel = np.zeros([3, 3, 3, 5])
  padded = np.pad(x, [[0, 0], [dilation] * 2, [dilation] * 2, [0, 0]])
  for i, j in np.ndindex(3, 3):
    window = padded[:, i * dilation:i * dilation + 11, j * dilation:j * dilation + 14]
    by_kernel[i, j] = np.einsum('bhwi,bhwo->io', window.astype(np.float64), g)
  with tf.GradientTape() as tape:
    total = tf.reduce_sum(layer(x) * g)
  slow.assert_near(tape.gradient(total, layer.weight), by_kernel, 100)
