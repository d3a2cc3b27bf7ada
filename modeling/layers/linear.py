"""Linear layer, embedding table and multi-layer perceptron, initialized as PyTorch does."""

import tensorflow as tf
import tf_keras

from tf_maskformer.modeling.layers import initializers
from tf_maskformer.ops import shape as shape_ops


def affine(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
  """`x @ weight + bias` on the last axis, as one plain matrix product; no bias: `x @ weight`.

  A product of more than two axes with a matrix is a broadcasting one, slower and, in TensorFlow
  2.20 with oneDNN, seen to crash at batch 1.
  """
  rows = tf.reshape(x, [-1, weight.shape[0]])
  y = tf.matmul(rows, tf.cast(weight, x.dtype))
  if bias is not None:
    y = tf.nn.bias_add(y, tf.cast(bias, x.dtype))
  return tf.reshape(y, [*shape_ops.sizes(x)[:-1], weight.shape[1]])


class Linear(tf_keras.layers.Layer):
  """`x @ weight + bias` on the last axis."""

  def __init__(self, in_features: int, out_features: int, initializer: str = 'torch_default',
               zero_bias: bool = False, use_bias: bool = True, name: str | None = None):
    """Makes the weights.

    Args:
      in_features: length of the last axis read.
      out_features: length of the last axis written.
      initializer: of the weight: 'torch_default', 'xavier' or 'zeros'.
      zero_bias: the bias starts at zero instead of PyTorch's uniform distribution.
      use_bias: whether there is one.
      name: the layer's name.
    """
    super().__init__(name=name)
    of_weight = {'torch_default': initializers.torch_default(in_features),
                 'xavier': initializers.xavier(in_features, out_features),
                 'zeros': 'zeros'}[initializer]
    of_bias = 'zeros' if zero_bias else initializers.torch_default(in_features)
    self.weight = self.add_weight('weight', [in_features, out_features], initializer=of_weight)
    self.bias = None
    if use_bias:
      self.bias = self.add_weight('bias', [out_features], initializer=of_bias)

  def call(self, x):
    return affine(x, self.weight, self.bias)


class Embedding(tf_keras.layers.Layer):
  """A learned table [rows, features], initialized from N(0, 1); see `table`."""
  UNDECAYED = ('weight',)

  def __init__(self, rows: int, features: int, name: str | None = None):
    super().__init__(name=name)
    normal = tf_keras.initializers.RandomNormal(0, 1)
    self.weight = self.add_weight('weight', [rows, features], initializer=normal)

  def table(self) -> tf.Tensor:
    """Returns the table in the layer's compute dtype, [rows, features]."""
    return tf.cast(self.weight, self.compute_dtype)


class MLP(tf_keras.layers.Layer):
  """Linear layers with a ReLU after all but the last (DETR's mask head)."""

  def __init__(self, in_features: int, hidden: int, out_features: int, num_layers: int,
               name: str | None = None):
    super().__init__(name=name)
    sizes = [in_features] + [hidden] * (num_layers - 1) + [out_features]
    self.layers = [Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])]

  def call(self, x):
    for layer in self.layers[:-1]:
      x = tf.nn.relu(layer(x))
    return self.layers[-1](x)
