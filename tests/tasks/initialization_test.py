"""Restoring `task.init_checkpoint`, and the warnings about it."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
import yaml

from tests.modeling import tiny
from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.backbones import ResNet
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.model import Model
from tf_maskformer.configs.task import MaskClassification
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import exports
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.tasks import initialization


@pytest.mark.parametrize('modules, restored', [('all', ''), ('backbone', 'backbone.')])
def test_what_is_asked_for_is_restored_and_reported(tmp_path, capsys, modules, restored):
  path = tf.train.Checkpoint(model=build_model(tiny.config(), seed=1)).write(str(tmp_path / 'ckpt'))
  model = build_model(tiny.config(), seed=2)
  report = initialization.initialize(
      model, MaskClassification(init_checkpoint=path, init_checkpoint_modules=modules))
  every = names.entries(model)
  wanted = [name for name in every if name.startswith(restored)]
  assert report.restored == sorted(wanted) and len(report.missing) == len(every) - len(wanted)
  assert f'{len(wanted)} tensors restored' in capsys.readouterr().out


def test_frozen_norm_from_scratch_is_warned_of(capsys):
  config = MaskClassification()
  assert initialization.initialize(build_model(tiny.config()), config) is None
  assert 'frozen batch norm' in capsys.readouterr().out


@pytest.mark.parametrize('stride_in_1x1', [False, True])
def test_strides_that_the_weights_do_not_know_are_warned_of(tmp_path, capsys, stride_in_1x1):
  theirs = tf_keras.applications.ResNet50(weights=None, include_top=False, input_shape=(64, 64, 3))
  theirs.save_weights(tmp_path / 'resnet.h5')
  model = tiny.config()
  model.backbone = Backbone(resnet=ResNet(stride_in_1x1=stride_in_1x1))
  initialization.initialize(build_model(model), MaskClassification(
      model=model, init_checkpoint=str(tmp_path / 'resnet.h5'), init_checkpoint_modules='backbone'))
  assert ('warning: in ResNets of Keras' in capsys.readouterr().out) != stride_in_1x1


def test_names_of_parts_are_known_without_a_model():
  assert Model.PARTS == build_model(tiny.config()).parts


HEAD = 'sem_seg_head.predictor.class_embed.weight'
SHAPES = [c.name for c in catalog.get('shapes_panoptic').classes]


def shapes_config(num_classes):
  config = tiny.config()
  config.num_classes = num_classes
  return config


def initialized(path, **options):
  """Returns a model of the 4 shapes that starts from a checkpoint of 7 classes, and its report."""
  config = shapes_config(4)
  model = build_model(config, seed=2)
  report = initialization.initialize(model, MaskClassification(
      model=config, data_set='shapes_instance', init_checkpoint=str(path), **options))
  return names.entries(model)[HEAD].to_official(), report


def test_a_run_says_its_classes(tmp_path, capsys):
  source = build_model(shapes_config(7), seed=1)
  (tmp_path / 'best').mkdir()
  for folder in (tmp_path, tmp_path / 'best'):
    tf.train.CheckpointManager(
        tf.train.Checkpoint(model=source), str(folder), max_to_keep=1).save()
  values = {'experiment': 'maskformer_shapes_panoptic',
            **registry.get('maskformer_shapes_panoptic').as_dict()}
  (tmp_path / 'params.yaml').write_text(yaml.safe_dump(values))
  wanted = names.entries(source)[HEAD].to_official()
  for place in ('', 'ckpt-1', 'best', 'best/ckpt-1'):
    head, report = initialized(tmp_path / place, init_classes='by_name')
    np.testing.assert_array_equal(head, wanted[[0, 1, 2, 3, 7]])
    assert not report.missing and not report.partial
    assert f'classes kept: {", ".join(SHAPES[:4])}' in capsys.readouterr().out


def test_a_hugging_face_folder_says_its_classes(tmp_path):
  source = build_model(shapes_config(7), seed=1)
  exports.write(exports.official_state(source, 0.1), str(tmp_path / 'model.safetensors'))
  labels = dict(enumerate(['a', 'Star', 'b', 'disc', 'c', 'd', 'e']))
  (tmp_path / 'config.json').write_text(json.dumps({'id2label': labels}))
  wanted = names.entries(source)[HEAD].to_official()
  for place in ('', 'model.safetensors'):
    head, report = initialized(tmp_path / place, init_classes='by_name')
    np.testing.assert_array_equal(head[[0, 3, 4]], wanted[[3, 1, 7]])
    assert HEAD in report.partial


def test_other_files_need_the_name_of_their_data_set(tmp_path):
  source = build_model(shapes_config(7), seed=1)
  path = tmp_path / 'model.pkl'
  exports.write(exports.official_state(source, 0.1), str(path))
  with pytest.raises(UserError, match='task.init_data_set .*shapes_panoptic has 7 classes'):
    initialized(path, init_classes='by_name')
  wanted = names.entries(source)[HEAD].to_official()
  head, _ = initialized(path, init_classes='by_name', init_data_set='shapes_panoptic')
  np.testing.assert_array_equal(head, wanted[[0, 1, 2, 3, 7]])
  with pytest.raises(UserError, match='did you mean shapes_panoptic'):
    initialized(path, init_classes='by_name', init_data_set='shapes_panoptik')
  with pytest.raises(UserError, match='has 7 classes in .* are 133'):
    initialized(path, init_classes='by_name', init_data_set='coco_panoptic')
  # What is said goes before what the file says, and is not asked for where no head is restored.
  initialized(path, init_classes='by_name', init_checkpoint_modules='backbone')


def test_the_file_of_a_data_set_with_aliases(tmp_path):
  source = build_model(shapes_config(7), seed=1)
  exports.write(exports.official_state(source, 0.1), str(tmp_path / 'model.pkl'))
  own = tmp_path / 'own.yaml'
  own.write_text('classes: [a, b, c, d, e, f, {name: g, aliases: [Square]}]')
  head, _ = initialized(
      tmp_path / 'model.pkl', init_classes='by_name', init_data_set=str(own))
  np.testing.assert_array_equal(head[[1, 4]], names.entries(source)[HEAD].to_official()[[6, 7]])
  with pytest.raises(UserError, match='gone.yaml cannot be read'):
    initialized(
        tmp_path / 'model.pkl', init_classes='by_name', init_data_set=str(tmp_path / 'gone.yaml'))


@pytest.mark.parametrize('init_classes, missing', [('by_count', 2), ('new', 2), ('strict', None)])
def test_without_names(tmp_path, init_classes, missing):
  path = tmp_path / 'model.pkl'
  exports.write(exports.official_state(build_model(shapes_config(7), seed=1), 0.1), str(path))
  if missing is None:
    with pytest.raises(UserError, match='does not fit'):
      initialized(path, init_classes=init_classes)
  else:
    assert len(initialized(path, init_classes=init_classes)[1].missing) == missing


def test_more_queries(tmp_path):
  path = tmp_path / 'model.pkl'
  source = build_model(shapes_config(7), seed=1)
  exports.write(exports.official_state(source, 0.1), str(path))
  config = shapes_config(7)
  config.num_queries = 15
  model = build_model(config, seed=2)
  report = initialization.initialize(model, MaskClassification(
      model=config, data_set='shapes_panoptic', init_checkpoint=str(path), init_queries='extend'))
  name = 'sem_seg_head.predictor.query_embed.weight'
  assert report.partial == [name]
  found = names.entries(model)[name].to_official()
  np.testing.assert_array_equal(found[:10], names.entries(source)[name].to_official())
