"""What is drawn shows the segments and leaves void alone, at any size."""

import types

import numpy as np
import pytest

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.evaluation import drawing

CLASSES = [
    types.SimpleNamespace(name='cat', color=(255, 0, 0)),
    types.SimpleNamespace(name='sky', color=(0, 0, 255))]


def test_classes_have_their_colors_and_void_its_image():
  image = np.full([400, 420, 3], 100, np.uint8)
  id_map = np.zeros([400, 420], int)
  id_map[:, :100] = 7
  id_map[:, 100:200] = 3
  segments = [{'id': 7, 'category_id': 0}, {'id': 3, 'category_id': 1, 'score': 0.9}]
  drawn = drawing.draw_panoptic(image, id_map, segments, CLASSES)
  assert drawn.shape == image.shape and drawn.dtype == np.uint8
  np.testing.assert_array_equal(drawn[:, 210:], image[:, 210:])
  np.testing.assert_array_equal(drawn[5, 5], [45 + 140, 45, 45])  # 45 % image, 55 % color
  np.testing.assert_array_equal(drawn[5, 150], [45, 45, 45 + 140])
  np.testing.assert_array_equal(drawn[5, 100], [255, 255, 255])  # the outline, one pixel wide
  assert (drawn[5, 101] < 255).any() and (drawn[5, 99] < 255).any()


def test_ids_without_a_segment_are_void():
  image = np.full([400, 400, 3], 80, np.uint8)
  id_map = np.full([400, 400], 5)
  drawn = drawing.draw_panoptic(image, id_map, [{'id': 2, 'category_id': 0}], CLASSES)
  np.testing.assert_array_equal(drawn, image)


def test_instances_of_a_class_differ_and_stuff_keeps_its_color():
  shades = [drawing.shade((220, 20, 60), number) for number in range(7)]
  assert shades[0] == (220, 20, 60)
  for number, color in enumerate(shades):
    assert all(0 <= channel <= 255 for channel in color)
    for other in shades[:number]:
      assert max(abs(a - b) for a, b in zip(color, other)) > 25, (color, other)


def test_many_instances_differ_and_look_like_their_class():
  classes = [c for c in catalog.get('coco_panoptic').classes if c.isthing]
  for category in classes:
    shades = {drawing.shade(category.color, number) for number in range(24)}
    assert len(shades) >= 20, category
  assert drawing.colors_of([{'category_id': 0}, {'category_id': 1}, {'category_id': 0}], CLASSES)[
      0::2] == [(255, 0, 0), drawing.shade((255, 0, 0), 1)]


def test_boxes():
  image = np.zeros([400, 400, 3], np.uint8)
  id_map = np.zeros([400, 400], int)
  segments = [{'id': 1, 'category_id': 0}, {'id': 2, 'category_id': 1}]
  drawn = drawing.draw_panoptic(
      image, id_map, segments, CLASSES, boxes=[None, (100, 200, 50, 80)])
  blue = (drawn == (0, 0, 255)).all(axis=2)
  rows, columns = np.nonzero(blue)
  assert (rows.min(), rows.max(), columns.min(), columns.max()) == (200, 279, 100, 149)
  assert not blue[210:270, 110:140].any() and drawn.any(axis=2).sum() == blue.sum()
  small = drawing.draw_panoptic(image[:100, :100], id_map[:100, :100], segments, CLASSES,
                                boxes=[(10, 20, 30, 40), (5, 5, 0, 0)])
  rows, columns = np.nonzero((small == (255, 0, 0)).all(axis=2))
  assert (rows.min(), rows.max(), columns.min(), columns.max()) == (80, 239, 40, 159)


def test_small_images_may_keep_their_size():
  id_map = np.ones([30, 40], int)
  segments = [{'id': 1, 'category_id': 0, 'score': 1.0}]
  drawn = drawing.draw_panoptic(
      np.zeros([30, 40, 3], np.uint8), id_map, segments, CLASSES, enlarged=False)
  assert drawn.shape == (30, 40, 3)


@pytest.mark.parametrize('color', [(0, 0, 0), (255, 255, 255), (128, 128, 128)])
def test_shades_of_gray(color):
  assert len({drawing.shade(color, number) for number in range(3)}) >= 2


