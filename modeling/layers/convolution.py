"""Convolution with PyTorch's symmetric padding, optionally followed by a norm and a ReLU."""

import tensorflow as tf
import tf_keras

from tf_maskformer.modeling.layers import initializers
from tf_maskformer.modeling.layers import norms
from tf_maskformer.ops import lowering
from tf_maskformer.ops import shape as shape_ops


def _dilated(x: tf.Tensor, kernel: tf.Tensor, dilation: int) -> tf.Tensor:
  """Convolution of the same size with a dilated kernel: a plain one of every phase of the pixels.

  TensorFlow has a gradient of its own dilated convolution on some CPUs only (those where oneDNN is
  on).
  """
  reach = dilation * (kernel.shape[0] - 1) // 2
  if lowering.current().portable:
    # onnxruntime has no dilation where it pads by itself.
    padded = tf.pad(x, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
    return tf.nn.conv2d(padded, kernel, 1, 'VALID', dilations=dilation)
  size = shape_ops.spatial_size(x)
  fill = [shape_ops.to_multiple(n, dilation) for n in size]
  phases = tf.space_to_batch(x, [dilation, dilation], [[reach, reach + extra] for extra in fill])
  phases = tf.nn.conv2d(phases, kernel, 1, 'VALID')
  return tf.batch_to_space(phases, [dilation, dilation], [[0, extra] for extra in fill])


class Conv2D(tf_keras.layers.Layer):
  """`relu(norm(conv(x)))` of [batch, height, width, channels].

  The kernel is padded by dilation * (size - 1) / 2 on each side whatever the stride, as in PyTorch;
  TensorFlow's 'SAME' pads otherwise at stride 2. A frozen norm is folded into kernel and bias,
  which saves a pass over the activations; the gradient still reaches the kernel.
  """

  def __init__(self, in_channels: int, out_channels: int, kernel_size: int, strides: int = 1,
               dilation: int = 1,
               norm: str = '', use_bias: bool | None = None, relu: bool = False,
               initializer: str = 'c2_xavier', name: str | None = None):
    """Makes the weights.

    Args:
      in_channels: channels read.
      out_channels: channels written.
      kernel_size: side of the square kernel, odd or equal to the stride.
      strides: step in both directions; 1 with a dilation.
      dilation: distance between the kernel's taps.
      norm: kind of norm after the convolution, see `norms.build`.
      use_bias: default: only without a norm.
      relu: whether a ReLU comes last.
      initializer: 'c2_xavier', 'c2_msra' or 'xavier'; the bias starts at zero.
      name: the layer's name.
    """
    super().__init__(name=name)
    if strides > 1 and dilation > 1:
      raise ValueError(
          f'a stride of {strides} and a dilation of {dilation} exclude each other; one must be 1')
    fan = kernel_size * kernel_size
    of_weight = {'c2_xavier': initializers.c2_xavier(in_channels * fan),
                 'c2_msra': initializers.c2_msra(out_channels * fan),
                 'xavier': initializers.xavier(in_channels * fan, out_channels * fan)}[initializer]
    self._strides = strides
    self._dilation = dilation
    self._relu = relu
    self._padding = dilation * (kernel_size - 1) // 2
    self.weight = self.add_weight(
        'weight', [kernel_size, kernel_size, in_channels, out_channels], initializer=of_weight)
    self.bias = None
    if use_bias or (use_bias is None and not norm):
      self.bias = self.add_weight('bias', [out_channels], initializer='zeros')
    self.norm = norms.build(norm, out_channels)

  def _convolve(self, x, kernel):
    if self._dilation > 1:
      return _dilated(x, kernel, self._dilation)
    p = self._padding
    padding = [[0, 0], [p, p], [p, p], [0, 0]] if p else 'VALID'
    if p and self._strides == 1:
      padding = 'SAME'  # equal to the symmetric padding at stride 1
    elif p and x.dtype != tf.float32:
      # On the CPU the gradient of an explicitly padded convolution has no fast half-precision
      # kernel (30 times slower).
      x = tf.pad(x, padding)
      padding = 'VALID'
    return tf.nn.conv2d(x, kernel, self._strides, padding)

  def call(self, x, training=False):
    folded = isinstance(self.norm, norms.FrozenBatchNorm)
    # Delays the cast: casting every kernel up front would hold a second copy of the model.
    with tf.control_dependencies([x]):
      if folded:
        scale, shift = self.norm.scale_and_shift()
        kernel = tf.cast(tf.cast(self.weight, tf.float32) * scale, x.dtype)
      else:
        kernel = tf.cast(self.weight, x.dtype)
    x = self._convolve(x, kernel)
    if folded:
      x = tf.nn.bias_add(x, tf.cast(shift, x.dtype))
    else:
      if self.bias is not None:
        x = tf.nn.bias_add(x, tf.cast(self.bias, x.dtype))
      if isinstance(self.norm, norms.BatchNorm):
        x = self.norm(x, training=training)
      elif self.norm is not None:
        x = self.norm(x)
    return tf.nn.relu(x) if self._relu else x
