"""Which classes of a checkpoint are those of a model, by their names."""

import json

import pytest
import yaml

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import class_names


def pairs(source, target):
  return class_names.match([(name,) for name in source], [(name,) for name in target])


@pytest.mark.parametrize('source, target', [
    ('traffic light', 'Traffic_Light'), ('traffic light', 'trafficlight'), ('Person', ' person '),
    ('wall-brick', 'wall brick'), ('STRASSE', 'straße'), ('ｃａｒ', 'car'), ('고양이', '고양이'),
    ('road, route', 'road'), ('road', 'road, route'), ('sofa', 'sofa,couch')])
def test_spellings_of_one_name(source, target):
  assert pairs(['a', source], [target, 'b']) == {0: 1}


@pytest.mark.parametrize('source, target', [
    ('cat', 'cats'), ('door-stuff', 'door'), ('route', 'road, route'), ('', 'x'), ('cat', 'dog')])
def test_other_names(source, target):
  assert pairs([source], [target]) == {}


def test_the_full_name_comes_before_the_synonym():
  assert pairs(['bag, sack', 'bag'], ['bag', 'bag, sack']) == {0: 1, 1: 0}
  assert pairs(['bag, sack', 'bag'], ['bag, purse', 'bag']) == {0: 0, 1: 1}


def test_what_fits_several_is_not_guessed():
  assert pairs(['grill, grid', 'grill, barbecue', 'car'], ['grill', 'car']) == {1: 2}
  assert pairs(['car', 'Car', 'dog'], ['car', 'dog']) == {1: 2}
  assert pairs(['car'], ['car', 'CAR']) == {}


def test_aliases():
  assert class_names.match([('dog', 'puppy'), ('cat',)], [('kitty', 'cat'), ('puppy',)]) == {
      0: 1, 1: 0}


@pytest.mark.parametrize('name', catalog.names())
def test_every_class_of_a_data_set_is_its_own_counterpart(name):
  every = class_names.of_data_set(catalog.get(name))
  assert class_names.match(every, every) == {i: i for i in range(len(every))}


def test_a_run_and_a_hugging_face_folder_say_their_classes(tmp_path):
  experiment = registry.get('maskformer_shapes_panoptic')
  values = {'experiment': 'maskformer_shapes_panoptic', **experiment.as_dict()}
  (tmp_path / 'params.yaml').write_text(yaml.safe_dump(values))
  wanted = [(c.name, *c.aliases) for c in catalog.get('shapes_panoptic').classes]
  assert list(class_names.of_checkpoint(str(tmp_path))) == wanted

  folder = tmp_path / 'hub'
  folder.mkdir()
  config = folder / 'config.json'
  config.write_text(json.dumps({'id2label': {'1': 'mast', '0': 'hull'}}))
  weights = folder / 'model.safetensors'
  weights.write_bytes(b'x')
  for source in (folder, weights):
    assert class_names.of_checkpoint(str(source)) == (('hull',), ('mast',))
  for nameless in ({}, {'id2label': {'0': 'LABEL_0', '1': 'LABEL_1'}}):
    config.write_text(json.dumps(nameless))
    assert class_names.of_checkpoint(str(folder)) is None
  assert class_names.of_checkpoint(str(tmp_path / 'model.pkl')) is None
  config.write_text('{"id2label": 3}')
  with pytest.raises(UserError, match='config.json: id2label is not a table'):
    class_names.of_checkpoint(str(folder))
