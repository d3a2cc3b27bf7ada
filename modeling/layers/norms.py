"""Normalization layers with PyTorch's epsilon (1e-5); statistics are float32 under any policy."""

import tensorflow as tf
import tf_keras

from tf_maskformer.ops.group_norm import group_norm
from tf_maskformer.ops.layer_norm import layer_norm

EPSILON = 1e-5


class FrozenBatchNorm(tf_keras.layers.Layer):
  """Batch norm with constant statistics and scale: an affine map that is never trained (detectron2)."""

  def __init__(self, channels: int, name: str | None = None):
    super().__init__(name=name, trainable=False)
    zeros, ones = tf_keras.initializers.Zeros(), tf_keras.initializers.Ones()
    self.weight = self.add_weight('weight', [channels], initializer=ones, trainable=False)
    self.bias = self.add_weight('bias', [channels], initializer=zeros, trainable=False)
    self.running_mean = self.add_weight('running_mean', [channels], initializer=zeros, trainable=False)
    # 1 - epsilon makes a fresh layer the exact identity.
    self.running_var = self.add_weight(
        'running_var', [channels], initializer=tf_keras.initializers.Constant(1 - EPSILON), trainable=False)

  def scale_and_shift(self) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns float32 (scale [channels], shift [channels]): the layer is x * scale + shift."""
    weight, bias, mean, var = (
        tf.cast(v.read_value(), tf.float32)
        for v in (self.weight, self.bias, self.running_mean, self.running_var))
    scale = weight * tf.math.rsqrt(var + EPSILON)
    return scale, bias - mean * scale

  def call(self, x):
    scale, shift = self.scale_and_shift()
    return x * tf.cast(scale, x.dtype) + tf.cast(shift, x.dtype)


class BatchNorm(tf_keras.layers.BatchNormalization):
  """Trained batch norm; PyTorch's momentum 0.1 is Keras' 0.9."""

  def __init__(self, channels: int, synchronized: bool = False, name: str | None = None):
    super().__init__(momentum=0.9, epsilon=EPSILON, synchronized=synchronized, name=name)
    self.build([None, None, None, channels])


class GroupNorm(tf_keras.layers.Layer):
  """Group norm over [batch, height, width, channels], contiguous groups of channels."""

  def __init__(self, channels: int, groups: int = 32, name: str | None = None):
    super().__init__(name=name)
    if channels % groups:
      raise ValueError(f'{channels} channels cannot be split into {groups} groups; take a multiple')
    self._groups = groups
    self.weight = self.add_weight('weight', [channels], initializer='ones')
    self.bias = self.add_weight('bias', [channels], initializer='zeros')

  def call(self, x):
    weight, bias = tf.cast(self.weight, tf.float32), tf.cast(self.bias, tf.float32)
    return group_norm(x, weight, bias, self._groups, EPSILON)


class LayerNorm(tf_keras.layers.Layer):
  """Layer norm over the last axis."""

  def __init__(self, channels: int, name: str | None = None):
    super().__init__(name=name)
    self.weight = self.add_weight('weight', [channels], initializer='ones')
    self.bias = self.add_weight('bias', [channels], initializer='zeros')

  def call(self, x):
    return layer_norm(x, tf.cast(self.weight, tf.float32), tf.cast(self.bias, tf.float32), EPSILON)


def build(kind: str, channels: int) -> tf_keras.layers.Layer | None:
  """Returns the norm layer of that kind: 'frozen', 'batch', 'sync', 'group' or '' (none)."""
  makers = {
      'frozen': FrozenBatchNorm,
      'batch': BatchNorm,
      'sync': lambda c: BatchNorm(c, synchronized=True),
      'group': GroupNorm,
      '': lambda c: None,
  }
  if kind not in makers:
    raise ValueError(f'norm {kind!r} is unknown; known: {", ".join(map(repr, makers))}')
  return makers[kind](channels)
