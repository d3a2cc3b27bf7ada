"""MaskFormer's transformer decoder and heads (official StandardTransformerPredictor)."""

import tensorflow as tf
import tf_keras

from tf_maskformer.configs.model import MaskFormer
from tf_maskformer.modeling.layers.convolution import Conv2D
from tf_maskformer.modeling.layers.linear import MLP
from tf_maskformer.modeling.layers.linear import Embedding
from tf_maskformer.modeling.layers.linear import Linear
from tf_maskformer.modeling.layers.norms import LayerNorm
from tf_maskformer.modeling.layers.transformer import DecoderLayer
from tf_maskformer.ops import masks as mask_ops
from tf_maskformer.ops import position
from tf_maskformer.ops import shape as shape_ops


class Decoder(tf_keras.layers.Layer):
  """The stack of decoder layers and the one norm that every prediction passes."""

  def __init__(self, config: MaskFormer, name: str | None = None):
    super().__init__(name=name)
    c = config.transformer_decoder
    self.layers = [
        DecoderLayer(c.hidden, c.heads, c.feedforward, c.dropout, c.pre_norm, index=i) for i in range(c.layers)]
    self.norm = LayerNorm(c.hidden)

  def call(self, target, query_position, memory, place, seed=None):
    """Returns the normed output of every layer, [layers, batch, queries, features]."""
    outputs = []
    memory_key = memory + place
    for layer in self.layers:
      target = layer(target, query_position, memory, memory_key, seed=seed)
      outputs.append(self.norm(target))
    return tf.stack(outputs)


class Encoder(tf_keras.layers.Layer):
  """DETR's encoder of no layers (ENC_LAYERS 0): nothing, but for the last norm that pre-norm has."""

  def __init__(self, config: MaskFormer, name: str | None = None):
    super().__init__(name=name)
    c = config.transformer_decoder
    self.norm = LayerNorm(c.hidden) if c.pre_norm else None

  def call(self, memory):
    """[batch, tokens, hidden] -> the same."""
    return memory if self.norm is None else self.norm(memory)


class Transformer(tf_keras.layers.Layer):
  """Holds both parts under their official names, `transformer.encoder` and `transformer.decoder`."""

  def __init__(self, config: MaskFormer, name: str | None = None):
    super().__init__(name=name)
    self.encoder = Encoder(config)
    self.decoder = Decoder(config)

  def call(self, feature, query_embed, seed=None):
    """[batch, height, width, hidden], [queries, hidden] -> [layers, batch, queries, hidden]."""
    shape = tf.shape(feature)
    height, width = shape_ops.spatial_size(feature)
    place = tf.cast(position.sine(height, width, feature.shape[-1]), feature.dtype)
    memory = self.encoder(tf.reshape(feature, [shape[0], shape[1] * shape[2], feature.shape[-1]]))
    query_position = query_embed[None]
    target = tf.zeros([shape[0], query_embed.shape[0], query_embed.shape[1]], feature.dtype)
    return self.decoder(target, query_position, memory, place, seed=seed)


class StandardPredictor(tf_keras.layers.Layer):
  """Queries in, class and mask logits out; the heads are shared by all layers.

  PerPixelBaseline+ has no class head: its queries are the classes and their mask logits those of the pixels.
  """
  READS = 'memory'  # of the pixel decoder

  def __init__(self, config: MaskFormer, memory_width: int, name: str | None = None):
    super().__init__(name=name)
    hidden = config.transformer_decoder.hidden
    self._deep_supervision = config.deep_supervision
    self.query_embed = Embedding(config.num_queries, hidden)
    self.transformer = Transformer(config)
    self.input_proj = None
    if memory_width != hidden or config.transformer_decoder.input_projection:
      self.input_proj = Conv2D(memory_width, hidden, 1)
    self.class_embed = None
    if config.which_predictor == 'maskformer':
      self.class_embed = Linear(hidden, config.num_classes + 1)
    self.mask_embed = MLP(hidden, hidden, config.pixel_decoder.mask_width, 3)

  def call(self, pixel, training=False, seed=None, last_layer_only=False):
    """Predicts.

    Args:
      pixel: what the pixel decoder returned.
      training: whether a loss will be taken.
      seed: of dropout; None at inference.
      last_layer_only: predict from the last decoder layer only.

    Returns:
      The model's outputs, see `MaskClassificationModel`.
    """
    memory, mask_features = pixel['memory'], pixel['mask_features']
    if self.input_proj is not None:
      memory = self.input_proj(memory)
    embeddings = self.transformer(memory, self.query_embed.table(), seed=seed)
    if last_layer_only or not self._deep_supervision:
      embeddings = embeddings[-1:]
    outputs = mask_outputs(self.mask_embed(embeddings), mask_features, training)
    if self.class_embed is not None:
      outputs['class_logits'] = tf.cast(self.class_embed(embeddings), tf.float32)
    return outputs


def mask_outputs(mask_embeddings: tf.Tensor, mask_features: tf.Tensor, training: bool) -> dict[str, tf.Tensor]:
  """Returns the mask part of the model's outputs; in training also what it is the product of.

  Args:
    mask_embeddings: [layers, batch, queries, channels].
    mask_features: [batch, height, width, channels].
    training: whether a loss will be taken.
  """
  outputs = {'mask_logits': mask_ops.mask_logits(mask_embeddings, mask_features)}
  return {**outputs, 'mask_embeddings': mask_embeddings, 'mask_features': mask_features} if training else outputs
