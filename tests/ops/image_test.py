"""Normalized images and padding."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.ops import image


def test_padding_is_zero_after_normalizing():
  images = np.random.default_rng(0).integers(0, 256, [2, 6, 8, 3], np.uint8)
  found = image.normalize(tf.constant(images), tf.constant([[6, 8], [4, 5]])).numpy()
  wanted = (images.astype(np.float64) - image.PIXEL_MEAN) / image.PIXEL_STD
  np.testing.assert_allclose(found[0], wanted[0], rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(found[1, :4, :5], wanted[1, :4, :5], rtol=1e-5, atol=1e-6)
  assert not found[1, 4:].any() and not found[1, :, 5:].any()


@pytest.mark.parametrize('size, divisor, wanted', [
    ((5, 8), 4, (8, 8)), ((5, 8), 0, (5, 8)), ((33, 64), 32, (64, 64))])
def test_pad_to_multiple(size, divisor, wanted):
  x = np.random.default_rng(0).normal(size=[2, *size, 3]).astype(np.float32)
  found = image.pad_to_multiple(tf.constant(x), divisor).numpy()
  assert found.shape == (2, *wanted, 3)
  np.testing.assert_array_equal(found[:, :size[0], :size[1]], x)
  assert not found[:, size[0]:].any() and not found[:, :, size[1]:].any()


def test_channels_are_red_green_blue():
  """detectron2's PIXEL_MEAN and PIXEL_STD of RGB, written out."""
  found = image.normalize(np.array([[[[255, 0, 128]]]], np.uint8), np.array([[1, 1]]))
  wanted = [(255 - 123.675) / 58.395, -116.28 / 57.12, (128 - 103.53) / 57.375]
  np.testing.assert_allclose(found[0, 0, 0], wanted, rtol=1e-6)


@pytest.mark.parametrize('divisor, wanted', [
    (0, (5, 33, 64)), (1, (5, 33, 64)), (32, (32, 64, 64))])
def test_round_up(divisor, wanted):
  assert tuple(image.round_up(tf.constant([5, 33, 64]), divisor).numpy()) == wanted
