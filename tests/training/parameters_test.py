"""params.yaml guards a folder against another model, also where it is damaged."""

import pytest

from tf_maskformer.configs.experiments import registry
from tf_maskformer.errors import UserError
from tf_maskformer.training import parameters

NAME = 'maskformer_shapes_panoptic'


def experiment(queries=20):
  e = registry.get(NAME)
  e.task.model.num_queries = queries
  e.task.resolve()
  return e


@pytest.fixture(name='folder')
def make_folder(tmp_path):
  parameters.write(experiment(), NAME, str(tmp_path), 0)
  return tmp_path


def compare(e, folder, has_weights=True):
  return parameters.compare(e, NAME, str(folder), has_weights)


def test_the_same_and_another_model(folder):
  assert compare(experiment(), folder) == []
  with pytest.raises(UserError, match='task.model.num_queries=20, now it is 7'):
    compare(experiment(7), folder)


@pytest.mark.parametrize('damage', [
    b'', b'- a', b'text', b'null', b'{}', b'a: [', bytes(50), b'\xff\xfe\xfd', b'[' * 100000,
    b'experiment: [1]', b'task: 5'])
def test_the_guard_does_not_go_off_silently(folder, damage, capsys):
  path = folder / 'params.yaml'
  path.write_bytes(damage)
  with pytest.raises(UserError, match='params.yaml') as error:
    compare(experiment(7), folder)
  assert '\n' not in str(error.value) and path.read_bytes() == damage
  # Nothing is there that it could protect.
  assert compare(experiment(7), folder, has_weights=False) == []
  assert capsys.readouterr().out.startswith('warning: ')
  parameters.write(experiment(7), NAME, str(folder), 0)
  assert compare(experiment(7), folder) == []


def test_a_file_that_is_cut_off_guards_nothing(folder):
  path = folder / 'params.yaml'
  lines = path.read_text().splitlines(keepends=True)
  path.write_text(''.join(lines[:len(lines) // 2]))
  with pytest.raises(UserError, match='params.yaml is damaged, since .* is missing'):
    compare(experiment(7), folder)


def test_checkpoints_without_params_are_remarked(tmp_path, capsys):
  assert compare(experiment(), tmp_path) == []
  assert 'has checkpoints but no params.yaml' in capsys.readouterr().out
  assert compare(experiment(), tmp_path, has_weights=False) == []
  assert not capsys.readouterr().out


def test_a_kill_while_it_is_replaced_leaves_one(folder, monkeypatch):
  before = (folder / 'params.yaml').read_text()
  monkeypatch.setattr(parameters.files, 'write_text', lambda path, text: 1 / 0)
  changed = experiment()
  changed.trainer.train_steps = 77
  with pytest.raises(ZeroDivisionError):
    parameters.write(changed, NAME, str(folder), 5)
  assert (folder / 'params.yaml').read_text() == before
  monkeypatch.undo()
  parameters.write(changed, NAME, str(folder), 5)
  assert (folder / 'params.before_step_5.yaml').read_text() == before
  line, = compare(experiment(), folder)
  assert line.startswith('trainer.train_steps: 77 -> ')
