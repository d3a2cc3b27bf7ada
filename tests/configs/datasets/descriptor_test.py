"""Classes and rules of a data set: labels, names, what contradicts itself, how two differ."""

import dataclasses

import pytest

from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.errors import UserError

CAT = Class(7, 'cat', True, (0, 128, 255))
DOG = Class(9, 'dog', True, (1, 2, 3), labels=(3, 4), aliases=('Hot-Dog', 'puppy'))


def test_labels_of_a_class_come_before_the_rule():
  data_set = DataSet('pets', (CAT, DOG), void_labels=(0, 255))
  assert data_set.class_of_label == {0: -1, 255: -1, 7: 0, 3: 1, 4: 1}


def test_names_and_aliases():
  assert DataSet('pets', (CAT, DOG)).class_of_name == {'cat': 0, 'dog': 1, 'hot dog': 1, 'puppy': 1}


@pytest.mark.parametrize('classes, words', [
    ((CAT, CAT), 'two classes have the id 7'),
    ((DOG, dataclasses.replace(CAT, id=4)), 'two classes have the label 4'),
    ((DOG, dataclasses.replace(CAT, labels=(1, 3))), 'two classes have the label 3')])
def test_classes_that_cannot_be_told_apart(classes, words):
  with pytest.raises(UserError, match=words):
    DataSet('pets', classes)


@pytest.mark.parametrize(
    'field', ['label_form', 'instance_rule', 'semantic_rule', 'semantic_truth'])
def test_an_unknown_rule(field):
  with pytest.raises(UserError, match=f"{field}='x' is unknown"):
    DataSet('pets', (CAT,), **{field: 'x'})


@pytest.mark.parametrize('change, words', [
    ({'name': 'CAT', 'id': 1, 'color': (0, 0, 0)}, ''),
    ({'name': 'cow'}, 'class 0 is cat in a, cow in b'),
    ({'isthing': False}, 'cat, is a thing in only one')])
def test_differences_that_a_model_sees(change, words):
  other = DataSet('b', (dataclasses.replace(CAT, **change), DOG))
  found = descriptor.difference(DataSet('a', (CAT, DOG)), other)
  assert words in found and bool(words) == bool(found)


def test_another_number_of_classes():
  assert descriptor.difference(DataSet('a', (CAT,)), DataSet('b', (CAT, DOG))) == '1 of a, 2 of b'


def test_colors_of_neighbors_differ():
  colors = [descriptor.color(i) for i in range(50)]
  assert len(set(colors)) == 50
  assert all(sum(abs(a - b) for a, b in zip(*pair)) > 100 for pair in zip(colors, colors[1:]))
