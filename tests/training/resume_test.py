"""A run that was killed and resumed is the undisturbed one: weights, evaluations, TensorBoard."""

import json
import pathlib
import shutil

import numpy as np
import pytest

from tests.records import shapes_records
from tests.training import summaries
from tests.training.runner_test import experiment
from tests.training.runner_test import run
from tests.training.runner_test import weights
from tf_maskformer.training import events
from tf_maskformer.training import results
from tf_maskformer.training.trainer import Trainer


@pytest.fixture(scope='module', name='records')
def make_records(tmp_path_factory):
  return shapes_records(tmp_path_factory.mktemp, 10, 5)


@pytest.mark.slow
def test_a_resumed_run_ends_where_one_run_ends(records, tmp_path, capsys):
  run(experiment(records), 'train', tmp_path / 'at_once')
  run(experiment(records, steps=2), 'train', tmp_path / 'parts')
  run(experiment(records), 'train', tmp_path / 'parts')
  assert 'trainer.train_steps: 2 -> 4' in capsys.readouterr().out
  assert_same_checkpoint(tmp_path / 'at_once', tmp_path / 'parts')


def assert_same_checkpoint(one, other):
  """Asserts that the newest checkpoints of two folders hold the same bits."""
  wanted = weights(one)
  found = weights(other)
  assert set(wanted) == set(found) and len(wanted) > 50
  for key, value in wanted.items():
    np.testing.assert_array_equal(found[key], value, err_msg=key)


def state(folder):
  """Returns what the files of a run's evaluations and TensorBoard say, without times."""
  evaluations = [json.loads(path.read_text())
                 for path in sorted((folder / 'evaluations').glob('step*'))]
  history = json.loads((folder / 'evaluations/history.json').read_text())
  for entry in history:
    assert entry.pop('time')
  assert history == evaluations
  return {
      'evaluations': evaluations,
      'best': json.loads((folder / 'best.json').read_text()),
      'train': summaries.read(folder / 'train'),
      'validation': summaries.read(folder / 'validation'),
      'files': sorted(str(path.relative_to(folder)) for path in folder.rglob('*')
                      if 'tfevents' not in path.name and path.name != '.eval.lock')}


class Killed(BaseException):
  """In place of a kill: nothing of the run's own code handles it."""


def kill_at(monkeypatch, module, name, count):
  """Makes a function end the run when it is called for the `count`th time."""
  original = getattr(module, name)
  calls = iter(range(1, 1000))
  def function(*args, **kwargs):
    if next(calls) == count:
      raise Killed
    return original(*args, **kwargs)
  monkeypatch.setattr(module, name, function)


def scored(records):
  e = experiment(records, 6)
  e.trainer.steps_per_loop = 3
  e.trainer.validation_interval = 2
  e.trainer.checkpoint_interval = 4
  e.trainer.best_checkpoint_eval_metric = 'validation_loss'
  e.trainer.best_checkpoint_metric_comp = 'lower'
  return e


@pytest.fixture(scope='module', name='undisturbed')
def make_undisturbed(records, tmp_path_factory):
  folder = tmp_path_factory.mktemp('undisturbed') / 'run'
  run(scored(records), 'train_and_eval', folder)
  return folder


def slowly(*values):
  return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize('module, name, count', [
    slowly(events, 'write', 1),  # before anything of the evaluation of step 2
    slowly(events, 'write', 2),  # after the checkpoint of step 4, before its evaluation
    (results, 'write', 2),  # after its events and its best checkpoint
    slowly(results, '_write_history', 2),  # after its own file
    slowly(events, 'write', 3),  # after the last checkpoint
    slowly(results, 'write', 3)])
def test_an_evaluation_that_was_killed_is_made_up(
    records, undisturbed, tmp_path, monkeypatch, module, name, count):
  with monkeypatch.context() as patch, pytest.raises(Killed):
    kill_at(patch, module, name, count)
    run(scored(records), 'train_and_eval', tmp_path)
  assert run(scored(records), 'train_and_eval', tmp_path) == 0
  assert_same_checkpoint(undisturbed, tmp_path)
  assert_same_checkpoint(undisturbed / 'best', tmp_path / 'best')
  wanted = state(undisturbed)
  assert [entry['step'] for entry in wanted['evaluations']] == [2, 4, 6]
  assert {step for _, step in wanted['train']} == {3, 6}
  assert all(len(values) == 1 for values in wanted['train'].values())
  assert state(tmp_path) == wanted


def test_a_finished_run_is_not_scored_again(records, undisturbed, tmp_path, capsys):
  folder = pathlib.Path(shutil.copytree(undisturbed, tmp_path / 'run'))
  capsys.readouterr()
  assert run(scored(records), 'train_and_eval', folder) == 0
  printed = capsys.readouterr().out
  assert 'finished at step 6' in printed and 'evaluation at' not in printed
  assert state(folder) == state(undisturbed)


def test_a_best_checkpoint_that_is_damaged_gives_way_to_the_last_one(
    records, undisturbed, tmp_path, capsys):
  folder = pathlib.Path(shutil.copytree(undisturbed, tmp_path / 'run'))
  for path in (folder / 'best').glob('*.data*'):
    path.write_bytes(bytes(path.stat().st_size))
  assert run(scored(records), 'train_and_eval', folder) == 0
  assert 'gone or damaged' in capsys.readouterr().out
  assert json.loads((folder / 'best.json').read_text())['step'] == 6
  assert_same_checkpoint(folder, folder / 'best')


def test_a_folder_that_is_removed_ends_the_run(records, tmp_path, capsys, monkeypatch):
  folder = tmp_path / 'run'
  original = Trainer.run_step
  def step(self, stop):
    original(self, stop)
    shutil.rmtree(folder, ignore_errors=True)
  monkeypatch.setattr(Trainer, 'run_step', step)
  assert run(experiment(records), 'train', folder) == 1
  assert 'was removed or moved while the run wrote to it; stopped at step 2' in (
      capsys.readouterr().err)
  assert not folder.exists()
