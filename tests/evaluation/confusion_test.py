"""The confusion matrix as CSV holds the numbers; as an image it shows each of them where it is."""

import csv

import numpy as np
import pytest

from tf_maskformer.evaluation import confusion


def matrix(count):
  """A class that is right, one that is taken for the first, one that the truth does not have."""
  pixels = np.zeros([count, count], np.int64)
  pixels[0, 0] = 100
  pixels[1, 0] = 50
  return pixels


def test_csv():
  names = ['sky', 'road, route', 'a "car"']
  pixels = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 10**12]])
  rows = list(csv.reader(confusion.as_csv(pixels, np.zeros(3, int), names).splitlines()))
  assert [row[0] for row in rows] == ['truth / prediction', *names] == rows[0]
  np.testing.assert_array_equal([[int(n) for n in row[1:]] for row in rows[1:]], pixels)


@pytest.mark.parametrize('count', [1, 2, 19, 150, 500])
def test_colors(count):
  pixels = matrix(max(count, 2))[:count, :count]
  names = [f'class {k}' for k in range(count)]
  drawn = confusion.draw(pixels, np.zeros(count, int), names).astype(int)
  assert drawn.shape[0] * drawn.shape[1] < 30e6
  cells = min(count, 400)
  # Blue is the cell of what is right, red that of what is not; about one cell each.
  blue = drawn[..., 2] - drawn[..., 0] > 100
  red = drawn[..., 0] - drawn[..., 2] > 100
  side = drawn.shape[0] / cells
  assert 0 < blue.sum() < side**2
  assert (red.sum() > 0) == (count > 1)
  if count > 1:
    rows, columns = np.nonzero(blue)
    red_rows, red_columns = np.nonzero(red)
    assert red_rows.min() > rows.max() and red_columns.min() <= columns.max()
    unseen = (drawn == 232).all(axis=2).mean(axis=1) > 0.3  # rows below
    assert unseen.any() == (count > 2) and not unseen[:red_rows.min()].any()


def test_pixels_for_which_nothing_was_predicted():
  rows = list(csv.reader(
      confusion.as_csv(np.eye(2, dtype=int), np.array([0, 7]), ['a', 'b']).splitlines()))
  assert rows[0][-1] == '(nothing)' and [row[-1] for row in rows[1:]] == ['0', '7']
  one, other = (confusion.draw(np.eye(2, dtype=int), np.array([0, missed]), ['a', 'b']).astype(int)
                for missed in (0, 7))
  assert (one != other).any()  # the second class's cell is paler


def test_long_names_and_nothing_seen():
  drawn = confusion.draw(np.zeros([2, 2], np.int64), np.zeros(2, int), ['x' * 300, 'y'])
  assert drawn.shape[1] < 1000
