"""MaskFormer's transformer decoder and heads (officially StandardTransformerPredictor)."""

from collections.abc import Mapping

import tensorflow as tf
import tf_keras

from tf_maskformer.configs.model import TransformerDecoder
from tf_maskformer.configs.model import TransformerModel
from tf_maskformer.modeling.heads import mask_outputs
from tf_maskformer.modeling.layers import salts
from tf_maskformer.modeling.layers.convolution import Conv2D
from tf_maskformer.modeling.layers.linear import MLP
from tf_maskformer.modeling.layers.linear import Embedding
from tf_maskformer.modeling.layers.linear import Linear
from tf_maskformer.modeling.layers.norms import LayerNorm
from tf_maskformer.modeling.layers.transformer import DecoderLayer
from tf_maskformer.ops import position
from tf_maskformer.ops import shape as shape_ops


class DecoderStack(tf_keras.layers.Layer):
  """The decoder layers, and the one norm that the output of each is passed through."""

  def __init__(self, config: TransformerDecoder, name: str | None = None):
    super().__init__(name=name)
    self.layers = [
        DecoderLayer(config.hidden, config.heads, config.feedforward, config.dropout,
                     config.pre_norm, salt=salts.decoder_layer(i)) for i in range(config.layers)]
    self.norm = LayerNorm(config.hidden)

  def call(self, target, query_position, memory, place, seed=None):
    """Returns the normed output of every layer, [layers, batch, queries, features]."""
    outputs = []
    memory_key = memory + place
    for layer in self.layers:
      target = layer(target, query_position, memory, memory_key, seed=seed)
      outputs.append(self.norm(target))
    return tf.stack(outputs)


class EmptyEncoder(tf_keras.layers.Layer):
  """DETR's encoder without layers (ENC_LAYERS 0): with pre-norm its last norm, else nothing."""

  def __init__(self, config: TransformerDecoder, name: str | None = None):
    super().__init__(name=name)
    self.norm = LayerNorm(config.hidden) if config.pre_norm else None

  def call(self, memory):
    """[batch, tokens, hidden] -> the same."""
    return memory if self.norm is None else self.norm(memory)


class QueryTransformer(tf_keras.layers.Layer):
  """Holds both parts under their official names `transformer.encoder`, `transformer.decoder`."""

  def __init__(self, config: TransformerDecoder, name: str | None = None):
    super().__init__(name=name)
    self.encoder = EmptyEncoder(config)
    self.decoder = DecoderStack(config)

  def call(self, feature, query_embed, seed=None):
    """[batch, height, width, hidden], [queries, hidden] -> [layers, batch, queries, hidden]."""
    batch, height, width, hidden = shape_ops.sizes(feature)
    place = tf.cast(position.sine(height, width, hidden), feature.dtype)
    memory = self.encoder(tf.reshape(feature, [batch, height * width, hidden]))
    query_position = query_embed[None]
    target = tf.zeros([batch, *query_embed.shape], feature.dtype)
    return self.decoder(target, query_position, memory, place, seed=seed)


class StandardDecoder(tf_keras.layers.Layer):
  """Queries in, class and mask logits out; the heads are shared by all layers."""
  CLASS_TENSORS = ('class_embed.weight', 'class_embed.bias')
  QUERY_TENSORS = ('query_embed.weight',)  # type: tuple[str, ...]

  def __init__(self, config: TransformerModel, widths: Mapping[str, int], name: str | None = None):
    """Makes the decoder.

    Args:
      config: the model's.
      widths: channels of what the pixel decoder returns; 'memory' is read.
      name: the layer's name.
    """
    super().__init__(name=name)
    hidden = config.transformer_decoder.hidden
    self._deep_supervision = config.deep_supervision
    self.query_embed = Embedding(config.num_queries, hidden)
    self.transformer = QueryTransformer(config.transformer_decoder)
    self.input_proj = None
    if widths['memory'] != hidden or config.transformer_decoder.input_projection:
      self.input_proj = Conv2D(widths['memory'], hidden, 1)
    self.class_embed = self._class_head(hidden, config.num_classes)
    self.mask_embed = MLP(hidden, hidden, config.pixel_decoder.mask_width, 3)

  def _class_head(self, hidden: int, num_classes: int) -> Linear | None:
    return Linear(hidden, num_classes + 1)

  def call(self, pyramid, training=False, seed=None, last_layer_only=False, progress=None):
    """Predicts.

    Args:
      pyramid: what the pixel decoder returned.
      training: whether a loss will be taken.
      seed: of dropout; None at inference.
      last_layer_only: predict from the last decoder layer only.
      progress: not used.

    Returns:
      The model's outputs, see `MaskClassificationModel`.
    """
    del progress
    memory = pyramid['memory']
    if self.input_proj is not None:
      memory = self.input_proj(memory)
    embeddings = self.transformer(memory, self.query_embed.table(), seed=seed)
    if last_layer_only or not self._deep_supervision:
      embeddings = embeddings[-1:]
    outputs = mask_outputs(self.mask_embed(embeddings), pyramid['mask_features'], training)
    if self.class_embed is not None:
      outputs['class_logits'] = tf.cast(self.class_embed(embeddings), tf.float32)
    return outputs


class PerPixelDecoder(StandardDecoder):
  """The decoder of PerPixelBaseline+ (MaskFormer paper 4.2): without a class head.

  Its queries are the classes, and their mask logits those of the pixels.
  """
  CLASS_TENSORS = ('query_embed.weight',)
  QUERY_TENSORS = ()

  def _class_head(self, hidden, num_classes):
    return None