def test_captions_name_class_and_score():
  segment = {'id': 1, 'category_id': 0, 'score': 0.957}
  assert drawing._text(segment, CLASSES) == 'cat 0.96'
  assert drawing._text({**segment, 'score': None}, CLASSES) == 'cat'
  assert drawing._text({'id': 1, 'category_id': 1}, CLASSES) == 'sky'
  image = np.zeros([400, 400, 3], np.uint8)
  id_map = np.ones([400, 400], int)
  captioned = drawing.draw_panoptic(image, id_map, [segment], CLASSES)
  assert len(np.unique(captioned.reshape(-1, 3), axis=0)) > 2  # more than the segment's color


@pytest.mark.parametrize('size', [(1, 1), (31, 64), (128, 100), (1, 300), (5, 2000), (2000, 5)])
def test_small_images_are_enlarged_by_a_whole_factor(size):
  id_map = np.ones(size, int)
  segments = [{'id': 1, 'category_id': 0, 'score': 1.0}]
  drawn = drawing.draw_panoptic(np.zeros([*size, 3], np.uint8), id_map, segments, CLASSES)
  factor = drawn.shape[0] // size[0]
  assert drawn.shape == (size[0] * factor, size[1] * factor, 3)
  assert max(drawn.shape) >= 384 and (factor == 1 or max(size) * (factor - 1) < 384)


def test_a_huge_image():
  id_map = np.ones([3000, 4000], np.int32)
  id_map[:, 2000:] = 2
  segments = [{'id': 1, 'category_id': 0}, {'id': 2, 'category_id': 1}]
  drawn = drawing.draw_panoptic(np.zeros([3000, 4000, 3], np.uint8), id_map, segments, CLASSES)
  assert drawn.shape == (3000, 4000, 3)
  white = (drawn[5] == 255).all(axis=1)
  assert 3 <= white.sum() <= 6  # the outline grows with the image


def test_the_legend_lists_classes_by_area():
  id_map = np.zeros([300, 300], np.int32)
  id_map[:100] = 1
  id_map[100:110] = 2
  id_map[110:300] = 3
  segments = [
      {'id': 1, 'category_id': 0}, {'id': 2, 'category_id': 0}, {'id': 3, 'category_id': 1},
      {'id': 4, 'category_id': 0}]
  assert drawing._entries(id_map, segments, CLASSES) == [('sky', (0, 0, 255)), ('cat', (255, 0, 0))]
  assert drawing._entries(id_map * 0, segments, CLASSES) == []
  image = np.zeros([300, 300, 3], np.uint8)
  plain = drawing.draw_panoptic(image, id_map, segments, CLASSES)
  drawn = drawing.draw_panoptic(image, id_map, segments, CLASSES, with_legend=True)
  height, width = plain.shape[:2]
  np.testing.assert_array_equal(drawn[:height, :width], plain)
  assert drawn.size > plain.size


def test_133_classes_at_once():
  classes = catalog.get('coco_panoptic').classes
  assert len(classes) == 133
  id_map = np.arange(133, dtype=np.int32).repeat(8)[None].repeat(480, axis=0) + 1
  segments = [{'id': i + 1, 'category_id': i} for i in range(133)]
  image = np.zeros([480, 1064, 3], np.uint8)
  drawn = drawing.draw_panoptic(image, id_map, segments, classes, with_legend=True)
  assert drawn.shape[0] < 3 * 480 and drawn.shape[1] < 3 * 1064
  rest = drawn.astype(int)
  rest[:480, :1064] = 255
  colors = {tuple(color) for color in np.unique(rest.reshape(-1, 3), axis=0)}
  assert {tuple(c.color) for c in classes} <= colors


def test_side_by_side():
  row = drawing.side_by_side(
      [np.zeros([100, 50, 3], np.uint8), np.zeros([200, 100, 3], np.uint8)], ['a', 'b'])
  black = (row == 0).all(axis=2).sum(axis=1)
  assert (black >= 200).sum() == 200  # both have the height of the higher
  assert row.shape[0] > 200 and 200 < row.shape[1] < 240


def test_compare_shows_truth_and_prediction():
  image = np.zeros([400, 400, 3], np.uint8)
  segments = [{'id': 1, 'category_id': 0}]
  row = drawing.compare(image, (np.ones([400, 400], int), segments), (image[..., 0], []), CLASSES)
  cat = drawing._tinted(image[:1, :1], np.ones([1, 1], int), [(255, 0, 0)])[0, 0]
  columns = np.flatnonzero((row == cat).all(axis=2).any(axis=0))
  third = row.shape[1] / 3
  assert third < columns.min() and columns.max() < 2 * third
