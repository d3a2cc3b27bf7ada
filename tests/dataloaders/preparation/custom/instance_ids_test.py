"""Labels that number instances: exact masks, groups, what is asked."""

import re

import numpy as np
import pytest

from tests.dataloaders.preparation.custom import drawn_labels
from tf_maskformer.configs.datasets import class_lists
from tf_maskformer.dataloaders.preparation.custom import instance_ids
from tf_maskformer.errors import UserError

VALUES = [0, 7, 25003, 26, 26001, 26002]
CITY = 'classes: [{id: 7, name: road}, {id: 25, name: rider}, {id: 26, name: car}]'


def recognized(root, values, text='', suffix='.png', dtype=np.uint16, **fields):
  label = drawn_labels.blocks(values).astype(dtype)
  drawn_labels.pairs(root, [label], suffix)
  given = class_lists.ClassList()
  if text:
    (root / 'c.yaml').write_text(text)
    given = class_lists.read(f'{root}/c.yaml')
  void = tuple(fields.pop('void', given.void))
  found = instance_ids.recognize(
      drawn_labels.request(root, classes=given.classes, void=void, **fields))
  return found, label


@pytest.mark.parametrize('suffix, dtype', [('.png', np.uint16), ('.tif', np.int32)])
def test_panoptic(tmp_path, suffix, dtype):
  found, label = recognized(
      tmp_path, VALUES, CITY, suffix, dtype, task='panoptic', void=[0])
  data_set = found.data_set
  assert [(c.name, c.isthing) for c in data_set.classes] == [
      ('road', False), ('rider', True), ('car', True)]
  instances = drawn_labels.instances(drawn_labels.records(found, tmp_path), 'a0')
  wanted = {7: (0, False), 25003: (1, False), 26: (2, True), 26001: (2, False), 26002: (2, False)}
  assert len(instances) == len(wanted)
  for class_id, is_crowd, mask in instances:
    value, = np.unique(label[mask])
    assert wanted.pop(value) == (class_id, is_crowd)
    np.testing.assert_array_equal(mask, label == value)
  assert not wanted


def test_instances_alone(tmp_path):
  found, label = recognized(tmp_path, VALUES, CITY, task='instance')
  assert drawn_labels.class_names(found) == ['rider', 'car']
  instances = drawn_labels.instances(drawn_labels.records(found, tmp_path), 'a0')
  assert [(c, crowd) for c, crowd, _ in instances] == [
      (1, True), (0, False), (1, False), (1, False)]
  for (_, _, mask), value in zip(instances, [26, 25003, 26001, 26002]):
    np.testing.assert_array_equal(mask, label == value)
  table = [' '.join(line.split()) for line in found.said]
  share = f'{(label == 26).mean():.1%}'
  assert f'26 {share} - car, a group that is not told apart' in table
  assert any(re.fullmatch(r'26 .*% 2 car', line) for line in table)
  assert any(re.fullmatch('7 .*% - background, no segment', line) for line in table)


def test_numbered_void_is_void(tmp_path):
  found, label = recognized(
      tmp_path, [7, 26001, 29, 29001], CITY, task='panoptic', void=[29])
  truth = drawn_labels.records(found, tmp_path)
  is_void = drawn_labels.classes(truth, 'a0') == -1
  np.testing.assert_array_equal(is_void, np.isin(label, [29, 29001]))


def test_names_tell_the_form(tmp_path):
  label = drawn_labels.blocks(VALUES).astype(np.uint16)
  drawn_labels.image(tmp_path / 'images/a_leftImg8bit.png')
  drawn_labels.save(tmp_path / 'masks/a_gtFine_instanceIds.png', label)
  (tmp_path / 'c.yaml').write_text(CITY)
  classes = class_lists.read(f'{tmp_path}/c.yaml').classes
  found = instance_ids.recognize(drawn_labels.request(tmp_path, classes=classes, void=(0,)))
  assert found.task == 'panoptic'
  drawn_labels.save(tmp_path / 'masks/a_gtFine_labelIds.png', label)
  found = instance_ids.recognize(
      drawn_labels.request(tmp_path, classes=classes, void=(0,), task='instance'))
  assert found.task == 'instance'
  assert instance_ids.recognize(drawn_labels.request(tmp_path, task='semantic')) is None


def test_others_are_not_recognized(tmp_path):
  found, _ = recognized(tmp_path, [0, 1])
  assert found is None


@pytest.mark.parametrize('task, dtype, suffix', [
    ('instance', np.uint16, '.png'), ('panoptic', np.uint16, '.png'),
    ('instance', np.int32, '.tif')])
def test_one_class(tmp_path, task, dtype, suffix):
  high = 3 if suffix == '.png' else 70000
  found, label = recognized(
      tmp_path, [0, 1, 2, high, 255], '', suffix, dtype, task=task, binary='cell', void=[255])
  truth = drawn_labels.records(found, tmp_path)
  instances = drawn_labels.instances(truth, 'a0')
  values = [1, 2, high] if task == 'instance' else [0, 1, 2, high]
  for (class_id, is_crowd, mask), value in zip(instances, values, strict=True):
    assert not is_crowd
    assert found.data_set.classes[class_id].name == ('cell' if value else 'background')
    np.testing.assert_array_equal(mask, label == value)
  assert any('3 instances in 1 images' in line for line in found.said)


def test_one_class_in_colors(tmp_path):
  label = drawn_labels.blocks([0, 1, 2])
  colors = np.array([[0, 0, 0], [9, 200, 7], [9, 200, 8]], np.uint8)
  drawn_labels.pairs(tmp_path, [colors[label]])
  found = instance_ids.recognize(drawn_labels.request(tmp_path, task='instance', binary='cell'))
  truth = drawn_labels.records(found, tmp_path)
  masks = [mask for _, _, mask in drawn_labels.instances(truth, 'a0')]
  np.testing.assert_array_equal(masks, [label == 1, label == 2])


@pytest.mark.parametrize('values, text, fields, message', [
    (VALUES, '', {'task': 'panoptic'},
     r'hold the classes 0 \(.*, 0 instances\), 7 .*26 \(.*, 2 instances\).*{id: 25, name: ...}'),
    (VALUES, '', {'task': 'instance'}, r'hold the classes 25 \(.*, 1 instances\), 26'),
    ([0, 1, 2], '', {'task': 'instance'}, 'no value of 1000 or more, .* add --binary NAME; if'),
    ([0, 255], '', {'task': 'instance', 'binary': 'cell'}, 'not told apart; give labels with a'),
    ([0], '', {'task': 'instance', 'binary': 'cell'}, 'every pixel .* is 0; there is no cell'),
    ([7, 26001, 30001], CITY, {'task': 'instance'},
     r'neither class nor void: 30 \(.*1 instances\); in a0.png for one; give a class for it'),
    ([7, 26001, 8], CITY, {'task': 'panoptic', 'void': [9]}, 'for it, or --void 8 9'),
    ([7001, 26001], CITY.replace('road', 'road, isthing: false'), {'task': 'panoptic'},
     r'class .*road.* is stuff \(isthing: false\), but its instances are numbered'),
    ([7001, 26001], 'classes: [{id: 5, name: a, isthing: false}]', {'task': 'instance'},
     'no class has numbered instances; give --task semantic')])
def test_what_is_asked(tmp_path, values, text, fields, message):
  with pytest.raises(UserError, match=message):
    recognized(tmp_path, values, text, **fields)
