"""Normalization layers with PyTorch's epsilon (1e-5); statistics are float32 under any policy."""

import tensorflow as tf
import tf_keras

from tf_maskformer.ops.group_norm import group_norm
from tf_maskformer.ops.layer_norm import layer_norm

EPSILON = 1e-5


class FrozenBatchNorm(tf_keras.layers.Layer):
  """Batch norm with constant statistics and scale, which is never trained (detectron2)."""

  def __init__(self, channels: int, name: str | None = None):
    super().__init__(name=name, trainable=False)
    self.weight = self._constant('weight', channels, 1.0)
    self.bias = self._constant('bias', channels, 0.0)
    self.running_mean = self._constant('running_mean', channels, 0.0)
    # 1 - epsilon makes a fresh layer the exact identity.
    self.running_var = self._constant('running_var', channels, 1 - EPSILON)

  def _constant(self, name: str, channels: int, value: float) -> tf.Variable:
    initializer = tf_keras.initializers.Constant(value)
    return self.add_weight(name, [channels], initializer=initializer, trainable=False)

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
  UNDECAYED = ('gamma', 'beta')

  def __init__(self, channels: int, synchronized: bool = False, name: str | None = None):
    super().__init__(momentum=0.9, epsilon=EPSILON, synchronized=synchronized, name=name)
    self.build([None, None, None, channels])


class GroupNorm(tf_keras.layers.Layer):
  """Group norm over [batch, height, width, channels], contiguous groups of channels."""
  UNDECAYED = ('weight', 'bias')

  def __init__(self, channels: int, groups: int = 32, name: str | None = None):
    super().__init__(name=name)
    if channels % groups:
      raise ValueError(f'{channels} channels cannot be split into {groups} groups; take a multiple')
    self._groups = groups
    self.weight = self.add_weight('weight', [channels], initializer='ones')
    self.bias = self.add_weight('bias', [channels], initializer='zeros')

  def call(self, x):
    weight = tf.cast(self.weight, tf.float32)
    bias = tf.cast(self.bias, tf.float32)
    return group_norm(x, weight, bias, self._groups, EPSILON)


class LayerNorm(tf_keras.layers.Layer):
  """Layer norm over the last axis."""
  UNDECAYED = ('weight', 'bias')

  def __init__(self, channels: int, name: str | None = None):
    super().__init__(name=name)
    self.weight = self.add_weight('weight', [channels], initializer='ones')
    self.bias = self.add_weight('bias', [channels], initializer='zeros')

  def call(self, x):
    weight = tf.cast(self.weight, tf.float32)
    bias = tf.cast(self.bias, tf.float32)
    return layer_norm(x, weight, bias, EPSILON)


def build(kind: str, channels: int) -> tf_keras.layers.Layer | None:
  """Returns the norm layer of that kind: 'frozen', 'batch', 'sync', 'group' or '' (none)."""
  if kind == 'frozen':
    return FrozenBatchNorm(channels)
  if kind in ('batch', 'sync'):
    return BatchNorm(channels, synchronized=kind == 'sync')
  if kind == 'group':
    return GroupNorm(channels)
  if kind == '':
    return None
  raise ValueError(f"norm {kind!r} is unknown; known: 'frozen', 'batch', 'sync', 'group', ''")
