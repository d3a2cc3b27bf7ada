"""One door: a run's folder says everything, other checkpoints need a name."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
import yaml

import tf_maskformer
from tf_maskformer.configs import overrides
from tf_maskformer.configs.experiments import registry
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import exports
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.serving import loading

NAME = 'maskformer_shapes_panoptic'
CHANGES = ('task.model.num_queries=9,task.model.backbone.resnet.norm=group,'
           'task.model.pixel_decoder.width=32,task.model.pixel_decoder.mask_width=32,'
           'task.model.transformer_decoder.layers=1,task.evaluation.object_mask_threshold=0.25')


def experiment_of_run():
  experiment = registry.get(NAME)
  overrides.apply(experiment, CHANGES)
  experiment.task.resolve()
  return experiment


@pytest.fixture(scope='module', name='run')
def write_run(tmp_path_factory):
  """Returns a run's folder with three checkpoints and its params.yaml, and the models in it."""
  folder = tmp_path_factory.mktemp('runs') / 'changed'
  experiment = experiment_of_run()
  models = {
      'newest': build_model(experiment.task.model, seed=0),
      'best': build_model(experiment.task.model, seed=1)}
  for name, place in (('best', folder / 'best'), ('best', folder), ('newest', folder)):
    checkpoint = tf.train.Checkpoint(model=models[name], global_step=tf.Variable(0, dtype=tf.int64))
    manager = tf.train.CheckpointManager(checkpoint, str(place), max_to_keep=5)
    manager.save(checkpoint_number=2 if name == 'newest' else 1)
  text = yaml.safe_dump({'experiment': NAME, **experiment.as_dict()})
  (folder / 'params.yaml').write_text(text)
  return folder, models


def assert_is(loaded, model):
  found = names.entries(loaded.model)
  for name, entry in names.entries(model).items():
    np.testing.assert_array_equal(found[name].to_official(), entry.to_official(), err_msg=name)


@pytest.mark.parametrize('source, which', [
    ('', 'newest'), ('ckpt-1', 'best'), ('ckpt-2.index', 'newest'), ('best', 'best'),
    ('best/ckpt-1', 'best')])
def test_a_run_needs_only_its_folder(run, source, which):
  folder, models = run
  loaded = loading.open_checkpoint(folder / source)
  assert loaded.name == NAME and loaded.experiment.as_dict() == experiment_of_run().as_dict()
  assert [c.name for c in loaded.data_set.classes][:2] == ['disc', 'square']
  assert not loaded.report.missing
  assert_is(loaded, models[which])


def test_trailing_slash_and_relative_paths(run, monkeypatch):
  folder, models = run
  assert_is(loading.open_checkpoint(f'{folder}/best/'), models['best'])
  monkeypatch.chdir(folder)
  assert_is(loading.open_checkpoint('.'), models['newest'])
  assert_is(loading.open_checkpoint('ckpt-1'), models['best'])
  assert_is(loading.open_checkpoint('best'), models['best'])
  monkeypatch.chdir(folder / 'best')
  assert_is(loading.open_checkpoint('ckpt-1'), models['best'])


def test_overrides_change_a_run(run, tmp_path):
  path = tmp_path / 'a.yaml'
  path.write_text('task: {evaluation: {overlap_threshold: 0.1, object_mask_threshold: 0.2}}')
  found = loading.configure(
      run[0], overrides=['task.evaluation.overlap_threshold=0.3'], config_files=[str(path)])
  evaluation = found.experiment.task.evaluation
  assert (evaluation.overlap_threshold, evaluation.object_mask_threshold) == (0.3, 0.2)


def test_the_environment_is_looked_at_only_where_asked_for(run, monkeypatch):
  monkeypatch.setenv('NO_OBJ_CLS_WEIGHT', '0.7')
  assert loading.configure(run[0]).experiment.task.losses.no_object_weight == 0.1
  found = loading.configure(run[0], environ={'NO_OBJ_CLS_WEIGHT': '0.7'})
  assert found.experiment.task.losses.no_object_weight == 0.7


def test_a_named_experiment_takes_the_place_of_the_folders(run):
  with pytest.raises(UserError, match='does not fit the model'):
    loading.open_checkpoint(run[0], experiment=NAME)
  assert_is(loading.open_checkpoint(run[0], NAME, [CHANGES]), run[1]['newest'])


def test_a_file_of_another_library_needs_a_name(run, tmp_path):
  path = tmp_path / 'model_final.pkl'
  exports.write(exports.official_state(run[1]['best'], 0.1), str(path))
  with pytest.raises(UserError, match='does not say of which model it is; name the experiment'):
    loading.open_checkpoint(path)
  assert_is(loading.open_checkpoint(path, NAME, [CHANGES]), run[1]['best'])


def test_what_is_not_there(tmp_path):
  with pytest.raises(UserError, match='does not exist'):
    loading.open_checkpoint(tmp_path / 'none')
  with pytest.raises(UserError, match='num_queries'):
    loading.open_checkpoint(tmp_path / 'none', NAME, ['task.model.num_queries=x'])
  with pytest.raises(UserError, match='no checkpoint is in the folder'):
    loading.open_checkpoint(tmp_path, NAME)


def test_settings_are_validated(run):
  with pytest.raises(UserError, match='its heads .* do not divide'):
    loading.open_checkpoint(run[0], overrides=['task.model.transformer_decoder.heads=3'])


def test_load_predicts(run):
  predictor = tf_maskformer.load(str(run[0]))
  found = predictor.predict(np.zeros([32, 40, 3], np.uint8))
  assert found is not None


def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(run, tmp_path, capsys):
  folder = tmp_path / 'copy'
  shutil.copytree(run[0], folder)
  (folder / 'checkpoint').unlink()
  data = folder / 'ckpt-2.data-00000-of-00001'
  data.write_bytes(data.read_bytes()[:-100])
  loaded = loading.open_checkpoint(folder)
  assert_is(loaded, run[1]['best'])
  assert 'ckpt-2 cannot be read' in capsys.readouterr().out
  assert loaded.report.path == str(folder)
  with pytest.raises(UserError, match='ckpt-2 cannot be read'):
    loading.open_checkpoint(folder / 'ckpt-2')


def test_weights_that_are_not_finite(tmp_path):
  experiment = experiment_of_run()
  model = build_model(experiment.task.model, seed=0)
  model.variables[0].assign(model.variables[0] * np.nan)
  tf.train.CheckpointManager(
      tf.train.Checkpoint(model=model), str(tmp_path), max_to_keep=1).save()
  (tmp_path / 'params.yaml').write_text(
      yaml.safe_dump({'experiment': NAME, **experiment.as_dict()}))
  for source in (tmp_path, tmp_path / 'ckpt-1'):
    with pytest.raises(UserError, match='has NaN or infinite'):
      tf_maskformer.load(source)
    assert_is(loading.open_checkpoint(source, allow_nonfinite_weights=True), model)
  tf_maskformer.load(tmp_path, allow_nonfinite_weights=True)


@pytest.mark.parametrize('source', ['http://x/y', 'a\0b', '', 'x' * 5000, '/dev/zero', '\ud800'])
@pytest.mark.parametrize('experiment', [None, 'maskformer_shapes_panoptic'])
def test_what_cannot_be_a_checkpoint_is_one_line(source, experiment):
  with pytest.raises(UserError, match='checkpoint ') as error:
    loading.open_checkpoint(source, experiment)
  assert '\n' not in str(error.value)
