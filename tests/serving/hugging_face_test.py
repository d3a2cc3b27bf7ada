"""A Hugging Face folder says its model, classes and task; a converted one says them again."""

import json

import numpy as np
import pytest
import safetensors.numpy

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import exports
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.scripts import convert_checkpoint
from tf_maskformer.serving import hugging_face
from tf_maskformer.serving import loading

COCO = [c.name for c in catalog.get('coco_panoptic').classes]
LABELS = ['hull', 'deck', 'mast', 'sail', 'crew']
CONFIG = {
    'model_type': 'maskformer', 'fpn_feature_size': 32, 'mask_feature_size': 32,
    'decoder_config': {'num_queries': 5, 'd_model': 32, 'decoder_layers': 1, 'decoder_ffn_dim': 32},
    'backbone_config': {
        'model_type': 'resnet', 'depths': [1, 1, 1, 1], 'hidden_sizes': [32, 64, 128, 256],
        'embedding_size': 16, 'out_features': ['stage1', 'stage2', 'stage3', 'stage4']}}


def write(folder, labels=None, **more):
  """Writes a config.json with class names; returns its path."""
  folder.mkdir(exist_ok=True)
  config = {**CONFIG, **more}
  if labels:
    config['id2label'] = {str(i): name for i, name in enumerate(labels)}
  (folder / 'config.json').write_text(json.dumps(config))
  return str(folder / 'config.json')


@pytest.fixture(scope='module', name='folder')
def write_folder(tmp_path_factory):
  """A folder with weights and classes of its own."""
  folder = tmp_path_factory.mktemp('hub') / 'ships'
  _, experiment = hugging_face.configure(write(folder, LABELS))
  model = build_model(experiment.task.model, seed=1)
  exports.write(exports.official_state(model, 0.1), str(folder / 'model.safetensors'))
  return folder, model


def assert_is(loaded, model):
  found = names.entries(loaded.model)
  for name, entry in names.entries(model).items():
    np.testing.assert_array_equal(found[name].to_official(), entry.to_official(), err_msg=name)


@pytest.mark.parametrize('source', ['', 'model.safetensors'])
def test_a_folder_needs_nothing_else(folder, source, capsys):
  path, model = folder
  loaded = loading.open_checkpoint(path / source)
  assert_is(loaded, model)
  classes = loaded.data_set.classes
  assert [c.name for c in classes] == LABELS and all(c.isthing for c in classes)
  assert len({c.color for c in classes}) == len(LABELS)
  assert catalog.get(loaded.experiment.task.data_set) == loaded.data_set
  assert loaded.experiment.task.model.num_queries == 5
  printed = capsys.readouterr().out
  assert 'are not those of a known data set' in printed and 'does not tell the task' in printed


def split(folder, output):
  """Copies a folder with its weights in two shards and an index."""
  output.mkdir()
  (output / 'config.json').write_text((folder / 'config.json').read_text())
  tensors = safetensors.numpy.load_file(folder / 'model.safetensors')
  shard_of_name = {}
  for i in range(2):
    shard = f'model-{i + 1:05}-of-00002.safetensors'
    part = {n: tensors[n] for n in sorted(tensors)[i::2]}
    safetensors.numpy.save_file(part, output / shard)
    shard_of_name.update(dict.fromkeys(part, shard))
  index = output / 'model.safetensors.index.json'
  index.write_text(json.dumps({'metadata': {'total_size': 1}, 'weight_map': shard_of_name}))


def test_shards(folder, tmp_path):
  split(folder[0], tmp_path / 'hub')
  for source in ('', 'model.safetensors.index.json'):
    assert_is(loading.open_checkpoint(tmp_path / 'hub' / source), folder[1])
  convert_checkpoint.main([f'--model_dir={tmp_path}/hub', f'--output={tmp_path}/converted'])
  assert_is(loading.open_checkpoint(tmp_path / 'converted'), folder[1])
  (tmp_path / 'hub/model-00002-of-00002.safetensors').unlink()
  with pytest.raises(UserError, match='shard model-00002-of-00002.safetensors is missing'):
    loading.open_checkpoint(tmp_path / 'hub')


