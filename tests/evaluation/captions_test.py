"""Captions can be read, stay within the image, and do not cover each other."""

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.evaluation import captions
from tf_maskformer.evaluation.captions import Caption

GRAY = (90, 90, 90)


def boxes_of(values, found):
  """Draws captions of distinct colors on black; returns left, top, right, bottom of each."""
  canvas = Image.new('RGB', values.shape[::-1])
  captions.draw(canvas, values, found)
  drawn = np.asarray(canvas)
  boxes = {}
  for caption in found:
    rows, columns = np.nonzero((drawn == caption.color).all(axis=2))
    if len(rows):
      boxes[caption.value] = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
  return boxes


def overlap(one, other):
  return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_type_grows_with_the_image():
  assert captions.text_size((64, 64)) == captions.text_size((1, 3000)) == 11
  assert captions.text_size((480, 640)) == 12
  assert captions.text_size((3000, 4000)) == 76
  assert captions.text_size((3000, 100)) == 12
  assert captions.text_size((4000, 40)) == 11


def test_the_font_has_the_letters_that_names_need():
  typeface = captions.font(20)
  missing = typeface.getmask('\uffff').getbbox()
  for letter in 'azAZ09-,./()&…':
    assert typeface.getmask(letter).getbbox() not in (None, missing), letter


def test_long_names_are_shortened():
  assert captions.shortened('wall-other-merged 0.93') == 'wall-other-merged 0.93'
  short = captions.shortened('a very long name of a class 0.93')
  assert len(short) <= 26 and short.endswith('…')


@pytest.mark.parametrize('color, ink', [
    ((255, 255, 0), 0), ((0, 0, 142), 255), ((220, 20, 60), 255), ((180, 180, 255), 0)])
def test_ink(color, ink):
  assert captions.ink(color) == (ink,) * 3


@pytest.mark.parametrize('size', [(400, 400), (3000, 4000), (100, 2000), (2000, 100)])
def test_a_caption_is_inside_its_segment(size):
  values = np.zeros(size, int)
  quarter = (slice(size[0] // 2, None), slice(size[1] // 2, None))
  values[quarter] = 1
  if size[1] == 100:
    values[:] = 1
  box = boxes_of(values, [Caption(1, 'cat', GRAY)])[1]
  assert (values[box[1]:box[3], box[0]:box[2]] == 1).all()
  assert 0 < box[0] and 0 < box[1] and box[2] < size[1] and box[3] < size[0]


def test_a_caption_is_in_the_widest_part():
  values = np.zeros([400, 600], int)
  values[100:104] = 1
  values[50:150, 400:550] = 1
  left, top, right, bottom = boxes_of(values, [Caption(1, 'horse 0.93', GRAY)])[1]
  assert 400 <= left < right <= 550 and 50 <= top < bottom <= 150


def test_a_small_segment_is_not_covered():
  values = np.zeros([400, 400], int)
  values[200:215, 200:220] = 1
  box = boxes_of(values, [Caption(1, 'ball 0.93', GRAY)])[1]
  assert not overlap(box, (200, 200, 220, 215))
  assert box[3] == 200 - 2  # just above it
  values[:] = 0
  values[0:15, 0:20] = 1  # nothing fits above
  box = boxes_of(values, [Caption(1, 'ball 0.93', GRAY)])[1]
  assert 0 < box[0] and 0 < box[1]


def test_a_tiny_segment_has_none():
  values = np.zeros([400, 400], int)
  values[200:204, 200:204] = 1
  assert not boxes_of(values, [Caption(1, 'ball', GRAY), Caption(2, 'not there', (1, 2, 3))])


def test_captions_do_not_overlap():
  values = np.zeros([480, 640], int)
  found = []
  for number in range(20):  # a crowd of narrow segments
    values[200:300, 30 * number:30 * number + 28] = number + 1
    found.append(Caption(number + 1, 'person 0.99', (100 + number, 30, 200)))
  boxes = boxes_of(values, found)
  assert len(boxes) >= 10
  numbers = list(boxes)
  for i, one in enumerate(numbers):
    for other in numbers[:i]:
      assert not overlap(boxes[one], boxes[other]), (one, other)


def test_captions_leave_most_of_the_image_free():
  values = np.arange(400)[:, None] // 40 * 10 + np.arange(400)[None] // 40 + 1
  found = [Caption(number, 'person 0.99', (number, 200, 200)) for number in range(1, 101)]
  boxes = boxes_of(values, found)
  area = sum((b[2] - b[0]) * (b[3] - b[1]) for b in boxes.values())
  assert 0.05 * 160000 < area <= 160000 / 7


def test_an_image_lower_than_its_type():
  assert not boxes_of(np.ones([5, 2000], int), [Caption(1, 'sky', GRAY)])
