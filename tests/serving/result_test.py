"""A result's segments, maps, drawing and files say the same thing."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_tools

from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.errors import UserError
from tf_maskformer.serving import encoding
from tf_maskformer.serving.result import Result

DATA_SET = DataSet('pets', (
    Class(17, 'cat', True, (255, 0, 0)), Class(18, 'dog', True, (0, 255, 0)),
    Class(90, 'sky', False, (0, 0, 255))))


def panoptic():
  """Void in the first row, sky, and two dogs, one of them in two parts."""
  id_map = np.zeros([20, 30], np.int32)
  id_map[1:10] = 1
  id_map[10:, :15] = 2
  id_map[12:15, 20:24] = 3
  id_map[18:20, 28] = 3
  segments = [{'id': 1, 'category_id': 2, 'isthing': False, 'score': 0.5},
              {'id': 2, 'category_id': 1, 'isthing': True, 'score': 0.75},
              {'id': 3, 'category_id': 1, 'isthing': True, 'score': 0.99996}]
  image = np.random.default_rng(0).integers(0, 256, [20, 30, 3], np.uint8)
  return Result('street', image, id_map, segments, DATA_SET, 'panoptic')


def instance():
  """A cat that hides a part of a dog, a dog hidden completely, and one below the threshold."""
  masks = np.zeros([4, 20, 30], bool)
  masks[0, 5:15, 5:15] = True
  masks[1, 0:10, 10:30] = True
  masks[2, 6:8, 6:8] = True
  masks[3, 19] = True
  scores = [0.9, 0.7, 0.6, 0.2]
  classes = [0, 1, 1, 0]
  found = [{'category_id': c, 'score': s, 'mask': m} for c, s, m in zip(classes, scores, masks)]
  found.append({'category_id': 0, 'score': 0.0, 'mask': np.zeros([20, 30], bool)})
  id_map = np.zeros([20, 30], np.int32)
  segments = []
  for number, row in enumerate((found[2], found[1], found[0])):
    segments.append({**row, 'id': number + 1, 'isthing': True})
    id_map[row['mask']] = number + 1
  image = np.zeros([20, 30, 3], np.uint8)
  return Result('crowd', image, id_map, segments, DATA_SET, 'instance', found), masks


def semantic(classes=DATA_SET):
  id_map = np.ones([20, 30], np.int32)
  id_map[:, 10:] = 3
  segments = [{'id': 1, 'category_id': 0, 'isthing': False},
              {'id': 3, 'category_id': 2, 'isthing': False}]
  return Result('scene', np.zeros([20, 30, 3], np.uint8), id_map, segments, classes, 'semantic')


def read(path):
  return np.asarray(Image.open(path)).astype(int)


def test_segments():
  result = panoptic()
  assert result.size == (20, 30)
  sky, dog, other = result.segments
  assert (sky.id, sky.class_id, sky.category_id, sky.label) == (1, 2, 90, 'sky')
  assert not sky.is_thing and dog.is_thing and dog.label == 'dog' and dog.score == 0.75
  assert (sky.area, dog.area, other.area) == (9 * 30, 150, 14)
  assert (sky.box, dog.box, other.box) == ((0, 1, 30, 9), (0, 10, 15, 10), (20, 12, 9, 8))
  for segment in result.segments:
    assert segment.mask.dtype == bool
    np.testing.assert_array_equal(segment.mask, result.id_map == segment.id)
    np.testing.assert_array_equal(mask_tools.decode(segment.runs), segment.mask)


def test_labels():
  labels = panoptic().labels
  assert labels.dtype == np.int32
  assert (labels[0] == -1).all() and (labels[1:10] == 2).all() and (labels[10:, :15] == 1).all()
  assert (semantic().labels == np.where(np.arange(30) < 10, 0, 2)).all()
  result, masks = instance()
  assert (result.labels[masks[0]] == 0).all()
  assert (result.labels[masks[1] & ~masks[0]] == 1).all()
  assert (result.labels[masks[3]] == -1).all()
  result.id_map[:] = 0  # every instance hidden
  del result.labels
  assert (result.labels == -1).all()


def test_instances_are_complete():
  result, masks = instance()
  hidden, dog, cat = result.segments
  np.testing.assert_array_equal(dog.mask, masks[1])
  assert (dog.area, dog.box) == (200, (10, 0, 20, 10))
  assert (hidden.area, hidden.box) == (4, (6, 6, 2, 2))
  assert (cat.area, cat.box) == (100, (5, 5, 10, 10))
  assert cat.score == 0.9


def test_coco_rows():
  rows = panoptic().to_coco(42)
  assert [row['category_id'] for row in rows] == [18, 18]  # things only
  assert [row['image_id'] for row in rows] == [42, 42]
  assert [row['bbox'] for row in rows] == [[0, 10, 15, 10], [20, 12, 9, 8]]
  assert semantic().to_coco(1) == []
  result, masks = instance()
  rows = result.to_coco('a')
  assert [row['score'] for row in rows] == [0.9, 0.7, 0.6, 0.2]  # below the threshold, too
  for row, mask in zip(json.loads(json.dumps(rows)), masks):
    np.testing.assert_array_equal(mask_tools.decode(row['segmentation']), mask)


def test_files_of_a_panoptic_result(tmp_path):
  result = panoptic()
  result.save(tmp_path / 'new')
  files = sorted(p.name for p in (tmp_path / 'new').iterdir())
  assert files == ['street.json', 'street.png', 'street_labels.png', 'street_overlay.png']
  rgb = read(tmp_path / 'new/street.png')
  np.testing.assert_array_equal(rgb @ [1, 256, 65536], result.id_map)
  labels = read(tmp_path / 'new/street_labels.png')
  np.testing.assert_array_equal(np.where(labels == 255, -1, labels), result.labels)
  overlay = read(tmp_path / 'new/street_overlay.png')
  np.testing.assert_array_equal(overlay, np.asarray(result.draw()))
  row, = json.loads((tmp_path / 'new/street.json').read_text())['annotations']
  assert (row['image_id'], row['file_name']) == ('street', 'street.png')
  assert row['segments_info'][2] == {
      'id': 3, 'category_id': 18, 'category_name': 'dog', 'isthing': True, 'area': 14,
      'bbox': [20, 12, 9, 8], 'score': 1.0}


def test_files_of_a_semantic_result(tmp_path):
  result = semantic()
  result.save_images(tmp_path, 'a/b.c')
  assert sorted(p.name for p in (tmp_path / 'a').iterdir()) == ['b.c.png', 'b.c_overlay.png']
  np.testing.assert_array_equal(read(tmp_path / 'a/b.c.png'), result.labels)
  rows = result.to_json('b', 'b.png')['segments_info']
  assert [(row['id'], row['category_id']) for row in rows] == [(0, 17), (2, 90)]
  assert not any('score' in row for row in rows)


def test_files_of_an_instance_result(tmp_path):
  result, masks = instance()
  result.save_images(tmp_path)
  assert sorted(p.name for p in tmp_path.iterdir()) == ['crowd.png', 'crowd_overlay.png']
  rows = result.to_json('b', 'b.png')['segments_info']
  assert [row['category_name'] for row in rows] == ['dog', 'dog', 'cat']
  np.testing.assert_array_equal(mask_tools.decode(rows[1]['segmentation']), masks[1])


def test_label_images_are_shown_in_the_colors_of_the_classes(tmp_path):
  panoptic().save_images(tmp_path)
  labels = Image.open(tmp_path / 'street_labels.png')
  assert labels.mode == 'P' and labels.convert('RGB').getpixel((5, 15)) == (0, 255, 0)
  semantic().save_images(tmp_path)
  assert Image.open(tmp_path / 'scene.png').convert('RGB').getpixel((29, 0)) == (0, 0, 255)
  many = DataSet('many', tuple(Class(i, f'class {i}', True, (9, 9, 9)) for i in range(300)))
  semantic(many).save_images(tmp_path / 'many')
  np.testing.assert_array_equal(read(tmp_path / 'many/scene.png'), semantic(many).labels)


def test_color_images_hold_ids_and_differ_by_instance(tmp_path):
  result = panoptic()
  result.save_images(tmp_path, names=['color'])
  assert [p.name for p in tmp_path.iterdir()] == ['street_color.png']
  np.testing.assert_array_equal(read(tmp_path / 'street_color.png'), result.id_map)
  shown = np.asarray(Image.open(tmp_path / 'street_color.png').convert('RGB'))
  assert shown[0, 0].tolist() == [0, 0, 0] and shown[5, 5].tolist() == [0, 0, 255]
  assert shown[15, 5].tolist() == [0, 255, 0] != shown[13, 22].tolist() != [0, 0, 0]
  result.id_map[result.id_map == 3] = 70000
  result.shown[2]['id'] = 70000
  result.save_images(tmp_path, names=['color'])
  np.testing.assert_array_equal(read(tmp_path / 'street_color.png'), shown)


def test_some_classes_only():
  dogs = panoptic().only(classes=[1])
  assert [(s.id, s.label) for s in dogs.segments] == [(2, 'dog'), (3, 'dog')]
  assert (dogs.id_map == np.where(panoptic().id_map == 1, 0, panoptic().id_map)).all()
  assert (dogs.labels[1:10] == -1).all()
  scene = semantic().only(classes=[2])
  assert [s.label for s in scene.segments] == ['sky'] and (scene.labels[:, :10] == -1).all()
  assert panoptic().only(classes=[0]).segments == []
  assert len(panoptic().only().segments) == 3


def test_void_of_a_semantic_result_has_a_value_of_its_own(tmp_path):
  semantic().only(classes=[2]).save_images(tmp_path)
  assert (read(tmp_path / 'scene.png')[:, :10] == 255).all()


def test_scores_above_a_threshold_only():
  assert [s.id for s in panoptic().only(threshold=0.75).segments] == [3]
  result, masks = instance()
  low = result.only(threshold=0.1)
  assert [(s.id, s.score) for s in low.segments] == [(1, 0.2), (2, 0.6), (3, 0.7), (4, 0.9)]
  np.testing.assert_array_equal(low.id_map == 1, masks[3])
  high = result.only(threshold=0.6, classes=[1])
  assert [(s.id, s.score) for s in high.segments] == [(1, 0.7)]
  np.testing.assert_array_equal(high.id_map == 1, masks[1])  # the cat on top is gone
  assert [row['score'] for row in high.to_coco(1)] == [0.7]
  same = result.only()
  np.testing.assert_array_equal(same.id_map, result.id_map)
  assert [s.score for s in same.segments] == [s.score for s in result.segments]
  with pytest.raises(UserError, match='has no scores'):
    semantic().only(threshold=0.5)


def test_masks_may_be_run_lengths():
  result, masks = instance()
  again = Result('crowd', result.image, result.id_map, result.shown, DATA_SET, 'instance',
                 result._found)
  np.testing.assert_array_equal(again.segments[1].mask, masks[1])
  assert again.to_coco(1) == result.to_coco(1)


def test_boxes_are_drawn_around_things():
  plain = np.asarray(panoptic().draw(enlarged=False)).astype(int)
  boxed = np.asarray(panoptic().draw(enlarged=False, boxes=True)).astype(int)
  assert plain.shape == boxed.shape == (20, 30, 3)
  changed = (plain != boxed).any(axis=2)
  assert changed[19, 2:15].any() and not changed[1:9].any()  # a dog's; not the sky's


@pytest.mark.parametrize('num_classes, with_void, dtype', [
    (255, True, np.uint8), (256, True, np.uint16), (256, False, np.uint8), (257, False, np.uint16)])
def test_depth_of_label_images(num_classes, with_void, dtype):
  labels = np.array([[num_classes - 1, -1]], np.int32)
  encoded = encoding.label_image(labels, num_classes, with_void)
  assert encoded.dtype == dtype and encoded[0, 0] == num_classes - 1
  if with_void:
    assert encoded[0, 1] == np.iinfo(dtype).max != encoded[0, 0]


def test_ids_above_a_byte():
  ids = np.array([[0, 255, 256, 65536 + 2 * 256 + 3]])
  expected = [[[0, 0, 0], [255, 0, 0], [0, 1, 0], [3, 2, 1]]]
  np.testing.assert_array_equal(encoding.id_image(ids), expected)


def test_legend():
  width, height = panoptic().draw().size
  assert panoptic().draw(legend=True).size != (width, height)
  assert semantic().draw().size != semantic().draw(legend=False).size == (width, height)
  many = DataSet('many', tuple(Class(i, f'class {i}', True, (i, 0, 0)) for i in range(9)))
  segments = [{'id': i + 1, 'category_id': i, 'isthing': True} for i in range(9)]
  id_map = np.arange(30, dtype=np.int32)[None].repeat(20, axis=0) % 9 + 1
  result = Result('a', np.zeros([20, 30, 3], np.uint8), id_map, segments, many, 'panoptic')
  assert result.draw().size != (width, height)
  result.shown.pop()
  assert result.draw().size == (width, height)
