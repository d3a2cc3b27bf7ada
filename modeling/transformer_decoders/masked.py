"""Mask2Former's transformer decoder: queries attend only where their own mask says (arXiv 2112.01527, 3.2)."""

import tensorflow as tf
import tf_keras

from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.modeling.layers.attention import MultiHeadAttention
from tf_maskformer.modeling.layers.convolution import Conv2D
from tf_maskformer.modeling.layers.linear import MLP
from tf_maskformer.modeling.layers.linear import Embedding
from tf_maskformer.modeling.layers.linear import Linear
from tf_maskformer.modeling.layers.norms import LayerNorm
from tf_maskformer.modeling.transformer_decoders.standard import mask_outputs
from tf_maskformer.ops import position
from tf_maskformer.ops import resize
from tf_maskformer.ops import shape as shape_ops

NUM_LEVELS = 3


class _Part(tf_keras.layers.Layer):
  """What the three parts of a decoder layer share: a residual, and where its `norm` lies."""

  def __init__(self, pre_norm: bool, name: str | None = None):
    super().__init__(name=name)
    self._pre_norm = pre_norm

  def _residual(self, x, branch):
    """`norm(x + branch(x))`, or `x + branch(norm(x))` with pre-norm."""
    if self._pre_norm:
      return x + branch(self.norm(x))
    return self.norm(x + branch(x))


class CrossAttention(_Part):
  """Queries to the pixels of one level, with a residual and a norm."""

  def __init__(self, features: int, heads: int, pre_norm: bool = False, name: str | None = None):
    super().__init__(pre_norm, name=name)
    self.multihead_attn, self.norm = MultiHeadAttention(features, heads), LayerNorm(features)

  def call(self, x, query_position, key, value, blocked):
    def attend(y):
      return self.multihead_attn(y + query_position, key, value, blocked=blocked)
    return self._residual(x, attend)


class SelfAttention(_Part):
  """Queries to each other, with a residual and a norm."""

  def __init__(self, features: int, heads: int, pre_norm: bool = False, name: str | None = None):
    super().__init__(pre_norm, name=name)
    self.self_attn, self.norm = MultiHeadAttention(features, heads), LayerNorm(features)

  def call(self, x, query_position):
    def attend(y):
      query = y + query_position
      return self.self_attn(query, query, y)
    return self._residual(x, attend)


class FeedForward(_Part):
  """Two linear layers with a ReLU between, with a residual and a norm."""

  def __init__(self, features: int, hidden: int, pre_norm: bool = False, name: str | None = None):
    super().__init__(pre_norm, name=name)
    self.linear1 = Linear(features, hidden, initializer='xavier')
    self.linear2 = Linear(hidden, features, initializer='xavier')
    self.norm = LayerNorm(features)

  def call(self, x):
    return self._residual(x, lambda y: self.linear2(tf.nn.relu(self.linear1(y))))


class MaskedPredictor(tf_keras.layers.Layer):
  """Queries in, class and mask logits out, once before the first layer and once after each."""
  READS = 'maps'  # of the pixel decoder

  def __init__(self, config: MaskFormer, memory_width: int, name: str | None = None):
    super().__init__(name=name)
    c = config.transformer_decoder
    self._deep_supervision = config.deep_supervision
    self.transformer_cross_attention_layers = [
        CrossAttention(c.hidden, c.heads, c.pre_norm) for _ in range(c.layers)]
    self.transformer_self_attention_layers = [
        SelfAttention(c.hidden, c.heads, c.pre_norm) for _ in range(c.layers)]
    self.transformer_ffn_layers = [
        FeedForward(c.hidden, c.feedforward, c.pre_norm) for _ in range(c.layers)]
    self.decoder_norm = LayerNorm(c.hidden)
    self.query_feat = Embedding(config.num_queries, c.hidden)
    self.query_embed = Embedding(config.num_queries, c.hidden)
    self.level_embed = Embedding(NUM_LEVELS, c.hidden)
    self.input_proj = None
    if memory_width != c.hidden or c.input_projection:
      self.input_proj = [Conv2D(memory_width, c.hidden, 1) for _ in range(NUM_LEVELS)]
    self.class_embed = Linear(c.hidden, config.num_classes + 1)
    self.mask_embed = MLP(c.hidden, c.hidden, config.pixel_decoder.mask_width, 3)

  def _levels(self, maps):
    """Returns (keys, values) of each level, [batch, pixels, hidden]."""
    result = []
    for i, level in enumerate(maps):
      level = tf.cast(level, self.compute_dtype)
      if self.input_proj is not None:
        level = self.input_proj[i](level)
      height, width = shape_ops.spatial_size(level)
      value = tf.reshape(level, [shape_ops.batch_size(level), height * width, level.shape[-1]])
      value = value + self.level_embed.table()[i]
      result.append((value + tf.cast(position.sine(height, width, level.shape[-1]), value.dtype), value))
    return result

  def call(self, pixel, training=False, seed=None, last_layer_only=False):
    """Predicts.

    Args:
      pixel: what the pixel decoder returned.
      training: whether a loss will be taken.
      seed: not used, there is no dropout.
      last_layer_only: predict from the last decoder layer only.

    Returns:
      The model's outputs, see `MaskClassificationModel`; 1 + the number of decoder layers predictions.
    """
    del seed
    maps, mask_features = pixel['maps'], tf.cast(pixel['mask_features'], tf.float32)
    levels = self._levels(maps)
    # Resizing and the product with the mask embedding are both linear: the small features give the small masks.
    fixed = tf.stop_gradient(mask_features)
    small = [_pixels(resize.bilinear_features(fixed, shape_ops.spatial_size(m))) for m in maps]
    batch = shape_ops.batch_size(mask_features)
    query_position = self.query_embed.table()[None]
    x = tf.repeat(self.query_feat.table()[None], batch, axis=0)
    normed = [self.decoder_norm(x)]
    embeddings = [tf.cast(self.mask_embed(normed[0]), tf.float32)]
    for i, layers in enumerate(zip(self.transformer_cross_attention_layers, self.transformer_self_attention_layers,
                                   self.transformer_ffn_layers)):
      level = i % NUM_LEVELS
      cross, self_attention, feed_forward = layers
      key, value = levels[level]
      blocked = attention_mask(tf.stop_gradient(embeddings[-1]), small[level])
      x = cross(x, query_position, key, value, blocked)
      x = feed_forward(self_attention(x, query_position))
      normed.append(self.decoder_norm(x))
      embeddings.append(tf.cast(self.mask_embed(normed[-1]), tf.float32))
    if last_layer_only or not self._deep_supervision:
      normed, embeddings = normed[-1:], embeddings[-1:]
    return {
        'class_logits': tf.cast(self.class_embed(tf.stack(normed)), tf.float32),
        **mask_outputs(tf.stack(embeddings), mask_features, training),
    }


def _pixels(features):
  """[batch, height, width, channels] -> [batch, height * width, channels]."""
  height, width = shape_ops.spatial_size(features)
  return tf.reshape(features, [shape_ops.batch_size(features), height * width, features.shape[-1]])


def attention_mask(mask_embeddings: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
  """Returns which pixels a query must not look at: those outside its mask; a query without any looks everywhere.

  Args:
    mask_embeddings: float32 [batch, queries, channels].
    pixels: float32 [batch, pixels, channels], mask features at the size of the level.

  Returns:
    bool [batch, queries, pixels], true = blocked.
  """
  logits = tf.matmul(mask_embeddings, pixels, transpose_b=True)
  blocked = tf.sigmoid(logits) < 0.5
  return blocked & ~tf.reduce_all(blocked, axis=-1, keepdims=True)
