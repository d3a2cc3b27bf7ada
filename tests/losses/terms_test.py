"""The formulas of the terms: values by hand, slopes against autodiff."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.losses import terms


def test_dice_of_three_pixels():
  # p = (0.5, 1, 0), m = (1, 1, 0): overlap 1.5, total 3.5.
  probability = tf.constant([[0.5, 1.0, 0.0]])
  masks = tf.constant([[1.0, 1.0, 0.0]])
  overlap, total = terms.dice_sums(probability, masks)
  assert overlap.numpy().tolist() == [1.5] and total.numpy().tolist() == [3.5]
  np.testing.assert_allclose(terms.dice(overlap, total), [1 - 4 / 4.5], rtol=1e-6)


def test_two_empty_masks_agree():
  assert terms.dice(0.0, 0.0) == 0


def test_dice_slope():
  rng = np.random.default_rng(0)
  probability = tf.constant(rng.uniform(size=[3, 4, 5]).astype(np.float32))
  masks = tf.constant(rng.integers(0, 2, [3, 4, 5]).astype(np.float32))
  with tf.GradientTape() as tape:
    tape.watch(probability)
    overlap, total = terms.dice_sums(probability, masks)
    loss = terms.dice(overlap, total)
  wanted = tape.gradient(loss, probability)
  np.testing.assert_allclose(terms.dice_slope(overlap, total, masks), wanted, rtol=1e-5, atol=1e-6)


def test_cross_entropy_of_soft_masks():
  p = 0.8
  logit = math.log(p / (1 - p))
  masks = [0.0, 0.25, 1.0]
  wanted = [-m * math.log(p) - (1 - m) * math.log(1 - p) for m in masks]
  logits = tf.fill([3], logit)
  np.testing.assert_allclose(terms.cross_entropy(logits, tf.constant(masks)), wanted, rtol=1e-6)
  by_background = terms.background_cross_entropy(logits) - masks * logits
  np.testing.assert_allclose(by_background, wanted, rtol=1e-5)


def test_focal_weights():
  assert terms.focal_weights(0.25) == (0.25, 0.75)
  assert terms.focal_weights(0.0) == (0.0, 1.0)
  assert terms.focal_weights(-1.0) == (1.0, 1.0)


@pytest.mark.parametrize('gamma', [0.0, 1.5, 2.0])
def test_focal_and_its_slope(gamma):
  logit = tf.constant([-3.0, -0.5, 0.0, 2.0])
  wrong = tf.sigmoid(logit)
  entropy = terms.background_cross_entropy(logit)
  value, slope = terms.focal_with_slope(wrong, entropy, 0.25, gamma)
  w = 1 / (1 + np.exp(-logit.numpy().astype(np.float64)))
  np.testing.assert_allclose(value, -0.25 * w**gamma * np.log(1 - w), rtol=1e-5)
  np.testing.assert_array_equal(terms.focal(wrong, entropy, 0.25, gamma), value)
  with tf.GradientTape() as tape:
    tape.watch(logit)
    p = tf.sigmoid(logit)
    loss = -0.25 * tf.pow(p, gamma) * tf.math.log(1 - p)
  np.testing.assert_allclose(slope, tape.gradient(loss, logit), rtol=1e-5)
