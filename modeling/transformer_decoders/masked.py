"""Mask2Former's transformer decoder: queries attend only where their own mask says.

See arXiv 2112.01527, 3.2; officially MultiScaleMaskedTransformerDecoder.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras

from tf_maskformer.configs.model import Mask2Former
from tf_maskformer.modeling.heads import mask_outputs
from tf_maskformer.modeling.layers.attention import MultiHeadAttention
from tf_maskformer.modeling.layers.convolution import Conv2D
from tf_maskformer.modeling.layers.linear import MLP
from tf_maskformer.modeling.layers.linear import Embedding
from tf_maskformer.modeling.layers.linear import Linear
from tf_maskformer.modeling.layers.masked_attention import attention_mask
from tf_maskformer.modeling.layers.norms import LayerNorm
from tf_maskformer.ops import position
from tf_maskformer.ops import resize
from tf_maskformer.ops import shape as shape_ops

NUM_LEVELS = 3


class _Part(tf_keras.layers.Layer):
  """What the three parts of a decoder layer share: a residual, and the place of its `norm`."""

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
    self.multihead_attn = MultiHeadAttention(features, heads)
    self.norm = LayerNorm(features)

  def call(self, x, query_position, key, value, blocked):
    def attend(y):
      return self.multihead_attn(y + query_position, key, value, blocked=blocked)
    return self._residual(x, attend)


class SelfAttention(_Part):
  """Queries to each other, with a residual and a norm."""

  def __init__(self, features: int, heads: int, pre_norm: bool = False, name: str | None = None):
    super().__init__(pre_norm, name=name)
    self.self_attn = MultiHeadAttention(features, heads)
    self.norm = LayerNorm(features)

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
    def feed_forward(y):
      return self.linear2(tf.nn.relu(self.linear1(y)))
    return self._residual(x, feed_forward)


class MaskedDecoder(tf_keras.layers.Layer):
  """Queries in, class and mask logits out, once before the first layer and once after each."""
  CLASS_TENSORS = ('class_embed.weight', 'class_embed.bias')
  QUERY_TENSORS = ('query_feat.weight', 'query_embed.weight')

  def __init__(self, config: Mask2Former, widths: Mapping[str, int], name: str | None = None):
    """Makes the decoder.

    Args:
      config: the model's.
      widths: channels of what the pixel decoder returns; 'maps' is read.
      name: the layer's name.
    """
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
    if widths['maps'] != c.hidden or c.input_projection:
      self.input_proj = [Conv2D(widths['maps'], c.hidden, 1) for _ in range(NUM_LEVELS)]
    self.class_embed = Linear(c.hidden, config.num_classes + 1)
    self.mask_embed = MLP(c.hidden, c.hidden, config.pixel_decoder.mask_width, 3)

  def _levels(self, maps: Sequence[tf.Tensor]) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Returns (keys, values) of each level, [batch, pixels, hidden]."""
    result = []
    for i, level in enumerate(maps):
      level = tf.cast(level, self.compute_dtype)
      if self.input_proj is not None:
        level = self.input_proj[i](level)
      value = _pixels(level) + self.level_embed.table()[i]
      height, width = shape_ops.spatial_size(level)
      place = tf.cast(position.sine(height, width, level.shape[-1]), value.dtype)
      result.append((value + place, value))
    return result

  def _decode(self, levels, small):
    """Runs the layers.

    Args:
      levels: (keys, values) of each level, [batch, pixels, hidden].
      small: mask features at the size of each level, float32 [batch, pixels, channels].

    Returns:
      What every prediction is made from, before the first layer and after each: normed queries
      [batch, queries, hidden], and their mask embeddings, float32 [batch, queries, channels].
    """
    batch = shape_ops.batch_size(small[0])
    query_position = self.query_embed.table()[None]
    x = tf.repeat(self.query_feat.table()[None], batch, axis=0)
    normed = [self.decoder_norm(x)]
    embeddings = [tf.cast(self.mask_embed(normed[0]), tf.float32)]
    layers = zip(self.transformer_cross_attention_layers, self.transformer_self_attention_layers,
                 self.transformer_ffn_layers)
    for i, (cross_attention, self_attention, feed_forward) in enumerate(layers):
      level = i % NUM_LEVELS
      key, value = levels[level]
      blocked = attention_mask(tf.stop_gradient(embeddings[-1]), small[level])
      x = cross_attention(x, query_position, key, value, blocked)
      x = self_attention(x, query_position)
      x = feed_forward(x)
      normed.append(self.decoder_norm(x))
      embeddings.append(tf.cast(self.mask_embed(normed[-1]), tf.float32))
    return normed, embeddings

  def call(self, pyramid, training=False, seed=None, last_layer_only=False, progress=None):
    """Predicts.

    Args:
      pyramid: what the pixel decoder returned.
      training: whether a loss will be taken.
      seed: not used, there is no dropout.
      last_layer_only: predict from the last decoder layer only.
      progress: not used.

    Returns:
      The model's outputs, see `MaskClassificationModel`; 1 + the number of decoder layers
      predictions.
    """
    del seed, progress
    maps = pyramid['maps']
    mask_features = tf.cast(pyramid['mask_features'], tf.float32)
    levels = self._levels(maps)
    # Resizing and the product with the mask embedding are both linear: small features make the
    # small masks.
    fixed = tf.stop_gradient(mask_features)
    small = [
        _pixels(resize.bilinear_features(fixed, shape_ops.spatial_size(m))) for m in maps]
    normed, embeddings = self._decode(levels, small)
    if last_layer_only or not self._deep_supervision:
      normed = normed[-1:]
      embeddings = embeddings[-1:]
    return {
        'class_logits': tf.cast(self.class_embed(tf.stack(normed)), tf.float32),
        **mask_outputs(tf.stack(embeddings), mask_features, training),
    }


def _pixels(features: tf.Tensor) -> tf.Tensor:
  """[batch, height, width, channels] -> [batch, height * width, channels]."""
  batch, height, width, channels = shape_ops.sizes(features)
  return tf.reshape(features, [batch, height * width, channels])
