"""Multi-head attention with PyTorch's parameters, initial values and dropout."""

import tensorflow as tf
import tf_keras

from tf_maskformer.modeling.layers import initializers
from tf_maskformer.modeling.layers import linear
from tf_maskformer.modeling.layers.dropout import dropout
from tf_maskformer.ops import shape as shape_ops

# Added to the logits of blocked pairs: their probabilities are exactly 0 unless logits of a row are
# that far apart, and float16 can hold it.
_BLOCKED = -30000.0


class MultiHeadAttention(tf_keras.layers.Layer):
  """`softmax(Q K^T / sqrt(features / heads)) V`, softmax in float32 (nn.MultiheadAttention)."""

  def __init__(self, features: int, heads: int, dropout_rate: float = 0.0, name: str | None = None):
    super().__init__(name=name)
    if features % heads:
      raise ValueError(f'{features} features cannot be split over {heads} heads; take a multiple')
    self._features = features
    self._heads = heads
    self._dropout_rate = dropout_rate
    # Query, key and value side by side; PyTorch's Xavier bound is that of the joint matrix.
    self.in_proj_weight = self.add_weight(
        'in_proj_weight', [features, 3 * features],
        initializer=initializers.xavier(features, 3 * features))
    self.in_proj_bias = self.add_weight('in_proj_bias', [3 * features], initializer='zeros')
    self.out_proj = linear.Linear(features, features, initializer='xavier', zero_bias=True)

  def _project(self, x, first, count):
    """Applies `count` of the three input projections, from `first` on.

    Returns:
      `count` tensors [batch, heads, n, features / heads].
    """
    d = self._features
    columns = slice(first * d, (first + count) * d)
    weight = tf.cast(self.in_proj_weight, x.dtype)[:, columns]
    bias = tf.cast(self.in_proj_bias, x.dtype)[columns]
    y = linear.affine(x, weight, bias)
    batch, tokens, _ = shape_ops.sizes(x)
    y = tf.reshape(y, [batch, tokens, count, self._heads, d // self._heads])
    return tf.unstack(tf.transpose(y, [2, 0, 3, 1, 4]), num=count)

  def call(self, query, key, value, seed=None, salt=0, blocked=None):
    """Attends.

    Args:
      query: [batch, queries, features].
      key: [batch, tokens, features]; the same object as query where both are equal (one product
        fewer).
      value: [batch, tokens, features].
      seed: of the dropout on the probabilities, see `dropout`.
      salt: of the dropout.
      blocked: bool [batch, queries, tokens], true where a query must not look, the same for all
        heads; never all of a row. None: nowhere.

    Returns:
      [batch, queries, features].
    """
    if key is query:
      q, k = self._project(query, 0, 2)
    else:
      (q,) = self._project(query, 0, 1)
      (k,) = self._project(key, 1, 1)
    (v,) = self._project(value, 2, 1)
    q = q * (self._features // self._heads) ** -0.5
    logits = tf.cast(tf.matmul(q, k, transpose_b=True), tf.float32)
    if blocked is not None:
      # A sum, not a choice: OpenVINO cannot compile an attention with a tf.where.
      logits += _BLOCKED * tf.cast(blocked[:, None], logits.dtype)
    probabilities = tf.nn.softmax(logits)
    probabilities = dropout(tf.cast(probabilities, v.dtype), self._dropout_rate, seed, salt)
    heads = tf.transpose(tf.matmul(probabilities, v), [0, 2, 1, 3])
    return self.out_proj(tf.reshape(heads, shape_ops.sizes(query)))
