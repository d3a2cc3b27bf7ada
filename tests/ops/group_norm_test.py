"""Group norm and its gradient against the plain formula."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.ops import lowering
from tf_maskformer.ops.group_norm import group_norm


def plain(x, weight, bias, groups):
  batch, height, width, channels = x.shape
  grouped = tf.reshape(x, [batch, height * width, groups, channels // groups])
  mean, variance = tf.nn.moments(grouped, [1, 3], keepdims=True)
  return tf.reshape((grouped - mean) / tf.sqrt(variance + 1e-5), x.shape) * weight + bias


@pytest.mark.parametrize('shape, groups', [
    ((2, 5, 7, 12), 4), ((1, 1, 3, 6), 6), ((3, 4, 4, 8), 1)])
def test_value_and_gradient(shape, groups):
  rng = np.random.default_rng(0)
  # float64: the plain way is then the exact one.
  inputs = [tf.constant(rng.normal(1.0, 2.0, s)) for s in (shape, shape[-1:], shape[-1:])]
  upstream = tf.constant(rng.normal(1.0, 2.0, shape))
  def both(function, cast):
    values = [tf.cast(v, cast) for v in inputs]
    with tf.GradientTape() as tape:
      tape.watch(values)
      y = function(*values)
      total = tf.reduce_sum(y * tf.cast(upstream, cast))
    return [y, *tape.gradient(total, values)]
  found = tf.function(lambda: both(lambda *v: group_norm(*v, groups, 1e-5), tf.float32))()
  for f, wanted in zip(found, both(lambda *v: plain(*v, groups), tf.float64)):
    np.testing.assert_allclose(f, wanted, rtol=1e-4, atol=3e-5)


def test_statistics_are_float32_in_half_precision():
  x = tf.cast(1000 + np.random.default_rng(0).normal(size=[1, 64, 64, 4]), tf.bfloat16)
  y = group_norm(x, tf.ones([4]), tf.zeros([4]), 2, 1e-5)
  assert y.dtype == tf.bfloat16
  wanted = plain(tf.cast(x, tf.float32), 1.0, 0.0, 2)
  np.testing.assert_allclose(tf.cast(y, tf.float32), wanted, rtol=2e-2, atol=2e-2)


def test_exports_add_up_equal_pixels_exactly():
  """Padding makes them; added up over both axes at once, they spoil the norm by 5e-5."""
  rng = np.random.default_rng(0)
  x = rng.normal(0, 0.1, [1, 160, 160, 8]).astype(np.float32)
  x[:, 98:] = rng.normal(size=[8])
  groups = x.astype(np.float64).reshape([1, 160, 160, 4, 2])
  mean = groups.mean((1, 2, 4), keepdims=True)
  variance = groups.var((1, 2, 4), keepdims=True)
  wanted = ((groups - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape)
  with lowering.use(lowering.Lowering(portable=True)):
    found = group_norm(tf.constant(x), tf.ones([8]), tf.zeros([8]), 4, 1e-5)
  np.testing.assert_allclose(found, wanted, atol=5e-6)
