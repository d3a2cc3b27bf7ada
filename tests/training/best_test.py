"""What counts as best, and what a kill or a damaged best.json leaves of it."""

import json

import pytest
import tensorflow as tf

from tf_maskformer.training.best import Best


class Folder:
  """A run's folder with a model of one number, whose value is that of the step saved."""

  def __init__(self, path):
    self.path = path
    self.weight = tf.Variable(0)
    self.checkpoint = tf.train.Checkpoint(weight=self.weight)
    self.evaluations = {}

  def best(self, metric='pq_all', higher=True):
    best = Best(str(self.path), self.checkpoint, metric, higher)
    best.settle(self.evaluations)
    return best

  def offer(self, best, value, step, metric='pq_all'):
    self.weight.assign(step)
    self.evaluations[step] = {'step': step, 'metrics': {metric: value}}
    return best.offer(value, step)

  @property
  def record(self):
    return json.loads((self.path / 'best.json').read_text())

  def saved(self):
    """Returns the steps in best/, each read from its checkpoint."""
    folder = str(self.path / 'best')
    names = sorted(path.stem for path in (self.path / 'best').glob('*.index'))
    if len(names) == 1:
      assert tf.train.latest_checkpoint(folder) == f'{folder}/{names[0]}'
    key = 'weight/.ATTRIBUTES/VARIABLE_VALUE'
    return [int(tf.train.load_variable(f'{folder}/{name}', key)) for name in names]


@pytest.fixture(name='folder')
def make_folder(tmp_path):
  return Folder(tmp_path)


def test_nan_never_wins_and_ties_keep_the_older(folder):
  best = folder.best()
  offers = [
      (float('nan'), 1, False), (3.0, 2, True), (3.0, 3, False), (float('nan'), 4, False),
      (2.0, 5, False), (float('inf'), 6, False), (4.0, 7, True)]
  for value, step, wins in offers:
    assert folder.offer(best, value, step) == wins, step
  wanted = {'metric': 'pq_all', 'value': 4.0, 'step': 7, 'checkpoint': 'best/ckpt-7'}
  assert folder.record == wanted and folder.saved() == [7]


def test_it_outlives_the_process(folder):
  assert folder.offer(folder.best(higher=False), 1.0, 1)
  again = folder.best(higher=False)
  assert not folder.offer(again, 1.5, 2) and folder.offer(again, 0.5, 3)


def test_the_step_that_is_best_is_so_again(folder):
  assert folder.offer(folder.best(), 1.0, 1)
  assert folder.best().offer(1.0, 1)


def test_a_kill_before_the_record_keeps_the_former(folder, monkeypatch):
  best = folder.best()
  folder.offer(best, 1.0, 1)
  monkeypatch.setattr(best, '_note', lambda record: 1 / 0)
  with pytest.raises(ZeroDivisionError):
    folder.offer(best, 2.0, 2)
  assert folder.record['step'] == 1 and folder.saved() == [1, 2]
  folder.best()
  assert folder.record['step'] == 1 and folder.saved() == [1]


def test_a_kill_before_the_former_is_removed(folder, monkeypatch):
  best = folder.best()
  folder.offer(best, 1.0, 1)
  monkeypatch.setattr(best, '_remove_all_but', lambda step: 1 / 0)
  with pytest.raises(ZeroDivisionError):
    folder.offer(best, 2.0, 2)
  (folder.path / 'best' / 'ckpt-3_temp').mkdir()
  folder.best()
  assert folder.record['step'] == 2 and folder.saved() == [2]
  names = sorted(path.name for path in (folder.path / 'best').iterdir())
  assert names == ['checkpoint', 'ckpt-2.data-00000-of-00001', 'ckpt-2.index']


@pytest.mark.parametrize('text', [
    '', '{', 'null', '[]', '{}', '"text"', '\x00' * 20, '\xff', '[' * 100000,
    '{"metric": "pq_all", "value": "2", "step": 2}', '{"metric": 1, "value": 2, "step": 2}',
    '{"metric": "pq_all", "value": NaN, "step": 2}', '{"metric": "pq_all", "value": 2}',
    '{"metric": "pq_all", "value": 2, "step": true}',
    '{"metric": "pq_all", "value": 2, "step": ' + '9' * 5000 + '}',
    '{"metric": "pq_all", "value": 9, "step": 9}'])
def test_a_damaged_record_is_made_again(folder, capsys, text):
  folder.offer(folder.best(), 3.0, 2)
  (folder.path / 'best.json').write_bytes(text.encode('latin1'))
  best = folder.best()
  warning = capsys.readouterr().out
  assert warning.count('\n') == 1 and 'best.json' in warning
  assert folder.record['value'] == 3.0
  assert not folder.offer(best, 2.5, 4) and folder.offer(best, 3.5, 6)


@pytest.mark.parametrize('ending', ['index', 'data-00000-of-00001'])
@pytest.mark.parametrize('size', [None, 0, 10])
def test_a_record_without_checkpoint_is_removed(folder, capsys, ending, size):
  folder.offer(folder.best(), 3.0, 2)
  path = folder.path / 'best' / f'ckpt-2.{ending}'
  if size is None:
    path.unlink()
  else:
    path.write_bytes(path.read_bytes()[:size])
  best = folder.best()
  assert 'step 2, which is gone' in capsys.readouterr().out
  assert not (folder.path / 'best.json').exists()
  assert folder.offer(best, 1.0, 4) and folder.saved() == [4]


def test_another_metric_is_not_compared(folder, capsys):
  folder.offer(folder.best('validation_loss', higher=False), 90.0, 1, 'validation_loss')
  best = folder.best('pq_all')
  assert 'is of validation_loss; the next evaluation' in capsys.readouterr().out
  assert folder.offer(best, 5.0, 2)
  assert (folder.record['metric'], folder.record['value']) == ('pq_all', 5.0)
  assert folder.saved() == [2]
