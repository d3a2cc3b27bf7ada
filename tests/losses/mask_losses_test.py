"""Focal and dice losses in chunks, and their closed-form gradient, against autodiff."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.losses import mask_losses
from tf_maskformer.ops import id_maps as id_map_ops
from tf_maskformer.ops import resize

SIZE = (23, 37)
IMAGE = tf.constant([0, 1, 0, 1, 1])
PLANE = tf.constant([0, 0, 1, 1, 0])
SLOT = tf.constant([0, 1, 2, 0, 2])
RNG = np.random.default_rng(1)
LOGITS = tf.constant(RNG.normal(size=[5, 6, 9]).astype(np.float32) * 3)
ID_MAPS = tf.constant(RNG.integers(0, 4, [2, 2, *SIZE]).astype(np.uint8))
UPSTREAM = tf.constant(RNG.normal(size=[5, 2]).astype(np.float32))


def plain(logits, alpha, gamma):
  x = resize.bilinear(logits, SIZE)
  m = tf.cast(id_map_ops.masks_of(ID_MAPS, IMAGE, PLANE, SLOT), tf.float32)
  p = tf.sigmoid(x)
  entropy = tf.nn.sigmoid_cross_entropy_with_logits(m, x)
  weight = alpha * m + (1 - alpha) * (1 - m) if alpha >= 0 else 1.0
  right = p * m + (1 - p) * (1 - m)
  focal = tf.reduce_mean(weight * entropy * (1 - right)**gamma, [1, 2])
  overlap = tf.reduce_sum(p * m, [1, 2])
  dice = 1 - (2 * overlap + 1) / (tf.reduce_sum(p + m, [1, 2]) + 1)
  return tf.stack([focal, dice], 1)


def in_chunks(logits, alpha, gamma):
  return mask_losses.focal_and_dice(logits, ID_MAPS, IMAGE, PLANE, SLOT, alpha, gamma)


def with_gradient(function, logits):
  with tf.GradientTape() as tape:
    tape.watch(logits)
    losses = function(logits)
    total = tf.reduce_sum(losses * UPSTREAM)
  return losses, tape.gradient(total, logits)


@pytest.mark.parametrize('alpha, gamma', [(0.25, 2.0), (0.4, 1.5), (-1.0, 2.0)])
@pytest.mark.parametrize('compiled', [False, True], ids=['eager', 'jit'])
def test_closed_form_gradient_equals_autodiff(alpha, gamma, compiled):
  def fast(logits):
    return with_gradient(lambda x: in_chunks(x, alpha, gamma), logits)
  if compiled:
    fast = tf.function(fast, jit_compile=True)
  wanted = with_gradient(lambda x: plain(x, alpha, gamma), LOGITS)
  for found, value in zip(fast(LOGITS), wanted):
    np.testing.assert_allclose(found, value, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize('signature', [[5, 6, 9], [None, 6, 9], [None, None, None]], ids=str)
@pytest.mark.parametrize('masks_per_chunk', [2, 5, 100])
def test_size_of_the_chunks_changes_nothing(signature, masks_per_chunk, monkeypatch):
  monkeypatch.setattr(mask_losses, 'CHUNK_PIXELS', masks_per_chunk * SIZE[0] * SIZE[1])
  @tf.function(input_signature=[tf.TensorSpec(signature)])
  def fast(logits):
    return with_gradient(lambda x: in_chunks(x, 0.25, 2.0), logits)
  wanted = with_gradient(lambda x: plain(x, 0.25, 2.0), LOGITS)
  for found, value in zip(fast(LOGITS), wanted):
    np.testing.assert_allclose(found, value, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize('signature', [[0, 6, 9], [None, 6, 9], [None, None, None]], ids=str)
def test_no_masks(signature):
  nothing = tf.zeros([0], tf.int32)
  @tf.function(input_signature=[tf.TensorSpec(signature)])
  def both(logits):
    with tf.GradientTape() as tape:
      tape.watch(logits)
      losses = mask_losses.focal_and_dice(logits, ID_MAPS, nothing, nothing, nothing)
    return losses, tape.gradient(losses, logits)
  losses, gradient = both(tf.zeros([0, 6, 9]))
  assert losses.shape == [0, 2] and gradient.shape == [0, 6, 9]
