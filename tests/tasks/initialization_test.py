"""Restoring `task.init_checkpoint`, and the warnings about it."""

import pytest
import tensorflow as tf
import tf_keras

from tests.modeling import tiny
from tf_maskformer.configs.backbones import Backbone
from tf_maskformer.configs.backbones import ResNet
from tf_maskformer.configs.model import Model
from tf_maskformer.configs.task import MaskClassification
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
