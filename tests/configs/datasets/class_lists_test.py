"""Classes as a flag names them: text, files, descriptions, built-in data sets."""

import pytest

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import class_lists
from tf_maskformer.errors import UserError


def names(text):
  return [c.name for c in class_lists.read(text).classes]


def test_nothing():
  assert class_lists.read('') == class_lists.ClassList()


def test_names_with_commas():
  classes = class_lists.read('background, road ,Traffic light').classes
  assert [(c.id, c.name, c.isthing) for c in classes] == [
      (0, 'background', True), (1, 'road', True), (2, 'Traffic light', True)]
  assert len({c.color for c in classes}) == 3


@pytest.mark.parametrize('data', [
    b'cat\ndog\n', b'\xef\xbb\xbfcat\r\n\r\n  dog', b'\ncat\ndog\n\n'])
def test_a_text_file(tmp_path, data):
  path = tmp_path / 'classes.txt'
  path.write_bytes(data)
  assert names(str(path)) == ['cat', 'dog']


def test_a_description(tmp_path):
  path = tmp_path / 'data_set.yaml'
  path.write_text('classes: [{name: cat, id: 3, labels: [4, 5]}, {name: road, id: 7}]\n'
                  'void_labels: [9]\nignored: [toy]\n')
  for text in (str(path), str(tmp_path)):
    found = class_lists.read(text)
    assert [(c.name, c.id, c.labels) for c in found.classes] == [
        ('cat', 3, (4, 5)), ('road', 7, ())]
    assert (found.void, found.ignored, found.label_form) == ((9,), ('toy',), 'values')


@pytest.mark.parametrize('rule, labels', [('index', [0, 1]), ('index + 1', [1, 2])])
def test_a_rule_becomes_labels(tmp_path, rule, labels):
  path = tmp_path / 'own.yml'
  path.write_text(f'label_rule: {rule}\nvoid_labels: [255]\n'
                  'classes: [{name: cat, id: 30}, {name: dog, id: 10}]')
  assert [c.labels for c in class_lists.read(str(path)).classes] == [(label,) for label in labels]


def test_a_built_in_data_set():
  found = class_lists.read('ade20k')
  built_in = catalog.get('ade20k')
  assert found.void == built_in.void_labels
  of_label = {label: i for i, c in enumerate(found.classes) for label in c.labels}
  assert of_label == {label: i for label, i in built_in.class_of_label.items() if i >= 0}


@pytest.mark.parametrize('text, message', [
    ('cat,,dog', '--classes has an empty name'),
    ('cat, ', '--classes has an empty name'),
    ('cat,dog,Cat', '--classes names Cat and cat, which are the same; give each class one name'),
    ('traffic_light,traffic light', 'names traffic light and traffic_light, which are the same'),
    ('none/classes', '--classes none/classes does not exist; give a file, or names with commas'),
    ('classes.txt', '--classes classes.txt does not exist; give a file'),
    ('classes.names', '--classes classes.names does not exist'),
    ('classes.json', '--classes classes.json is a file of another kind; give a text file'),
    ('none.yaml', 'none.yaml cannot be read')])
def test_mistakes(text, message):
  with pytest.raises(UserError, match=message):
    class_lists.read(text)


@pytest.mark.parametrize('data, message', [
    (b'', 'c.txt names no class'), (b' \n\n', 'c.txt names no class'),
    (b'cat\ndog\ncat', 'c.txt names cat and cat, which are the same'),
    (b'\xff\xfecat', 'c.txt cannot be read: byte 0 is not UTF-8')])
def test_files_that_are_wrong(tmp_path, data, message):
  path = tmp_path / 'c.txt'
  path.write_bytes(data)
  with pytest.raises(UserError, match=message):
    class_lists.read(str(path))
  (tmp_path / 'empty').mkdir()
  with pytest.raises(UserError, match='empty/data_set.yaml cannot be read'):
    class_lists.read(str(tmp_path / 'empty'))
