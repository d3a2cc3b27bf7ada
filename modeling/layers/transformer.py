"""DETR's encoder and decoder layers (MaskFormer's transformer.py), dropout in all its places."""

import tensorflow as tf
import tf_keras

from tf_maskformer.modeling.layers.attention import MultiHeadAttention
from tf_maskformer.modeling.layers.dropout import dropout
from tf_maskformer.modeling.layers.linear import Linear
from tf_maskformer.modeling.layers.norms import LayerNorm


class _Layer(tf_keras.layers.Layer):
  """What encoder and decoder layers share: self-attention, feed-forward part, and dropout."""

  def __init__(self, features: int, heads: int, feedforward: int, dropout_rate: float,
               pre_norm: bool, salt: int, name: str | None = None):
    """Makes the shared parts.

    Args:
      features: channels of the tokens.
      heads: of the attention.
      feedforward: channels between the two linear layers.
      dropout_rate: in all places.
      pre_norm: whether a norm is applied to what a branch reads instead of to the sum.
      salt: first of the layer's `salts.PER_LAYER` salts.
      name: the layer's name.
    """
    super().__init__(name=name)
    self._rate = dropout_rate
    self._pre_norm = pre_norm
    self._salt = salt
    self.self_attn = MultiHeadAttention(features, heads, dropout_rate)
    self.linear1 = Linear(features, feedforward, initializer='xavier')
    self.linear2 = Linear(feedforward, features, initializer='xavier')

  def _dropout(self, x, seed, place):
    return dropout(x, self._rate, seed, self._salt + place)

  def _residual(self, x, norm, branch, seed, place):
    """`norm(x + drop(branch(x)))`, or `x + drop(branch(norm(x)))` with pre-norm."""
    if self._pre_norm:
      return x + self._dropout(branch(norm(x)), seed, place)
    return norm(x + self._dropout(branch(x), seed, place))

  def _feedforward(self, x, seed, place):
    return self.linear2(self._dropout(tf.nn.relu(self.linear1(x)), seed, place))


class EncoderLayer(_Layer):
  """Self-attention over the pixels of one feature map."""

  def __init__(self, features, heads, feedforward, dropout_rate, pre_norm=False, salt=0,
               name=None):
    super().__init__(features, heads, feedforward, dropout_rate, pre_norm, salt, name=name)
    self.norm1 = LayerNorm(features)
    self.norm2 = LayerNorm(features)

  def call(self, x, position, seed=None):
    """[batch, tokens, features], position [1, tokens, features] -> [batch, tokens, features]."""
    def attend(y):
      query = y + position
      return self.self_attn(query, query, y, seed=seed, salt=self._salt)
    def feed_forward(y):
      return self._feedforward(y, seed, 2)
    x = self._residual(x, self.norm1, attend, seed, 1)
    return self._residual(x, self.norm2, feed_forward, seed, 3)


class DecoderLayer(_Layer):
  """Self-attention over queries, cross-attention to the memory, feed-forward."""

  def __init__(self, features, heads, feedforward, dropout_rate, pre_norm=False, salt=0,
               name=None):
    super().__init__(features, heads, feedforward, dropout_rate, pre_norm, salt, name=name)
    self.multihead_attn = MultiHeadAttention(features, heads, dropout_rate)
    self.norm1 = LayerNorm(features)
    self.norm2 = LayerNorm(features)
    self.norm3 = LayerNorm(features)

  def call(self, target, query_position, memory, memory_key, seed=None):
    """Runs the layer.

    Args:
      target: [batch, queries, features].
      query_position: [1, queries, features].
      memory: [batch, tokens, features], the values.
      memory_key: [batch, tokens, features], memory + position.
      seed: of the dropout; None at inference.

    Returns:
      [batch, queries, features].
    """
    def attend_queries(y):
      query = y + query_position
      return self.self_attn(query, query, y, seed=seed, salt=self._salt)
    def attend_memory(y):
      query = y + query_position
      return self.multihead_attn(query, memory_key, memory, seed=seed, salt=self._salt + 2)
    def feed_forward(y):
      return self._feedforward(y, seed, 4)
    target = self._residual(target, self.norm1, attend_queries, seed, 1)
    target = self._residual(target, self.norm2, attend_memory, seed, 3)
    return self._residual(target, self.norm3, feed_forward, seed, 5)
