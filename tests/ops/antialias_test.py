"""Resizing by matrices against the resizing of the input pipeline."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.dataloaders import augment
from tf_maskformer.ops import antialias

SIZES = [((50, 70), (32, 45)), ((97, 130), (128, 172)), ((64, 64), (64, 64)), ((40, 90), (60, 50)),
         ((1, 33), (2, 8)), ((300, 211), (33, 23))]


def image_of(size, kind):
  rng = np.random.default_rng(0)
  if kind == 'noise':
    return rng.integers(0, 256, [*size, 3], np.uint8)
  y, x = np.mgrid[:size[0], :size[1]]
  waves = [127 + 120 * np.sin(x / 9 + c) * np.cos(y / 5 - c) for c in range(3)]
  return np.stack(waves, -1).astype(np.uint8)


@pytest.mark.parametrize('kind', ['noise', 'waves'])
@pytest.mark.parametrize('is_static', [True, False])
def test_equals_the_input_pipeline(kind, is_static):
  run = antialias.resize
  if not is_static:
    run = tf.function(run, input_signature=[
        tf.TensorSpec([None, None, 3], tf.uint8),
        (tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.int32))])
  differing = 0
  total = 0
  for size, target in SIZES:
    image = tf.constant(image_of(size, kind))
    found = run(image, target if is_static else tuple(map(tf.constant, target)))
    assert found.dtype == tf.float32
    difference = np.abs(found - tf.cast(augment.resize_image(image, target), tf.float32))
    assert difference.max() <= 1
    differing += np.count_nonzero(difference)
    total += difference.size
  assert differing <= 5e-4 * total


@pytest.mark.parametrize('size, target', [(7, 3), (3, 7), (5, 5), (640, 33), (1, 1), (427, 800)])
def test_matrix(size, target):
  fixed = antialias.matrix(size, target)
  dynamic = antialias.matrix(tf.constant(size), tf.constant(target))
  assert fixed.shape == dynamic.shape == (target, size)
  np.testing.assert_allclose(fixed, dynamic, atol=1e-6)
  np.testing.assert_allclose(tf.reduce_sum(fixed, axis=1), np.ones(target), rtol=1e-6)
  if size == target:
    np.testing.assert_array_equal(fixed, np.eye(size))
