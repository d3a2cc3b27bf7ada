"""Mask2Former's pixel decoder: deformable attention over strides 32, 16 and 8, then one step to stride 4."""

import tensorflow as tf
import tf_keras

from tf_maskformer.configs.model import PixelDecoder
from tf_maskformer.modeling.layers import precision
from tf_maskformer.modeling.layers.convolution import Conv2D
from tf_maskformer.modeling.layers.deformable_attention import DeformableAttention
from tf_maskformer.modeling.layers.linear import Linear
from tf_maskformer.modeling.layers.norms import GroupNorm
from tf_maskformer.modeling.layers.norms import LayerNorm
from tf_maskformer.ops import position
from tf_maskformer.ops import resize
from tf_maskformer.ops import shape as shape_ops

LEVELS = ('5', '4', '3')  # low resolution first


class EncoderLayer(tf_keras.layers.Layer):
  """Deformable attention of all tokens to all levels, and a feed-forward part; both post-norm."""

  def __init__(self, config: PixelDecoder, name: str | None = None):
    super().__init__(name=name)
    width = config.width
    self.self_attn = DeformableAttention(width, config.encoder_heads, len(LEVELS), config.encoder_points)
    self.norm1, self.norm2 = LayerNorm(width), LayerNorm(width)
    self.linear1 = Linear(width, config.encoder_feedforward, initializer='xavier')
    self.linear2 = Linear(config.encoder_feedforward, width, initializer='xavier')

  def call(self, x, place, reference, sizes):
    x = self.norm1(x + self.self_attn(x + place, reference, x, sizes))
    return self.norm2(x + self.linear2(tf.nn.relu(self.linear1(x))))


class Encoder(tf_keras.layers.Layer):
  """A stack of encoder layers."""

  def __init__(self, config: PixelDecoder, name: str | None = None):
    super().__init__(name=name)
    self.layers = [EncoderLayer(config) for _ in range(config.encoder_layers)]
    self._recompute = config.recompute_encoder

  def call(self, x, place, reference, sizes):
    for layer in self.layers:
      run = lambda tokens, place, own=layer: own(tokens, place, reference, sizes)
      # Nothing but its input is kept of a layer; what needs a gradient must come as an argument.
      x = tf.recompute_grad(run)(x, place) if self._recompute else run(x, place)
    return x


def reference_points(sizes) -> tf.Tensor:
  """Returns every token's own place in units of the image, (x, y), float32 [1, tokens, 2]."""
  points = []
  for height, width in sizes:
    y = (tf.cast(tf.range(height), tf.float32) + 0.5) / tf.cast(height, tf.float32)
    x = (tf.cast(tf.range(width), tf.float32) + 0.5) / tf.cast(width, tf.float32)
    grid = tf.stack([tf.repeat(x[None], height, axis=0), tf.repeat(y[:, None], width, axis=1)], axis=-1)
    points.append(tf.reshape(grid, [height * width, 2]))
  return tf.concat(points, axis=0)[None]


class Transformer(tf_keras.layers.Layer):
  """Holds the encoder and the embeddings of the levels under their official names."""

  def __init__(self, config: PixelDecoder, name: str | None = None):
    super().__init__(name=name)
    self.level_embed = self.add_weight(
        'level_embed', [len(LEVELS), config.width], initializer=tf_keras.initializers.RandomNormal(0, 1))
    self.encoder = Encoder(config)

  def call(self, maps):
    """Maps [batch, height, width, features] of each level -> the same, every token having seen all levels."""
    sizes = [shape_ops.spatial_size(m) for m in maps]
    batch, features = shape_ops.batch_size(maps[0]), maps[0].shape[-1]
    tokens = tf.concat([tf.reshape(m, [batch, h * w, features]) for m, (h, w) in zip(maps, sizes)], axis=1)
    place = tf.concat([position.sine(h, w, features) + self.level_embed[i] for i, (h, w) in enumerate(sizes)], axis=1)
    tokens = self.encoder(tokens, place, reference_points(sizes), sizes)
    outputs, start = [], 0
    for height, width in sizes:
      outputs.append(tf.reshape(tokens[:, start:start + height * width], [batch, height, width, features]))
      start += height * width
    return outputs


class DeformableDecoder(tf_keras.layers.Layer):
  """The official MSDeformAttnPixelDecoder; everything in float32.

  Attributes:
    widths: channels of what transformer decoders read, by name.
  """

  def __init__(self, config: PixelDecoder, channels: dict[str, int], name: str | None = None):
    """Makes the decoder.

    Args:
      config: its widths.
      channels: of the backbone's features, by level.
      name: the layer's name.
    """
    super().__init__(name=name)
    with precision.float32():
      self._make(config, channels)

  def _make(self, config, channels):
    self.widths = {'memory': config.width, 'maps': config.width}
    options = dict(norm=config.norm, use_bias=not config.norm)
    self.input_proj = [
        [Conv2D(channels[level], config.width, 1, initializer='xavier'), GroupNorm(config.width)]
        for level in LEVELS]
    self.transformer = Transformer(config)
    self.adapter_1 = Conv2D(channels['2'], config.width, 1, **options)
    self.layer_1 = Conv2D(config.width, config.width, 3, relu=True, **options)
    self.mask_features = Conv2D(config.width, config.mask_width, 1)

  def call(self, features, seed=None):
    """Runs the decoder.

    Args:
      features: the backbone's, {'2', '3', '4', '5'}.
      seed: not used, there is no dropout.

    Returns:
      'mask_features' [batch, height / 4, width / 4, mask_width] and what transformer decoders read, [batch, height,
      width, channels]: 'memory' at stride 32, 'maps' at strides 32, 16 and 8.
    """
    del seed
    features = {level: tf.cast(x, tf.float32) for level, x in features.items()}
    projected = [norm(conv(features[level])) for level, (conv, norm) in zip(LEVELS, self.input_proj)]
    maps = self.transformer(projected)
    lateral = self.adapter_1(features['2'])
    y = self.layer_1(lateral + resize.bilinear_features(maps[-1], shape_ops.spatial_size(lateral)))
    return {'mask_features': self.mask_features(y), 'memory': maps[0], 'maps': maps}
