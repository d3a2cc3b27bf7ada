"""Filling a model from a checkpoint: all of it, parts of it, and what does not fit."""

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling import tiny
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.modeling.factory import build_model


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  """A model and the checkpoint that holds it, written as the trainer does."""
  model = build_model(tiny.config(), seed=1)
  checkpoint = tf.train.Checkpoint(global_step=tf.Variable(7), model=model)
  return model, checkpoint.write(str(tmp_path_factory.mktemp('saved') / 'ckpt'))


def values(model, part=''):
  return {n: e.to_official() for n, e in names.entries(model).items() if part in n}


def assert_same(found, wanted):
  assert set(found) == set(wanted)
  for name, value in wanted.items():
    np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_everything_is_restored(saved):
  source, path = saved
  model = build_model(tiny.config(), seed=2)
  report = restore.restore(model, path)
  assert_same(values(model), values(source))
  assert report.restored == sorted(values(source)) and not report.missing


def test_backbone_only_leaves_the_rest(saved):
  source, path = saved
  model = build_model(tiny.config(), seed=2)
  before = values(model, 'sem_seg_head')
  report = restore.restore(model, path, ('backbone',))
  assert_same(values(model, 'sem_seg_head'), before)
  assert_same(values(model, 'backbone'), values(source, 'backbone'))
  assert set(report.missing) == set(before)


def test_what_does_not_fit_changes_nothing(saved):
  config = tiny.config()
  config.num_classes = 9
  model = build_model(config, seed=2)
  before = values(model)
  with pytest.raises(UserError, match='class_embed.weight is 8x64 in the file, 10x64 in the model'):
    restore.restore(model, saved[1])
  assert_same(values(model), before)


def test_missing_tensors_are_an_error(saved, tmp_path):
  backbone_only = tf.train.Checkpoint(model=tf.train.Checkpoint(backbone=saved[0].backbone))
  path = backbone_only.write(str(tmp_path / 'backbone'))
  words = 'does not have .* tensors of backbone, pixel_decoder, predictor'
  with pytest.raises(UserError, match=words):
    restore.restore(build_model(tiny.config(), seed=2), path)
  # A predictor with a projection that the file does not have.
  with pytest.raises(UserError, match='does not have 2 of .*input_proj'):
    restore.restore(build_model(tiny.config(plain_fpn=True), seed=2), saved[1], ('predictor',))


def test_surplus_tensors_are_an_error(saved):
  config = tiny.config()
  config.transformer_decoder.layers = 2
  with pytest.raises(UserError, match='no place for'):
    restore.restore(build_model(config, seed=2), saved[1], ('predictor',))


def test_part_names_are_checked():
  model = build_model(tiny.config())
  assert restore.wanted_parts('backbone, predictor', model) == ('backbone', 'predictor')
  assert restore.wanted_parts('all', model) == ('backbone', 'pixel_decoder', 'predictor')
  with pytest.raises(UserError, match="'backbon' is unknown; did you mean backbone"):
    restore.wanted_parts('backbon', model)


def test_parts_are_those_of_the_model():
  """A part whose name were missing would never be restored, nor missed."""
  model = build_model(tiny.config())
  parts = {name.removeprefix('sem_seg_head.').split('.')[0] for name in names.entries(model)}
  assert parts == set(model.parts)
