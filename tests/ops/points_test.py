"""Samples at points against the sum over all pixels."""

import numpy as np
import tensorflow as tf

from tf_maskformer.ops import points as point_ops

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=[3, 5, 7]).astype(np.float32)
POINTS = RNG.uniform(-0.1, 1.1, [3, 40, 2]).astype(np.float32)
ID_MAPS = RNG.integers(0, 4, [1, 2, 5, 7]).astype(np.uint8)
PLANES = (0, 1, 1)  # of the slots


def slow(field, points):
  """Every pixel's value times its bilinear weight."""
  result = []
  for x, y in points * (field.shape[1], field.shape[0]) - 0.5:
    weights = {(i, j): max(1 - abs(x - j), 0) * max(1 - abs(y - i), 0)
               for i, j in np.ndindex(field.shape)}
    result.append(sum(weight * field[place] for place, weight in weights.items()))
  return result


def test_own_points():
  found = point_ops.sample(tf.constant(MAPS), tf.constant(POINTS))
  wanted = [slow(field, points) for field, points in zip(MAPS, POINTS)]
  np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_shared_points():
  found = point_ops.sample_shared(tf.constant(MAPS)[None], tf.constant(POINTS[:1]))
  wanted = [slow(field, POINTS[0]) for field in MAPS]
  np.testing.assert_allclose(found[0], np.transpose(wanted), atol=1e-5)


def test_segments():
  found = point_ops.sample_segments(
      tf.constant(ID_MAPS), tf.constant([PLANES]), tf.constant(POINTS[:1]))
  for slot, plane in enumerate(PLANES):
    mask = (ID_MAPS[0, plane] == slot + 1).astype(float)
    np.testing.assert_allclose(found[0, slot], slow(mask, POINTS[0]), atol=1e-5)


def test_chosen_masks():
  slots = [2, 0]
  planes = [PLANES[slot] for slot in slots]
  found = point_ops.sample_masks_of(
      tf.constant(ID_MAPS), tf.constant([0, 0]), tf.constant(planes), tf.constant(slots),
      tf.constant(POINTS[:2]))
  for k, (slot, plane) in enumerate(zip(slots, planes)):
    mask = (ID_MAPS[0, plane] == slot + 1).astype(float)
    np.testing.assert_allclose(found[k], slow(mask, POINTS[k]), atol=1e-5)