def test_overrides(folder):
  found = loading.configure(folder[0], overrides=[
      'task.evaluation.semantic=True,task.evaluation.panoptic=False',
      'task.validation_data.parser.augmentation.short_edges=[64]'])
  assert found.experiment.task.evaluation.semantic
  assert found.experiment.task.validation_data.parser.augmentation.short_edges == [64]
  with pytest.raises(UserError, match='no such query|must be at least 1'):
    loading.configure(folder[0], overrides=['task.model.num_queries=0'])


def test_a_converted_folder_loads_alone(folder, tmp_path):
  path, model = folder
  convert_checkpoint.main([f'--checkpoint={path}', f'--output={tmp_path}/converted'])
  loaded = loading.open_checkpoint(tmp_path / 'converted')
  assert_is(loaded, model)
  assert [c.name for c in loaded.data_set.classes] == LABELS
  before = loading.configure(path)
  assert loaded.data_set == before.data_set
  before.experiment.task.data_set = str(tmp_path / 'converted/data_set.yaml')
  assert loaded.experiment.as_dict() == before.experiment.as_dict()


def test_a_part_of_a_model_does_not_load_alone(folder, tmp_path):
  convert_checkpoint.main(
      [f'--checkpoint={folder[0]}', '--modules=backbone', f'--output={tmp_path}/converted'])
  with pytest.raises(UserError, match='does not say of which model it is'):
    loading.open_checkpoint(tmp_path / 'converted')


def test_a_value_out_of_range_is_named(tmp_path):
  path = write(tmp_path, LABELS, fpn_feature_size=-3)
  with pytest.raises(UserError, match=r'config.json: task.model.pixel_decoder.width'):
    hugging_face.configure(path)


@pytest.mark.parametrize('labels, name', [
    (COCO, 'coco_panoptic'), ([n.upper().replace('-', ' ') for n in COCO], 'coco_panoptic'),
    (['thing'] * 20 + COCO[20:], 'coco_panoptic'), (['thing'] * 40 + COCO[40:], None),
    (COCO[1:] + COCO[:1], None), (COCO[:80], 'coco_instance'), (COCO[:79], None), (LABELS, None)])
def test_known_data_sets(labels, name):
  found = hugging_face.known_data_set(tuple(labels))
  assert (found.name if found else None) == name


def labels_of(data_set):
  return [c.name for c in catalog.get(data_set).classes]


@pytest.mark.parametrize('data_set, folder, family, name', [
    ('coco_panoptic', 'maskformer-swin-base-coco', 'maskformer', 'maskformer_coco_panoptic'),
    ('ade20k', 'maskformer-swin-tiny-ade', 'maskformer', 'maskformer_ade20k_semantic'),
    ('ade20k', 'x-ade-panoptic', 'maskformer', 'maskformer_ade20k_panoptic'),
    ('ade20k', 'mask2former-ade', 'mask2former', 'mask2former_ade20k_panoptic'),
    ('ade20k', 'mask2former-swin-large-ade-semantic', 'mask2former', 'mask2former_ade20k_semantic'),
    ('cityscapes', 'x-cityscapes-semantic', 'mask2former', 'mask2former_cityscapes_semantic'),
    ('coco_instance', 'x', 'mask2former', 'mask2former_coco_instance')])
def test_the_nearest_experiment(tmp_path, capsys, data_set, folder, family, name):
  path = write(tmp_path / folder, labels_of(data_set), model_type=family)
  found, experiment = hugging_face.configure(path)
  assert (found, experiment.task.data_set) == (name, data_set)
  printed = capsys.readouterr().out
  assert ('does not tell the task' in printed) == (not any(
      task in folder for task in ('panoptic', 'semantic', 'instance')))
