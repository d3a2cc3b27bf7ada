"""ResNet with bottleneck blocks, as in detectron2: symmetric padding, frozen norms folded."""

import tensorflow as tf
import tf_keras

from tf_maskformer.configs import backbones
from tf_maskformer.modeling.layers.convolution import Conv2D

# Blocks of res2, res3, res4, res5.
BLOCKS = {
    14: (1, 1, 1, 1),
    26: (2, 2, 2, 2),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def _max_pool(x):
  """3x3 max-pooling at stride 2; after a ReLU, zeros pad as PyTorch's -inf does."""
  return tf.nn.max_pool2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, 'VALID')


class BasicStem(tf_keras.layers.Layer):
  """7x7 convolution at stride 2 and 3x3 max-pooling at stride 2."""

  def __init__(self, channels: int, norm: str, name: str | None = None):
    super().__init__(name=name)
    self.conv1 = Conv2D(3, channels, 7, strides=2, norm=norm, relu=True, initializer='c2_msra')

  def call(self, x, training=False):
    return _max_pool(self.conv1(x, training=training))


class DeepLabStem(tf_keras.layers.Layer):
  """Three 3x3 convolutions, the first two half as wide, and 3x3 max-pooling; both at stride 2."""

  def __init__(self, channels: int, norm: str, name: str | None = None):
    super().__init__(name=name)
    options = dict(norm=norm, relu=True, initializer='c2_msra')
    self.conv1 = Conv2D(3, channels // 2, 3, strides=2, **options)
    self.conv2 = Conv2D(channels // 2, channels // 2, 3, **options)
    self.conv3 = Conv2D(channels // 2, channels, 3, **options)

  def call(self, x, training=False):
    for conv in (self.conv1, self.conv2, self.conv3):
      x = conv(x, training=training)
    return _max_pool(x)


STEMS = {'basic': BasicStem, 'deeplab': DeepLabStem}


class Bottleneck(tf_keras.layers.Layer):
  """1x1, 3x3, 1x1 with a shortcut; the shortcut is projected where the width changes."""

  def __init__(self, in_channels: int, out_channels: int, bottleneck: int, strides: int, norm: str,
               stride_in_1x1: bool, dilation: int = 1, name: str | None = None):
    super().__init__(name=name)
    first = strides if stride_in_1x1 else 1
    second = 1 if stride_in_1x1 else strides
    options = dict(norm=norm, initializer='c2_msra')
    self.shortcut = None
    if in_channels != out_channels:
      self.shortcut = Conv2D(in_channels, out_channels, 1, strides=strides, **options)
    self.conv1 = Conv2D(in_channels, bottleneck, 1, strides=first, relu=True, **options)
    self.conv2 = Conv2D(
        bottleneck, bottleneck, 3, strides=second, dilation=dilation, relu=True, **options)
    self.conv3 = Conv2D(bottleneck, out_channels, 1, **options)

  def call(self, x, training=False):
    y = self.conv1(x, training=training)
    y = self.conv2(y, training=training)
    y = self.conv3(y, training=training)
    if self.shortcut is not None:
      x = self.shortcut(x, training=training)
    return tf.nn.relu(y + x)


class ResNet(tf_keras.layers.Layer):
  """Returns {'2', '3', '4', '5'}: features [batch, height / 2^level, width / 2^level, channels].

  Sizes are rounded up; with `res5_dilation` '5' has the size of '4'.

  Attributes:
    channels: dict from level to its number of channels.
  """

  def __init__(self, config: backbones.ResNet, name: str | None = None):
    super().__init__(name=name)
    if config.depth not in BLOCKS:
      known = ', '.join(map(str, BLOCKS))
      raise ValueError(f'ResNet depth {config.depth} is unknown; known: {known}')
    self.stem = STEMS[config.stem_type](config.stem_channels, _norm_at(1, config))
    self.stem.trainable = config.freeze_at < 1
    self.channels = {}
    in_channels = config.stem_channels
    for level, num_blocks in zip((2, 3, 4, 5), BLOCKS[config.depth]):
      setattr(self, f'res{level}', _stage(config, level, num_blocks, in_channels))
      in_channels = config.res2_channels << (level - 2)
      self.channels[str(level)] = in_channels

  def call(self, x, training=False, seed=None):
    del seed  # nothing here is random
    features = {}
    x = self.stem(x, training=training)
    for level in '2345':
      for block in getattr(self, f'res{level}'):
        x = block(x, training=training)
      features[level] = x
    return features


def _norm_at(level: int, config: backbones.ResNet) -> str:
  """Returns the kind of norm at a level (1 is the stem)."""
  # A frozen part keeps the statistics of its batch norms too; a group norm has none.
  is_frozen = level <= config.freeze_at and config.norm != 'group'
  return 'frozen' if is_frozen else config.norm


def _stage(config: backbones.ResNet, level: int, num_blocks: int, in_channels: int
           ) -> list[Bottleneck]:
  """Returns the blocks of res<level>."""
  out_channels = config.res2_channels << (level - 2)
  inner = config.bottleneck_channels << (level - 2)
  dilations = [1] * num_blocks
  if level == 5:
    dilations = [config.res5_dilation * grid for grid in config.res5_multi_grid[:num_blocks]]
  keeps_size = level == 2 or (level == 5 and config.res5_dilation > 1)
  blocks = []
  for i, dilation in enumerate(dilations):
    strides = 2 if i == 0 and not keeps_size else 1
    block = Bottleneck(in_channels, out_channels, inner, strides, _norm_at(level, config),
                       config.stride_in_1x1, dilation)
    block.trainable = config.freeze_at < level
    blocks.append(block)
    in_channels = out_channels
  return blocks
