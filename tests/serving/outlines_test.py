"""Polygons enclose a mask's pixels and no others: with holes, parts, and corners that touch."""

import numpy as np
import pytest
import scipy.ndimage
from pycocotools import mask as mask_tools

from tf_maskformer.serving import outlines


def rasterized(polygons, size):
  """Returns the pixels that pycocotools draws."""
  if not polygons:
    return np.zeros(size, bool)
  flat = [[coordinate for corner in polygon for coordinate in corner] for polygon in polygons]
  runs = mask_tools.merge(mask_tools.frPyObjects(flat, *size))
  return mask_tools.decode(runs).astype(bool)


def area(polygon):
  """Returns the area by the shoelace formula, which cuts of no width do not change."""
  x, y = np.array(polygon, float).T
  return abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2


def check(mask):
  polygons = outlines.of_mask(mask)
  np.testing.assert_array_equal(rasterized(polygons, mask.shape), mask)
  assert len(polygons) == scipy.ndimage.label(mask)[1]
  assert sum(map(area, polygons)) == mask.sum()
  return polygons


def test_a_rectangle():
  mask = np.zeros([6, 9], bool)
  mask[2:5, 3:8] = True
  assert check(mask) == [[(3, 2), (8, 2), (8, 5), (3, 5)]]


def test_nothing():
  assert outlines.of_mask(np.zeros([4, 4], bool)) == []


def test_a_hole_is_cut_open():
  mask = np.ones([5, 5], bool)
  mask[2, 2] = False
  polygon, = check(mask)
  assert polygon.count((2, 0)) == 2 and polygon.count((2, 2)) == 2  # there and back


def test_holes_below_and_inside_each_other():
  mask = np.ones([20, 20], bool)
  mask[2:4, 5:9] = False
  mask[6:18, 5:15] = False
  mask[8:16, 7:13] = True  # an island in the hole, with a hole of its own
  mask[10:12, 9:11] = False
  assert len(check(mask)) == 2


@pytest.mark.parametrize('pixels', [[[1, 0], [0, 1]], [[0, 1], [1, 0]]])
def test_pixels_that_touch_at_a_corner_are_parts(pixels):
  assert len(check(np.array(pixels, bool))) == 2


@pytest.mark.parametrize('share', [0.1, 0.4, 0.6, 0.9])
def test_noise(share):
  rng = np.random.default_rng(0)
  for _ in range(100):
    check(rng.random(rng.integers(1, 14, 2)) < share)


def test_large_and_ragged():
  noise = np.random.default_rng(0).normal(size=(240, 320))
  mask = scipy.ndimage.gaussian_filter(noise, 2) > 0
  assert len(check(mask)) > 20
