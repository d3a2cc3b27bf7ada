"""Boundaries as the authors' code draws them: eroded by squares, also from the image's border."""

import cv2
import numpy as np
import pytest

from tf_maskformer.evaluation import boundary


def official(mask):
  """The mask less what is left of it after erosions, in a frame of zeros."""
  framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
  width = max(int(round(0.02 * np.sqrt(mask.shape[0]**2 + mask.shape[1]**2))), 1)
  eroded = cv2.erode(framed, np.ones([3, 3], np.uint8), iterations=width)
  return mask & (eroded[1:-1, 1:-1] == 0)


@pytest.mark.parametrize('size', [
    (1, 1), (1, 90), (2, 3), (3, 2), (40, 40), (47, 90), (480, 64), (120, 333)])
def test_as_the_official_code_draws_them(size):
  rng = np.random.default_rng(size)
  cells = [side // 15 + 1 for side in size]
  for share in (0.5, 0.9, 1.0):
    ids = np.kron(rng.integers(0, 4, cells), np.ones([15, 15], int))[:size[0], :size[1]]
    ids[rng.random(size) > share] = 0
    inside = boundary.interior(ids, boundary.width_of(size))
    for one in range(4):
      mask = ids == one
      expected = official(mask)
      np.testing.assert_array_equal(boundary.of_mask(mask), expected)
      np.testing.assert_array_equal(mask & ~inside, expected)


def test_nothing_has_no_boundary():
  assert not boundary.of_mask(np.zeros([20, 30], bool)).any()


@pytest.mark.parametrize('size, width', [((1, 1), 1), ((480, 640), 16), ((1024, 2048), 46)])
def test_width(size, width):
  assert boundary.width_of(size) == width
