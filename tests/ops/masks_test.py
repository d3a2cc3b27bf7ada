"""Masks out of id maps, and resizing, against slow and obvious twins."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.ops import id_maps as id_map_ops
from tf_maskformer.ops import resize

RNG = np.random.default_rng(0)


def test_segment_masks_are_the_shrunk_masks():
  id_maps = RNG.integers(0, 4, [2, 2, 12, 20]).astype(np.uint8)
  layer = np.array([[0, 1, 0], [1, 1, 0]], np.int32)
  found = id_map_ops.segment_masks(tf.constant(id_maps), tf.constant(layer), (5, 7)).numpy().reshape(2, 3, 5, 7)
  for b in range(2):
    for s in range(3):
      full = id_maps[b, layer[b, s]] == s + 1
      for y in range(5):
        for x in range(7):
          assert found[b, s, y, x] == full[y * 12 // 5, x * 20 // 7]


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_masks_of(dtype):
  id_maps = RNG.integers(0, 4, [2, 2, 6, 5]).astype(dtype)
  image, layer, slot = [1, 0, 1], [0, 1, 1], [2, 0, 1]
  found = id_map_ops.masks_of(tf.constant(id_maps), *map(tf.constant, (image, layer, slot)))
  for k in range(3):
    np.testing.assert_array_equal(found[k], id_maps[image[k], layer[k]] == slot[k] + 1)


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
  function = tf.function(
      lambda v, t: resize.bilinear(v, (height, target if static else t)),
      input_signature=[tf.TensorSpec([2, height, size] if static else [None, None, None], tf.float32),
                       tf.TensorSpec([], tf.int32)])
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
    ((32, 48), (128, 192)), ((64, 20), (128, 77)), ((31, 9), (124, 36)), ((16, 16), (64, 64)), ((48, 5), (48, 5))])
@pytest.mark.parametrize('static', [True, False])
def test_bands_give_the_whole_product_and_its_gradient(size, target, static):
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
  spec = lambda shape: tf.TensorSpec([None, *shape] if static else [None] * 3, tf.float32)
  function = tf.function(both, input_signature=[spec(size), spec(target)] + [(tf.TensorSpec([], tf.int32),) * 2] * 2)
  found, gradient = function(x, upstream, size, target)
  np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(gradient, tape.gradient(total, x), rtol=1e-4, atol=1e-4)
