"""Statistics that a trained batch norm keeps: PyTorch's momentum 0.1, epsilon 1e-5."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.modeling.layers import norms


# Keras divides by n - 1 as PyTorch does, but not where replicas share their statistics.
@pytest.mark.parametrize('kind, less', [('batch', 1), ('sync', 0)])
def test_running_statistics_follow_by_a_tenth(kind, less):
  x = np.random.default_rng(0).normal(3.0, 2.0, [2, 5, 7, 4]).astype(np.float32)
  norm = norms.build(kind, 4)
  norm(tf.constant(x), training=True)
  mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2), ddof=less)
  np.testing.assert_allclose(norm.moving_mean, 0.1 * mean, rtol=1e-5)
  np.testing.assert_allclose(norm.moving_variance, 0.9 + 0.1 * variance, rtol=1e-5)
  wanted = (x - norm.moving_mean) / np.sqrt(norm.moving_variance + 1e-5)
  np.testing.assert_allclose(norm(tf.constant(x), training=False), wanted, rtol=1e-4, atol=1e-5)


def test_a_fresh_frozen_norm_is_the_identity():
  x = np.random.default_rng(1).normal(size=[1, 2, 3, 4]).astype(np.float32)
  np.testing.assert_allclose(norms.build('frozen', 4)(tf.constant(x)), x, rtol=1e-6)
