"""Feature pyramids of MaskFormer: plain, and with a transformer encoder on res5."""

import tensorflow as tf
import tf_keras

from tf_maskformer.configs.model import PixelDecoder
from tf_maskformer.modeling.layers import salts
from tf_maskformer.modeling.layers.convolution import Conv2D
from tf_maskformer.modeling.layers.norms import LayerNorm
from tf_maskformer.modeling.layers.transformer import EncoderLayer
from tf_maskformer.ops import position
from tf_maskformer.ops import resize
from tf_maskformer.ops import shape as shape_ops

# The official number of a lateral convolution and the backbone's level that it reads, top down.
_LATERALS = ((3, '4'), (2, '3'), (1, '2'))


class FPN(tf_keras.layers.Layer):
  """Plain pyramid (officially BasePixelDecoder).

  Attribute names follow the official ones: `layer_4` is the coarsest level, `adapter_i` the lateral
  convolution of level i + 1.

  Attributes:
    widths: channels of what transformer decoders read, by name.
  """

  def __init__(self, config: PixelDecoder, channels: dict[str, int], pre_norm: bool = False,
               name: str | None = None):
    """Makes the pyramid.

    Args:
      config: its widths and norm.
      channels: of the backbone's features, by level.
      pre_norm: not used, there is no transformer.
      name: the layer's name.
    """
    del pre_norm
    super().__init__(name=name)
    width = config.width
    top_width = self._top_width(config, channels)
    options = dict(norm=config.norm, use_bias=not config.norm)
    self.widths = {'memory': top_width, 'maps': width}
    self.layer_4 = Conv2D(top_width, width, 3, relu=True, **options)
    for i, level in _LATERALS:
      setattr(self, f'adapter_{i}', Conv2D(channels[level], width, 1, **options))
      setattr(self, f'layer_{i}', Conv2D(width, width, 3, relu=True, **options))
    self.mask_features = Conv2D(width, config.mask_width, 3)

  def _top_width(self, config, channels):
    return channels['5']

  def _memory(self, features, seed):
    """The features that both the top of the pyramid and the transformer decoder read."""
    return features['5']

  def call(self, features, seed=None):
    """Runs the pyramid.

    Args:
      features: the backbone's, {'2', '3', '4', '5'}.
      seed: of dropout; None at inference.

    Returns:
      'mask_features' [batch, height / 4, width / 4, mask_width] and what transformer decoders read,
      [batch, height, width, channels]: 'memory' at stride 32, 'maps' at strides 32, 16 and 8.
    """
    memory = self._memory(features, seed)
    y = self.layer_4(memory)
    maps = [y]
    for i, level in _LATERALS:
      lateral = getattr(self, f'adapter_{i}')(features[level])
      above = resize.nearest(y, shape_ops.spatial_size(lateral))
      y = getattr(self, f'layer_{i}')(lateral + above)
      maps.append(y)
    return {'mask_features': self.mask_features(y), 'memory': memory, 'maps': maps[:3]}


class EncoderStack(tf_keras.layers.Layer):
  """The encoder layers; with pre-norm a norm after the last, which ends without one."""

  def __init__(self, config: PixelDecoder, pre_norm: bool, name: str | None = None):
    super().__init__(name=name)
    self.layers = [
        EncoderLayer(config.width, config.encoder_heads, config.encoder_feedforward,
                     config.encoder_dropout, pre_norm, salt=salts.encoder_layer(i))
        for i in range(config.encoder_layers)]
    self.norm = LayerNorm(config.width) if pre_norm else None

  def call(self, x, place, seed=None):
    """[batch, tokens, width], position [tokens, width] -> [batch, tokens, width]."""
    for layer in self.layers:
      x = layer(x, place, seed=seed)
    return x if self.norm is None else self.norm(x)


class TransformerEncoder(tf_keras.layers.Layer):
  """Holds the encoder under the official name `transformer.encoder`."""

  def __init__(self, config: PixelDecoder, pre_norm: bool, name: str | None = None):
    super().__init__(name=name)
    self.encoder = EncoderStack(config, pre_norm)

  def call(self, feature, seed=None):
    """[batch, height, width, width] -> the same, every pixel having attended to all others."""
    batch, height, width, channels = shape_ops.sizes(feature)
    place = tf.cast(position.sine(height, width, channels), feature.dtype)
    tokens = tf.reshape(feature, [batch, height * width, channels])
    encoded = self.encoder(tokens, place, seed=seed)
    return tf.reshape(encoded, [batch, height, width, channels])


class TransformerFPN(FPN):
  """Pyramid with a transformer encoder on res5 (officially TransformerEncoderPixelDecoder)."""

  def __init__(self, config: PixelDecoder, channels: dict[str, int], pre_norm: bool = False,
               name: str | None = None):
    """Makes the pyramid and the encoder.

    Args:
      config: their widths and the encoder's layers.
      channels: of the backbone's features, by level.
      pre_norm: whether the encoder's layers norm what they read instead of what they return.
      name: the layer's name.
    """
    super().__init__(config, channels, name=name)
    self.input_proj = Conv2D(channels['5'], config.width, 1)
    self.transformer = TransformerEncoder(config, pre_norm)

  def _top_width(self, config, channels):
    return config.width

  def _memory(self, features, seed):
    return self.transformer(self.input_proj(features['5']), seed=seed)
