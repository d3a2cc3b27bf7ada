"""The YAML file of a data set: short and long forms, written and read, and what is refused."""

import pytest

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.errors import UserError


def parse(text, path='/data/pets.yaml'):
  return descriptor_file.parse(text, path, catalog.get)


def test_a_list_of_names():
  data_set = parse('classes: [cat, dog, 3]').data_set
  assert data_set.name == 'pets'
  assert [(c.id, c.name, c.isthing) for c in data_set.classes] == [
      (0, 'cat', True), (1, 'dog', True), (2, '3', True)]
  assert data_set.class_of_label == {0: 0, 1: 1, 2: 2, 255: -1}


def test_every_field_of_a_class():
  text = ('classes: [{id: 7, name: a, isthing: 0, color: [0, 128, 255], labels: [1, [0, 1, 2]], '
          'aliases: [b]}]')
  assert parse(text).data_set.classes == (
      Class(7, 'a', False, (0, 128, 255), (1, 256 + 2 * 65536), ('b',)),)


def test_color_masks_have_no_void_unless_told():
  assert parse('{classes: [a], label_form: colors}').data_set.void_labels == ()
  text = '{classes: [a], label_form: colors, void_labels: [[0, 0, 1]]}'
  assert parse(text).data_set.void_labels == (65536,)


def test_where_the_data_are():
  found = parse(
      'classes: [a]\ntask: instance\n'
      'splits: {train: {images: a/b, annotations: /c.json}, val: {images: gs://x, annotations: y}}')
  assert found.task == 'instance'
  assert found.splits == {
      'train': descriptor_file.Lot('/data/a/b', '/c.json'),
      'val': descriptor_file.Lot('gs://x', '/data/y')}


def test_the_things_of_another():
  things = parse('things_of: coco_panoptic').data_set
  assert things.classes == catalog.get('coco_instance').classes


@pytest.mark.parametrize('name', catalog.names())
def test_written_and_read_again(name):
  data_set = catalog.get(name)
  assert parse(descriptor_file.text_of(data_set)).data_set == data_set


def test_names_that_yaml_takes_for_something_else():
  data_set = parse('classes: ["no", "1.5", "null", "a: b", "한국", "# x", "\\n"]').data_set
  assert parse(descriptor_file.text_of(data_set)).data_set == data_set


GOOD = '{id: 7, name: a, isthing: 1, color: [0, 128, 255]}'


@pytest.mark.parametrize('text, problem', [
    ('classes: []', 'a list of 1 to 65535 classes'), ('classes: {}', 'a list of'),
    ('name: x', 'a list of'), ('[]', 'does not describe'), ('3', 'does not describe'),
    ('classes: [[3]]', 'class 0 is neither a name nor a group'),
    ('classes: [true]', 'class 0 is neither'), ('classes: [1.5]', 'class 0 is neither'),
    (f'classes: [{GOOD}, {GOOD}]', 'two classes have the id 7'),
    ('classes: [{name: a, id: -1}]', 'id is not'),
    ('classes: [{name: a, id: 2147483648}]', 'id is not'),
    ('classes: [{name: a, id: true}]', 'id is not'), ('classes: [{id: 1}]', 'name is not text'),
    ('classes: [{name: 3}]', 'name is not text'), (f'classes: [{{name: {"x" * 201}}}]', 'name is'),
    ('classes: [{name: a, isthing: 2}]', 'isthing is'),
    ('classes: [{name: a, isthing: [1]}]', 'isthing is'),
    ('classes: [{name: a, color: [1, 2]}]', 'color is'),
    ('classes: [{name: a, color: [1, 2, 256]}]', 'color is'),
    ('classes: [{name: a, color: red}]', 'color is'),
    ('classes: [{name: a, colour: [1, 2, 3]}]', 'did you mean color'),
    ('classes: [{name: a, labels: 3}]', 'labels is not a list'),
    ('classes: [{name: a, labels: [-3]}]', 'labels holds something'),
    ('classes: [{name: a, aliases: [3]}]', 'aliases is not text'),
    ('{classes: [a], void: [0]}', 'did you mean void_labels'),
    ('{classes: [a], void_labels: 255}', 'void_labels is not a list'),
    ('{classes: [a], ignored: a}', 'ignored is not a list'),
    ('{classes: [a], task: detection}', 'task is detection'),
    ('{classes: [a], train_examples: many}', 'train_examples is not a whole'),
    ('{classes: [a], splits: []}', 'splits is not a group'),
    ('{classes: [a], splits: {train: images}}', r'splits.train is not a group'),
    ('{classes: [a], splits: {train: {images: 3, annotations: b}}}', 'train.images is not text'),
    ('{classes: [a], things_of: coco_panoptic}', 'not both'), ('things_of: cocoo', 'is unknown'),
    ('classes: [a\n', r'line \d: not a YAML file'), ('classes: [a]\nclasses: [b]', 'given twice'),
    ('[' * 5000, 'nested deeper than 32')])
def test_refused(text, problem):
  with pytest.raises(UserError, match=problem) as error:
    parse(text)
  assert '\n' not in str(error.value)
