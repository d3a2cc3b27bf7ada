"""SSD's color changes against OpenCV, which the official mapper uses."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.dataloaders import color


@pytest.fixture(name='image')
def draw():
  return np.random.default_rng(0).integers(0, 256, [120, 512, 3]).astype(np.uint8)


def floats(x):
  return tf.constant(x, tf.float32)


def test_to_hsv_is_opencv(image):
  image[:, :40] = image[:, :40, :1]  # grays, which have no hue
  image[0, :3] = [[0, 0, 0], [255, 255, 255], [255, 0, 0]]
  np.testing.assert_array_equal(color.to_hsv(floats(image)), cv2.cvtColor(image, cv2.COLOR_RGB2HSV))


def test_to_rgb_is_opencv(image):
  image[..., 0] %= 180
  found, wanted = color.to_rgb(floats(image)).numpy(), cv2.cvtColor(image, cv2.COLOR_HSV2RGB)
  # The fraction is cut off: where it is zero but for rounding, a neighbor is as right.
  assert np.abs(found - wanted).max() <= 1 and (found != wanted).mean() < 0.02


def official(image, change, strength):
  """One step of detectron2's ColorAugSSDTransform, on RGB.

  Hue and saturation do not depend on the order of channels.
  """
  cut = lambda x: np.clip(x, 0, 255).astype(np.uint8)
  if change == 'brightness':
    return cut(image.astype(np.float32) + strength)
  if change == 'contrast':
    return cut(image.astype(np.float32) * strength)
  hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
  if change == 'saturation':
    hsv[..., 1] = cut(hsv[..., 1].astype(np.float32) * strength)
  else:
    hsv[..., 0] = (hsv[..., 0].astype(int) + strength) % 180
  return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


@pytest.mark.parametrize('change, strength', [
    ('brightness', 31.7), ('brightness', -31.7), ('contrast', 0.53), ('contrast', 1.47),
    ('saturation', 0.61), ('saturation', 1.4), ('hue', 17), ('hue', -18)])
def test_each_step(image, change, strength):
  found = getattr(color, change)(floats(image), floats(strength)).numpy()
  wanted = official(image, change, strength)
  assert np.abs(found - wanted).max() <= 1 and (found != wanted).mean() < 0.02


def test_jitter_follows_its_seed_and_leaves_a_sixteenth_alone(image):
  small = image[:4, :8]
  jitter = tf.function(color.jitter)
  results = [jitter(small, tf.constant([1, i])).numpy() for i in range(200)]
  np.testing.assert_array_equal(results[3], color.jitter(small, tf.constant([1, 3])))
  untouched = sum((r == small).all() for r in results)
  assert 4 <= untouched <= 25 and results[0].dtype == np.uint8
