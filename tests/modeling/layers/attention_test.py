"""Attention with blocked pairs."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.modeling.layers.attention import MultiHeadAttention


def softmax_of_allowed(query, key, value, blocked, heads):
  """Attention with -inf where pairs are blocked; the inputs are projected already."""
  batch, queries, features = query.shape
  width = features // heads
  result = np.zeros([batch, queries, features])
  for b, h in np.ndindex(batch, heads):
    own = slice(h * width, (h + 1) * width)
    logits = query[b, :, own] @ key[b, :, own].T / np.sqrt(width)
    logits[blocked[b]] = -np.inf
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    result[b, :, own] = shares @ value[b, :, own]
  return result


@pytest.mark.parametrize('scale', [1.0, 12.0])
def test_blocked_pairs_have_no_share(scale):
  """Blocked logits may be the largest, and blocked values huge."""
  rng = np.random.default_rng(0)
  layer = MultiHeadAttention(8, 2)
  layer.in_proj_weight.assign(np.concatenate([np.eye(8)] * 3, axis=1))
  layer.out_proj.weight.assign(np.eye(8))
  query = scale * rng.normal(size=[2, 5, 8]).astype(np.float32)
  key = scale * rng.normal(size=[2, 9, 8]).astype(np.float32)
  value = rng.normal(size=[2, 9, 8]).astype(np.float32)
  blocked = rng.uniform(size=[2, 5, 9]) < 0.5
  blocked[:, :, 0] = True
  blocked[:, :, 1] = False
  value[:, 0] = 1e20
  key[:, 0] = 3 * key[:, 0]
  found = layer(tf.constant(query), tf.constant(key), tf.constant(value),
                blocked=tf.constant(blocked))
  wanted = softmax_of_allowed(
      query.astype(np.float64), key.astype(np.float64), value.astype(np.float64), blocked, 2)
  np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
