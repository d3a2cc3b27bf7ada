"""Layer norm and its gradient against the plain formula."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.ops.layer_norm import layer_norm


def plain(x, weight, bias):
  mean, variance = tf.nn.moments(x, [-1], keepdims=True)
  return (x - mean) / tf.sqrt(variance + 1e-5) * weight + bias


@pytest.mark.parametrize('shape', [(2, 5, 12), (3, 7), (2, 3, 4, 6)])
def test_value_and_gradient(shape):
  rng = np.random.default_rng(0)
  inputs = [rng.normal(1.0, 2.0, s) for s in (shape, shape[-1:], shape[-1:])]
  upstream = rng.normal(size=shape)
  def of(function, dtype):  # float64: the plain way is then the exact one
    values = [tf.constant(v, dtype) for v in inputs]
    with tf.GradientTape() as tape:
      tape.watch(values)
      y = function(*values)
      total = tf.reduce_sum(y * tf.constant(upstream, dtype))
    return [y, *tape.gradient(total, values)]
  for found, wanted in zip(of(lambda *v: layer_norm(*v, 1e-5), tf.float32), of(plain, tf.float64)):
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=3e-5)


def test_statistics_are_float32_in_half_precision():
  x = tf.cast(1000 + np.random.default_rng(0).normal(size=[64, 256]), tf.bfloat16)
  y = layer_norm(x, tf.ones([256]), tf.zeros([256]), 1e-5)
  assert y.dtype == tf.bfloat16
  wanted = plain(tf.cast(x, tf.float32), 1.0, 0.0)
  np.testing.assert_allclose(tf.cast(y, tf.float32), wanted, rtol=2e-2, atol=2e-2)
