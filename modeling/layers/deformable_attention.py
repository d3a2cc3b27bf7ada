"""Multi-scale deformable attention (MSDeformAttn); to be made under `precision.float32`."""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from tf_maskformer.modeling.layers.linear import Linear
from tf_maskformer.ops import deformable
from tf_maskformer.ops import shape as shape_ops


def _first_offsets(heads: int, levels: int, points: int) -> np.ndarray:
  """Bias of the offsets, float32 [heads * levels * points * 2].

  Point p of head m starts p + 1 pixels away in the direction 2 pi m / heads.
  """
  angle = np.arange(heads) * (2 * math.pi / heads)
  direction = np.stack([np.cos(angle), np.sin(angle)], -1)
  direction /= np.abs(direction).max(axis=-1, keepdims=True)
  steps = np.arange(1, points + 1)[None, None, :, None]
  offsets = np.broadcast_to(direction[:, None, None] * steps, [heads, levels, points, 2])
  return offsets.reshape(-1).astype(np.float32)


class DeformableAttention(tf_keras.layers.Layer):
  """Every token reads a few places of every level, which it chooses itself."""

  def __init__(self, features: int, heads: int, levels: int, points: int, name: str | None = None):
    super().__init__(name=name)
    self._heads = heads
    self._levels = levels
    self._points = points
    self._features = features
    count = heads * levels * points
    self.sampling_offsets = Linear(features, 2 * count, initializer='zeros', zero_bias=True)
    self.sampling_offsets.bias.assign(_first_offsets(heads, levels, points))
    self.attention_weights = Linear(features, count, initializer='zeros', zero_bias=True)
    self.value_proj = Linear(features, features, initializer='xavier', zero_bias=True)
    self.output_proj = Linear(features, features, initializer='xavier', zero_bias=True)

  def call(self, query, reference, value, sizes: Sequence[tuple]):
    """Attends.

    Args:
      query: float32 [batch, queries, features].
      reference: float32 [1, queries, 2], (x, y) of every query in units of the image.
      value: float32 [batch, tokens, features], all levels.
      sizes: (height, width) of each level.

    Returns:
      float32 [batch, queries, features].
    """
    batch, queries, _ = shape_ops.sizes(query)
    # Levels and points share an axis: LiteRT slices five axes at most.
    places = [batch, queries, self._heads, self._levels * self._points]
    offsets = tf.reshape(self.sampling_offsets(query), [*places, 2])
    weights = tf.nn.softmax(tf.reshape(self.attention_weights(query), places))
    unit = tf.stack([
        tf.stack([tf.cast(width, tf.float32), tf.cast(height, tf.float32)])
        for height, width in sizes])
    unit_of_places = tf.repeat(unit, self._points, axis=0)
    locations = tf.reshape(reference, [1, queries, 1, 1, 2]) + offsets / unit_of_places
    tokens = shape_ops.sizes(value)[1]
    per_head = self._features // self._heads
    value = tf.reshape(self.value_proj(value), [batch, tokens, self._heads, per_head])
    sampled = deformable.sample(value, locations, weights, sizes)
    return self.output_proj(tf.reshape(sampled, [batch, queries, self._features]))
