"""Mask2Former's pixel decoder: deformable attention over strides 32, 16, 8, then up to stride 4."""

import functools
from collections.abc import Sequence

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


class DeformableEncoderLayer(tf_keras.layers.Layer):
  """Deformable attention of all tokens to all levels, and a feed-forward part; both post-norm."""

  def __init__(self, config: PixelDecoder, name: str | None = None):
    super().__init__(name=name)
    width = config.width
    self.self_attn = DeformableAttention(
        width, config.encoder_heads, len(LEVELS), config.encoder_points)
    self.norm1 = LayerNorm(width)
    self.norm2 = LayerNorm(width)
    self.linear1 = Linear(width, config.encoder_feedforward, initializer='xavier')
    self.linear2 = Linear(config.encoder_feedforward, width, initializer='xavier')

  def call(self, x, place, reference, sizes):
    x = self.norm1(x + self.self_attn(x + place, reference, x, sizes))
    return self.norm2(x + self.linear2(tf.nn.relu(self.linear1(x))))


class DeformableEncoder(tf_keras.layers.Layer):
  """A stack of encoder layers."""

  def __init__(self, config: PixelDecoder, name: str | None = None):
    super().__init__(name=name)
    self.layers = [DeformableEncoderLayer(config) for _ in range(config.encoder_layers)]
    self._recompute = config.recompute_encoder

  def call(self, x, place, reference, sizes):
    for layer in self.layers:
      run = functools.partial(layer, reference=reference, sizes=sizes)
      # Only its input is kept of a layer; what needs a gradient must be a positional argument.
      x = tf.recompute_grad(run)(x, place) if self._recompute else run(x, place)
    return x


def reference_points(sizes: Sequence[tuple]) -> tf.Tensor:
  """Returns every token's own place in units of the image, (x, y), float32 [1, tokens, 2].

  Args:
    sizes: (height, width) of each level.
  """
  points = []
  for height, width in sizes:
    y = (tf.cast(tf.range(height), tf.float32) + 0.5) / tf.cast(height, tf.float32)
    x = (tf.cast(tf.range(width), tf.float32) + 0.5) / tf.cast(width, tf.float32)
    columns = tf.repeat(x[None], height, axis=0)
    rows = tf.repeat(y[:, None], width, axis=1)
    points.append(tf.reshape(tf.stack([columns, rows], axis=-1), [height * width, 2]))
  return tf.concat(points, axis=0)[None]


class DeformableTransformer(tf_keras.layers.Layer):
  """Holds the encoder and the embeddings of the levels under their official names."""

  def __init__(self, config: PixelDecoder, name: str | None = None):
    super().__init__(name=name)
    self.level_embed = self.add_weight(
        'level_embed', [len(LEVELS), config.width],
        initializer=tf_keras.initializers.RandomNormal(0, 1))
    self.encoder = DeformableEncoder(config)

  def call(self, maps):
    """Maps [batch, height, width, features] of each level -> the same, after attention to all."""
    sizes = [shape_ops.spatial_size(m) for m in maps]
    batch = shape_ops.batch_size(maps[0])
    features = maps[0].shape[-1]
    tokens = []
    places = []
    for i, (height, width) in enumerate(sizes):
      tokens.append(tf.reshape(maps[i], [batch, height * width, features]))
      places.append(position.sine(height, width, features) + self.level_embed[i])
    encoded = self.encoder(
        tf.concat(tokens, axis=1), tf.concat(places, axis=1), reference_points(sizes), sizes)
    outputs = []
    start = 0
    for height, width in sizes:
      level = encoded[:, start:start + height * width]
      outputs.append(tf.reshape(level, [batch, height, width, features]))
      start += height * width
    return outputs


class DeformableDecoder(tf_keras.layers.Layer):
  """The official MSDeformAttnPixelDecoder; everything in float32.

  Attributes:
    widths: channels of what transformer decoders read, by name.
  """

  def __init__(self, config: PixelDecoder, channels: dict[str, int], pre_norm: bool = False,
               name: str | None = None):
    """Makes the decoder.

    Args:
      config: its widths.
      channels: of the backbone's features, by level.
      pre_norm: not used; officially, PRE_NORM does not reach these layers.
      name: the layer's name.
    """
    del pre_norm
    super().__init__(name=name)
    self.widths = {'memory': config.width, 'maps': config.width}
    with precision.float32():
      self._make_layers(config, channels)

  def _make_layers(self, config: PixelDecoder, channels: dict[str, int]) -> None:
    options = dict(norm=config.norm, use_bias=not config.norm)
    self.input_proj = [
        [Conv2D(channels[level], config.width, 1, initializer='xavier'), GroupNorm(config.width)]
        for level in LEVELS]
    self.transformer = DeformableTransformer(config)
    self.adapter_1 = Conv2D(channels['2'], config.width, 1, **options)
    self.layer_1 = Conv2D(config.width, config.width, 3, relu=True, **options)
    self.mask_features = Conv2D(config.width, config.mask_width, 1)

  def call(self, features, seed=None):
    """Runs the decoder.

    Args:
      features: the backbone's, {'2', '3', '4', '5'}.
      seed: not used, there is no dropout.

    Returns:
      'mask_features' [batch, height / 4, width / 4, mask_width] and what transformer decoders read,
      [batch, height, width, channels]: 'memory' at stride 32, 'maps' at strides 32, 16 and 8.
    """
    del seed
    features = {level: tf.cast(x, tf.float32) for level, x in features.items()}
    projected = [
        norm(conv(features[level])) for level, (conv, norm) in zip(LEVELS, self.input_proj)]
    maps = self.transformer(projected)
    lateral = self.adapter_1(features['2'])
    above = resize.bilinear_features(maps[-1], shape_ops.spatial_size(lateral))
    y = self.layer_1(lateral + above)
    return {'mask_features': self.mask_features(y), 'memory': maps[0], 'maps': maps}
