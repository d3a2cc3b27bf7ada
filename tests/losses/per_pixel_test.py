"""Pixel cross entropy against TensorFlow's own operations and their gradient."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.losses import per_pixel


def slow(logits, labels):
  """The official steps: upsample four times, cut to the labels' size, cross entropy."""
  x = tf.transpose(logits, [0, 2, 3, 1])
  x = tf.image.resize(x, [4 * x.shape[1], 4 * x.shape[2]])[:, :labels.shape[1], :labels.shape[2]]
  losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(labels, 0), x)
  return tf.reduce_sum(tf.where(labels >= 0, losses, 0.0), [1, 2])


@pytest.mark.parametrize('height, width', [(20, 28), (19, 26), (64, 64)])
@pytest.mark.parametrize('compiled', [False, True])
def test_value_and_gradient(height, width, compiled):
  rng = np.random.default_rng(0)
  low = [-(-height // 4), -(-width // 4)]
  logits = tf.constant(rng.normal(size=[2, 5, *low]).astype(np.float32) * 3)
  labels = tf.constant(rng.integers(-1, 5, [2, height, width]), tf.int32)
  weights = tf.constant([1.0, 0.5])
  def of(function):
    with tf.GradientTape() as tape:
      tape.watch(logits)
      value = function(logits, labels)
      total = tf.reduce_sum(weights * value)
    return value, tape.gradient(total, logits)
  run = tf.function(lambda: of(per_pixel.cross_entropy), jit_compile=True) if compiled else (
      lambda: of(per_pixel.cross_entropy))
  for found, wanted in zip(run(), of(slow)):
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)


def test_an_image_of_void_has_no_loss_and_no_gradient():
  logits = tf.random.stateless_normal([1, 3, 4, 4], [1, 2])
  with tf.GradientTape() as tape:
    tape.watch(logits)
    value = per_pixel.cross_entropy(logits, tf.fill([1, 16, 16], -1))
  assert value.numpy() == [0.0] and not tape.gradient(value, logits).numpy().any()


def test_labels_of_id_maps():
  id_maps = np.zeros([2, 2, 2, 3], np.uint8)
  id_maps[0, 0, 0] = [1, 2, 0]
  id_maps[0, 1, 1] = [0, 3, 3]
  id_maps[1, 0, 1, 1] = 1
  classes = tf.constant([[4, 0, 2], [7, 9, 9]])
  valid = tf.constant([[True] * 3, [True, False, False]])
  labels = per_pixel.labels_of(tf.constant(id_maps), classes, valid)
  np.testing.assert_array_equal(labels, [[[4, 0, -1], [-1, 2, 2]], [[-1, -1, -1], [-1, 7, -1]]])
