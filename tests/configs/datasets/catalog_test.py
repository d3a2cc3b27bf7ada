"""Rows of the catalog: their classes, things and label rules, and names that are unknown."""

import dataclasses

import pytest

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.errors import UserError


@pytest.mark.parametrize('name, num_classes, num_things', [
    ('ade20k', 150, 100), ('ade20k_full', 847, 0), ('ade20k_instance', 100, 100),
    ('cityscapes', 19, 8), ('cityscapes_instance', 8, 8), ('coco_instance', 80, 80),
    ('coco_panoptic', 133, 80), ('coco_stuff10k', 171, 80), ('mapillary', 65, 37),
    ('pascal_voc', 21, 20), ('pascal_voc_instance', 20, 20), ('shapes_instance', 4, 4),
    ('shapes_panoptic', 7, 4)])
def test_classes_and_things(name, num_classes, num_things):
  data_set = catalog.get(name)
  assert data_set.name == name
  assert data_set.num_classes == num_classes
  assert len(data_set.thing_classes) == num_things
  assert data_set.has_things_alone == (num_things == num_classes)
  assert sorted(data_set.contiguous_ids.values()) == list(range(num_classes))
  assert all(0 <= channel <= 255 for c in data_set.classes for channel in c.color)


def test_a_file_of_ones_own(tmp_path):
  path = tmp_path / 'data_set.yaml'
  path.write_text('classes: [cat, dog]')
  for name in (str(path), str(tmp_path)):
    assert [c.name for c in catalog.get(name).classes] == ['cat', 'dog']
  assert catalog.get(str(path)).name == tmp_path.name
  path.write_text('classes: [cat, dog, cow]')
  assert catalog.get(str(path)).num_classes == 3


@pytest.mark.parametrize('content', [None, b'\xff\xfe', b'classes: [' + b'a, ' * 3 * 10**6])
def test_a_file_that_cannot_be_read(tmp_path, content):
  path = tmp_path / 'own.yaml'
  if content:
    path.write_bytes(content)
  with pytest.raises(UserError, match='own.yaml') as error:
    catalog.get(str(path))
  assert '\n' not in str(error.value)


def test_every_row_is_tested_above():
  assert len(catalog.names()) == 13


def test_instance_rows_hold_the_things_of_the_panoptic_row():
  things = [c for c in catalog.get('coco_panoptic').classes if c.isthing]
  assert list(catalog.get('coco_instance').classes) == things


def test_an_unknown_name_comes_with_the_nearest():
  with pytest.raises(UserError, match="data set 'coco_panoptik' is unknown; did you mean coco_pan"):
    catalog.get('coco_panoptik')


@pytest.mark.parametrize('rule, value', [('index', 2), ('index + 1', 3), ('id', 21)])
def test_label_rules(rule, value):
  data_set = dataclasses.replace(
      catalog.get('shapes_panoptic'), label_rule=rule, void_labels=(255,))
  third = dataclasses.replace(data_set.classes[2], id=21)
  data_set = dataclasses.replace(
      data_set, classes=(*data_set.classes[:2], third, *data_set.classes[3:]))
  assert data_set.class_of_label[value] == 2
  assert data_set.class_of_label[255] == -1


def test_a_label_rule_that_is_unknown():
  with pytest.raises(UserError, match="label_rule='offset' is unknown"):
    dataclasses.replace(catalog.get('ade20k'), label_rule='offset')
