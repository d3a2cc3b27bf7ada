"""Categories are the classes whose id and name they have; what disagrees is refused."""

import dataclasses
import json

import pytest

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.dataloaders import coco_categories
from tf_maskformer.errors import UserError


def resolve(names, data_set='coco_instance', used=None):
  return coco_categories.resolve(names, used or set(names), data_set, 'x.json')


@pytest.mark.parametrize('names, wrong', [
    ({1: 'cat', 2: 'dog'}, "1 is 'cat', there 'person', 2 is 'dog', there 'bicycle'"),
    ({17: 'dog', 18: 'cat'}, "17 is 'dog', there 'cat'"),
    ({1: 'person', 2: 'helmet'}, "1 of 2 categories .*: 2 is 'helmet', there 'bicycle'"),
    ({1: '자전거'}, "1 is '자전거', there 'person'")])
def test_ids_that_fit_with_names_that_do_not(names, wrong):
  with pytest.raises(UserError, match=wrong):
    resolve(names)


@pytest.mark.parametrize('data_set, names', [
    ('coco_instance', {1: ' Person', 46: 'wine_glass', 43: 'TENNIS-RACKET', 5: 'aeroplane',
                       63: 'sofa', 72: 'tvmonitor', 67: 'diningtable'}),
    ('coco_panoptic', {184: 'tree', 199: 'wall', 181: 'window', 187: 'sky-other'}),
    ('ade20k_instance', {8: 'windowpane', 22: 'painting', 37: 'bathtub', 38: 'railing',
                         87: 'streetlight', 89: 'television receiver', 90: 'airplane',
                         92: 'apparel', 138: 'ashcan', 55: 'case', 116: 'minibike'}),
    ('mapillary', {1: 'animal--bird', 9: 'construction--flat--crosswalk-plain',
                   23: 'human--rider--other-rider', 25: 'marking--general', 64: 'void--car-mount',
                   50: 'object--traffic-sign--back', 2: 'Ground_Animal'})])
def test_names_that_owners_use(data_set, names):
  assert resolve(names, data_set) == {number: number for number in names}


@pytest.mark.parametrize('data_set', catalog.names())
def test_own_names(data_set):
  names = {c.id: c.name for c in catalog.get(data_set).classes}
  assert resolve(names, data_set) == {number: number for number in names}


def test_an_id_that_is_not_taken_is_found_by_name():
  assert resolve({100: 'Cat', 0: 'potted_plant', 3: ''}) == {100: 17, 0: 64, 3: 3}


def test_what_is_not_used_is_not_looked_at():
  assert resolve({0: 'objects', 1: 'person', 2: 'helmet'}, used={1}) == {1: 1}


def test_what_the_data_set_does_not_have():
  with pytest.raises(UserError, match=r"does not have: \[900 'helmet', 901\]"):
    resolve({900: 'helmet', 901: ''})


def test_aliases_merge_whatever_the_ids_are(monkeypatch):
  classes = (Class(1, 'animal', True, (0, 0, 0), aliases=('cat', 'dog')),
             Class(2, 'vehicle', True, (9, 9, 9), aliases=('Car',)))
  merged = dataclasses.replace(catalog.get('coco_instance'), classes=classes)
  monkeypatch.setattr(catalog, 'get', lambda name: merged)
  assert resolve({1: 'cat', 2: 'dog', 3: 'car'}) == {1: 1, 2: 1, 3: 2}


@pytest.mark.parametrize('names', [('couch', 'sofa'), ('tree', 'tree-merged')])
def test_two_classes_of_like_names_are_two_classes(names, monkeypatch):
  classes = tuple(Class(k + 1, name, True, (k, 0, 0)) for k, name in enumerate(names))
  both = dataclasses.replace(catalog.get('coco_instance'), classes=classes)
  monkeypatch.setattr(catalog, 'get', lambda name: both)
  assert resolve({1: names[0], 2: names[1]}) == {1: 1, 2: 2}
  with pytest.raises(UserError, match=f"1 is '{names[1]}', there '{names[0]}'"):
    resolve({1: names[1], 2: names[0]})


def test_the_message_of_many_is_short():
  with pytest.raises(UserError) as error:
    resolve(dict.fromkeys(catalog.get('coco_instance').contiguous_ids, 'x' * 1000))
  assert len(str(error.value)) < 2500 and '(80 in all)' in str(error.value)
  assert json.dumps(str(error.value))
