"""Resizing against slow and obvious twins."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.ops import resize

RNG = np.random.default_rng(0)


def bilinear_slowly(row, target):
  """One row, half-pixel centers, no antialias."""
  result = []
  for i in range(target):
    place = max((i + 0.5) * len(row) / target - 0.5, 0)
    low = int(place)
    high = min(low + 1, len(row) - 1)
    result.append(row[low] * (1 - (place - low)) + row[high] * (place - low))
  return result


@pytest.mark.parametrize('size, target', [(4, 16), (5, 7), (7, 3), (1, 4), (6, 6)])
@pytest.mark.parametrize('static', [True, False])
def test_bilinear(size, target, static):
  x = RNG.normal(size=[2, 3, size]).astype(np.float32)
  wanted = np.stack([[bilinear_slowly(r, target) for r in image] for image in x])
  height = 3
  shape = [2, height, size] if static else [None, None, None]
  function = tf.function(
      lambda v, t: resize.bilinear(v, (height, target if static else t)),
      input_signature=[tf.TensorSpec(shape), tf.TensorSpec([], tf.int32)])
  np.testing.assert_allclose(function(x, target), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('size, target', [(4, 8), (5, 9), (9, 4), (3, 3)])
def test_nearest_is_the_legacy_rule(size, target):
  x = RNG.normal(size=[1, size, 2, 3]).astype(np.float32)
  for given in (tf.constant(x), None):
    if given is None:
      found = tf.function(lambda v, t: resize.nearest(v, (t, 2)), input_signature=[
          tf.TensorSpec([None] * 4), tf.TensorSpec([], tf.int32)])(x, target)
    else:
      found = resize.nearest(given, (target, 2))
    np.testing.assert_array_equal(found, x[:, [i * size // target for i in range(target)]])


@pytest.mark.parametrize('size, target', [
    ((32, 48), (128, 192)), ((64, 20), (128, 77)), ((31, 9), (124, 36)), ((16, 16), (64, 64)),
    ((48, 5), (48, 5))])
@pytest.mark.parametrize('static', [True, False])
def test_bands_give_the_full_product_and_its_gradient(size, target, static):
  x = RNG.normal(size=[3, *size]).astype(np.float32)
  upstream = RNG.normal(size=[3, *target]).astype(np.float32)
  x, upstream = tf.constant(x), tf.constant(upstream)
  with tf.GradientTape() as tape:
    tape.watch(x)
    rows, columns = (resize.bilinear_matrix(*s) for s in zip(size, target))
    wanted = tf.einsum('ph,nhw,qw->npq', rows, x, columns)
    total = tf.reduce_sum(wanted * upstream)
  def both(v, g, low, high):
    if static:
      low, high = size, target
    return resize.bilinear(v, high), resize.bilinear_transposed(g, low)
  maps_specs = [tf.TensorSpec([None, *shape] if static else [None] * 3) for shape in (size, target)]
  size_spec = (tf.TensorSpec([], tf.int32),) * 2
  function = tf.function(both, input_signature=[*maps_specs, size_spec, size_spec])
  found, gradient = function(x, upstream, size, target)
  np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(gradient, tape.gradient(total, x), rtol=1e-4, atol=1e-4)
