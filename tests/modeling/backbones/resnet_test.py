"""ResNets at full depth against PyTorch, written out operation by operation from the official names.

Needs torch, which is no requirement of the project; skipped where it is absent.
"""

import numpy as np
import pytest
import tensorflow as tf

from configs.backbones import Backbone
from configs.backbones import ResNet
from configs.experiments import table
from modeling.backbones.resnet import BLOCKS
from modeling.conversion import names
from modeling.factory import build_backbone
from modeling.layers.convolution import Conv2D


def twin(weights, config, images):
  """detectron2's ResNet with frozen norms, in the words of torch.nn.functional; NCHW."""
  torch = pytest.importorskip('torch')
  f = torch.nn.functional
  w = {n: torch.tensor(a) for n, a in weights.items()}

  def conv(x, name, stride=1, dilation=1):
    kernel = w[f'{name}.weight']
    x = f.conv2d(x, kernel, None, stride, dilation * (kernel.shape[-1] // 2), dilation)
    norm = [w[f'{name}.norm.{n}'] for n in ('running_mean', 'running_var', 'weight', 'bias')]
    return f.batch_norm(x, *norm, eps=1e-5)

  x = f.relu(conv(images, 'stem.conv1', 2))
  if config.stem_type == 'deeplab':
    x = f.relu(conv(f.relu(conv(x, 'stem.conv2')), 'stem.conv3'))
  x = f.max_pool2d(x, 3, 2, 1)
  features = {}
  for level, blocks in zip('2345', BLOCKS[config.depth]):
    for b in range(blocks):
      name = f'res{level}.{b}'
      stride = 2 if b == 0 and level != '2' else 1
      dilation = config.res5_multi_grid[b] if level == '5' else 1
      y = f.relu(conv(x, f'{name}.conv1'))
      y = f.relu(conv(y, f'{name}.conv2', stride, dilation))
      y = conv(y, f'{name}.conv3')
      x = f.relu(y + (conv(x, f'{name}.shortcut', stride) if b == 0 else x))
    features[level] = x.numpy()
  return features


@pytest.mark.parametrize('backbone', ['r50', 'r101', 'r101c'])
@pytest.mark.parametrize('size', [(64, 96), (71, 90)])
def test_full_depth(backbone, size):
  torch = pytest.importorskip('torch')
  config = ResNet(**table.BACKBONES[backbone][1])
  ours, rng = build_backbone(Backbone(type='resnet', resnet=config)), np.random.default_rng(0)
  weights = {}
  for entry in names.entries(ours).values():
    shape, leaf = entry.official_shape, entry.name.rpartition('.')[2]
    value = (rng.normal(0, (1 / np.prod(shape[1:])) ** 0.5, shape) if len(shape) == 4 else
             rng.uniform(0.5, 1.2, shape) if leaf in ('weight', 'running_var') else rng.uniform(-0.2, 0.2, shape))
    weights[entry.name] = value.astype(np.float32)
    entry.assign_official(weights[entry.name])
  images = rng.normal(size=[2, *size, 3]).astype(np.float32)
  wanted = twin(weights, config, torch.tensor(images.transpose(0, 3, 1, 2)))
  found = ours(images)
  for level in '2345':
    expected = wanted[level].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found[level], expected, rtol=0, atol=1e-5 * np.abs(expected).max(), err_msg=level)


def test_dilated_res5_keeps_the_size_of_res4():
  config = ResNet(depth=14, stem_channels=8, res2_channels=16, bottleneck_channels=4, res5_dilation=2)
  features = build_backbone(Backbone(resnet=config))(np.zeros([1, 67, 93, 3], np.float32))
  assert features['5'].shape[1:3] == features['4'].shape[1:3] == (5, 6)


@pytest.mark.parametrize('dilation', [2, 4])
def test_dilated_convolution(dilation):
  rng = np.random.default_rng(dilation)
  layer = Conv2D(3, 5, 3, dilation=dilation)
  x, g = rng.normal(size=[2, 11, 14, 3]).astype(np.float32), rng.normal(size=[2, 11, 14, 5]).astype(np.float32)
  kernel = layer.weight.numpy()
  wanted, by_kernel = np.zeros_like(g), np.zeros_like(kernel)
  padded = np.pad(x, [[0, 0], [dilation] * 2, [dilation] * 2, [0, 0]])
  for i, j in np.ndindex(3, 3):
    window = padded[:, i * dilation:i * dilation + 11, j * dilation:j * dilation + 14]
    wanted += window @ kernel[i, j]
    by_kernel[i, j] = np.einsum('bhwi,bhwo->io', window, g)
  with tf.GradientTape() as tape:
    found = layer(x)
    total = tf.reduce_sum(found * g)
  np.testing.assert_allclose(found, wanted, atol=1e-5)
  np.testing.assert_allclose(tape.gradient(total, layer.weight), by_kernel, atol=1e-4)
