"""What is drawn shows the segments and leaves void alone."""

import types

import numpy as np
import pytest

from tf_maskformer.evaluation import drawing

CLASSES = [types.SimpleNamespace(name='cat', color=(255, 0, 0)), types.SimpleNamespace(name='sky', color=(0, 0, 255))]


def test_classes_have_their_colors_and_void_its_image():
  image = np.full([300, 320, 3], 100, np.uint8)
  id_map = np.zeros([300, 320], int)
  id_map[:, :100], id_map[:, 100:200] = 1, 2
  drawn = drawing.draw_panoptic(
      image, id_map, [{'id': 1, 'category_id': 0}, {'id': 2, 'category_id': 1, 'score': 0.9}], CLASSES)
  assert drawn.shape == image.shape and drawn.dtype == np.uint8
  np.testing.assert_array_equal(drawn[:, 210:], image[:, 210:])
  np.testing.assert_array_equal(drawn[5, 5], [0.4 * 100 + 0.6 * 255, 40, 40])
  assert drawn[5, 150, 2] > drawn[5, 150, 0]
  np.testing.assert_array_equal(drawn[5, 100], [255, 255, 255])  # the contour


def test_two_of_a_class_differ():
  id_map = np.repeat([[1] * 150 + [2] * 150], 300, axis=0)
  drawn = drawing.draw_panoptic(
      np.zeros([300, 300, 3], np.uint8), id_map, [{'id': i, 'category_id': 0} for i in (1, 2)], CLASSES)
  assert drawn[5, 5, 0] > drawn[5, 250, 0] > 0


@pytest.mark.parametrize('size', [(1, 1), (31, 64), (128, 100)])
def test_small_images_are_enlarged_by_a_whole_factor(size):
  drawn = drawing.draw_panoptic(np.zeros([*size, 3], np.uint8), np.zeros(size, int), [], CLASSES)
  factor = drawn.shape[0] // size[0]
  assert drawn.shape == (size[0] * factor, size[1] * factor, 3) and max(drawn.shape) >= 256


def test_side_by_side():
  row = drawing.side_by_side([np.zeros([100, 50, 3], np.uint8), np.zeros([200, 100, 3], np.uint8)], ['a', 'b'])
  assert row.shape[0] > 200 and 200 < row.shape[1] < 220
