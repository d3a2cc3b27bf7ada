"""Restoring `task.init_checkpoint`."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.modeling import tiny
from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.backbones import ResNet
from tf_maskformer.configs.task import MaskClassification
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.tasks import initialization


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  """A model and the checkpoint that holds it, written as the trainer does."""
  model = build_model(tiny.config(), seed=1)
  checkpoint = tf.train.Checkpoint(global_step=tf.Variable(7), model=model)
  return model, checkpoint.write(str(tmp_path_factory.mktemp('saved') / 'ckpt'))


def values(model, part=''):
  return {n: e.to_official() for n, e in names.entries(model).items() if part in n}


def test_all_modules(saved, capsys):
  source, path = saved
  model = build_model(tiny.config(), seed=2)
  report = initialization.initialize(model, MaskClassification(init_checkpoint=path, init_checkpoint_modules='all'))
  for name, value in values(source).items():
    np.testing.assert_array_equal(names.entries(model)[name].to_official(), value)
  assert len(report.restored) == len(names.entries(model)) and not report.missing
  assert f'{len(report.restored)} tensors restored, 0 kept' in capsys.readouterr().out


def test_backbone_only_leaves_the_rest(saved):
  source, path = saved
  model = build_model(tiny.config(), seed=2)
  before = values(model, 'sem_seg_head')
  report = initialization.restore(model, path, ('backbone',))
  for name, value in before.items():
    np.testing.assert_array_equal(names.entries(model)[name].to_official(), value)
  for name, value in values(source, 'backbone').items():
    np.testing.assert_array_equal(names.entries(model)[name].to_official(), value)
  assert set(report.missing) == set(before)


def test_what_does_not_fit_changes_nothing(saved):
  config = tiny.config()
  config.num_classes = 9
  model = build_model(config, seed=2)
  before = values(model)
  with pytest.raises(UserError, match='class_embed.weight is 8x64 in the file, 10x64 in the model'):
    initialization.restore(model, saved[1], initialization.MODULES)
  for name, value in before.items():
    np.testing.assert_array_equal(names.entries(model)[name].to_official(), value)


def test_missing_and_surplus_tensors_are_errors(saved, tmp_path):
  plain = build_model(tiny.config(plain_fpn=True), seed=2)
  with pytest.raises(UserError, match='does not fit|lacks'):
    initialization.restore(plain, saved[1], ('predictor',))
  backbone_only = tf.train.Checkpoint(model=tf.train.Checkpoint(backbone=saved[0].backbone))
  path = backbone_only.write(str(tmp_path / 'backbone'))
  with pytest.raises(UserError, match='lacks .* tensors of backbone, pixel_decoder, predictor'):
    initialization.restore(build_model(tiny.config(), seed=2), path, initialization.MODULES)
  config = tiny.config()
  config.transformer_decoder.layers = 2
  with pytest.raises(UserError, match='no place for'):
    initialization.restore(build_model(config, seed=2), saved[1], ('predictor',))


def test_module_names_are_checked():
  assert initialization.wanted_modules('backbone, predictor') == ('backbone', 'predictor')
  with pytest.raises(UserError, match="'backbon' is unknown; did you mean backbone"):
    initialization.wanted_modules('backbon')


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
