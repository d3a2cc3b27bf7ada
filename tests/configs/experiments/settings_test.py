"""Where an experiment starts from and what changes it, in order of precedence."""

import pytest
import yaml

from tf_maskformer.configs import overrides
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.experiments import settings
from tf_maskformer.errors import UserError

NAME = 'maskformer_shapes_panoptic'


def write_params(folder, changes='', **more):
  """Writes the params.yaml of a run and returns its experiment."""
  experiment = registry.get(NAME)
  if changes:
    overrides.apply(experiment, changes)
  values = {'experiment': NAME, **experiment.as_dict(), **more}
  (folder / 'params.yaml').write_text(yaml.safe_dump(values))
  return experiment


def test_the_registry_does_not_look_at_the_environment(monkeypatch, capsys):
  monkeypatch.setenv('BASE_LR', '0.5')
  assert registry.get(NAME).trainer.optimizer_config.learning_rate.base == 1e-3
  assert capsys.readouterr().out == ''


def test_order_of_precedence(tmp_path):
  path = tmp_path / 'a.yaml'
  path.write_text('task: {losses: {no_object_weight: 0.3}}\ntrainer: {max_to_keep: 3}\n')
  experiment = registry.get(NAME)
  settings.settle(
      experiment, [str(path)], ['task.losses.no_object_weight=0.4'],
      {'NO_OBJ_CLS_WEIGHT': '0.2', 'BASE_LR': '0.2'})
  assert experiment.task.losses.no_object_weight == 0.4
  assert experiment.trainer.max_to_keep == 3
  assert experiment.trainer.optimizer_config.learning_rate.base == 0.2


def test_contradictions_are_refused():
  with pytest.raises(UserError, match='num_classes is 3'):
    settings.settle(registry.get(NAME), changes=['task.model.num_classes=3'])


def test_a_run_is_what_it_was_trained_as(tmp_path):
  changed = write_params(
      tmp_path, 'task.model.num_queries=7,task.model.pixel_decoder.norm="",trainer.train_steps=9')
  name, experiment = settings.of_run(str(tmp_path))
  assert name == NAME and experiment.as_dict() == changed.as_dict()


def test_environment_of_the_training_changes_a_run_no_further(tmp_path):
  variables = {'TRAIN_BATCH_SIZE': '4', 'IMG_SIZE': '96', 'NO_OBJ_CLS_WEIGHT': '0.3'}
  experiment = registry.get(NAME)
  settings.settle(experiment, environ=variables)
  values = {'experiment': NAME, **experiment.as_dict()}
  (tmp_path / 'params.yaml').write_text(yaml.safe_dump(values))
  _, again = settings.of_run(str(tmp_path))
  settings.settle(again, environ=variables)
  assert again.as_dict() == experiment.as_dict()


def test_fields_of_another_version(tmp_path, capsys):
  experiment = write_params(tmp_path, trainer={'train_steps': 3, 'gone': 1})
  _, found = settings.of_run(str(tmp_path))
  assert found.trainer.train_steps == 3 and found.task.as_dict() == experiment.task.as_dict()
  assert 'not used, since this version has no such fields: trainer.gone' in capsys.readouterr().out
  write_params(tmp_path, task={'model': {'gone': 1}})
  with pytest.raises(UserError, match='task.model.gone does not exist'):
    settings.of_run(str(tmp_path))


@pytest.mark.parametrize('text, words', [
    ('', 'is empty'), ('task: {}', 'does not name its experiment'), ('a: [', 'not YAML'),
    ('experiment: maskformer_shapes', 'did you mean maskformer_shapes_panoptic'),
    (f'experiment: {NAME}\ntrainer: {{train_steps: many}}', 'a whole number'),
    (f'experiment: {NAME}\ntask: 3', 'task is a group'), ('[1]', 'holds no settings'),
    (f'experiment: {NAME}\ntask: {{data_set: {"x" * 201}}}', 'data_set')])
def test_damaged_params(tmp_path, text, words):
  (tmp_path / 'params.yaml').write_text(text)
  with pytest.raises(UserError, match=words):
    settings.of_run(str(tmp_path))


def test_no_params(tmp_path):
  assert not settings.has_params(str(tmp_path))
  with pytest.raises(UserError, match='params.yaml cannot be read'):
    settings.of_run(str(tmp_path))


@pytest.mark.parametrize('text, words', [
    ('', 'does not describe a data set'), ('[', 'not a YAML file of a data set'),
    ('{}', 'a list of 1 to'), ('classes: [{id: 1}]', 'name is not text'),
    ('[' * 5000, 'nested deeper'), ('clases: [a]', 'did you mean classes')])
def test_a_damaged_data_set(tmp_path, text, words):
  write_params(tmp_path, task={'data_set': 'own.yaml'})
  (tmp_path / 'data_set.yaml').write_text(text)
  with pytest.raises(UserError, match=words):
    settings.of_run(str(tmp_path))


@pytest.mark.parametrize('as_override', [False, True])
def test_the_params_of_a_run_are_a_file_of_settings(tmp_path, as_override, capsys):
  changed = write_params(
      tmp_path, 'task.model.num_queries=7,trainer.train_steps=9', strange={'gone': 1})
  changed.task.resolve()
  path = str(tmp_path / 'params.yaml')
  given = ((), [path]) if as_override else ([path], ())
  experiment = registry.get(NAME)
  settings.settle(experiment, *given, name=NAME)
  assert experiment.as_dict() == changed.as_dict()
  assert 'no such fields: strange' in capsys.readouterr().out
  other = 'mask2former_shapes_panoptic'
  words = f'params.yaml has the settings of the experiment {NAME}, not of {other}'
  with pytest.raises(UserError, match=words):
    settings.settle(registry.get(other), *given, name=other)


def test_the_classes_of_a_run_come_with_its_params(tmp_path):
  own = tmp_path / 'boats.yaml'
  own.write_text('classes: [{id: 4, name: hull}, {id: 9, name: sea, isthing: false}]')
  experiment = registry.get(NAME)
  settings.settle(experiment, changes=[f'task.data_set={own}'], name=NAME)
  wanted = catalog.get(str(own))
  settings.write(str(tmp_path), NAME, experiment)
  own.unlink()
  again = registry.get(NAME)
  settings.settle(again, [str(tmp_path / 'params.yaml')], name=NAME)
  assert catalog.get(again.task.data_set) == wanted
  assert again.task.model.as_dict() == experiment.task.model.as_dict()


@pytest.mark.parametrize('given', ['maskformer_coco_panoptic', 3, None, [1], 'x' * 9999])
def test_params_of_another_experiment(tmp_path, given):
  path = tmp_path / 'a.yaml'
  path.write_text(yaml.safe_dump({'experiment': given, 'trainer': {'train_steps': 3}}))
  with pytest.raises(UserError, match='a.yaml has the settings of the experiment'):
    settings.settle(registry.get(NAME), [str(path)], name=NAME)


def test_a_data_set_of_the_first_weights_needs_its_use():
  experiment = registry.get(NAME)
  with pytest.raises(UserError, match="init_data_set has no effect with .*'by_count'"):
    settings.settle(experiment, changes=['task.init_data_set=coco_panoptic'])
  settings.settle(experiment, changes=['task.init_classes=by_name'])
