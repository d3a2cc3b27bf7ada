"""Masks out of id maps against slow and obvious twins."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.ops import id_maps as id_map_ops

RNG = np.random.default_rng(0)


def test_segment_masks_are_the_shrunk_masks():
  id_maps = RNG.integers(0, 4, [2, 2, 12, 20]).astype(np.uint8)
  plane = np.array([[0, 1, 0], [1, 1, 0]], np.int32)
  found = id_map_ops.segment_masks(tf.constant(id_maps), tf.constant(plane), (5, 7))
  found = found.numpy().reshape(2, 3, 5, 7)
  for b in range(2):
    for s in range(3):
      full = id_maps[b, plane[b, s]] == s + 1
      for y in range(5):
        for x in range(7):
          assert found[b, s, y, x] == full[y * 12 // 5, x * 20 // 7]


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_masks_of(dtype):
  id_maps = RNG.integers(0, 4, [2, 2, 6, 5]).astype(dtype)
  image = [1, 0, 1]
  plane = [0, 1, 1]
  slot = [2, 0, 1]
  found = id_map_ops.masks_of(tf.constant(id_maps), *map(tf.constant, (image, plane, slot)))
  for k in range(3):
    np.testing.assert_array_equal(found[k], id_maps[image[k], plane[k]] == slot[k] + 1)
