"""What evaluations leave in the folder of a run."""

import json
import time

import pytest

from tf_maskformer.training import results


@pytest.fixture(name='folder')
def make_folder(tmp_path):
  for step in (7, 14, 21):
    results.write(str(tmp_path), step, 5, {'pq_all': step / 2})
  return tmp_path


def history(folder):
  entries = json.loads((folder / 'evaluations/history.json').read_text())
  return [(entry['step'], entry['metrics']['pq_all']) for entry in entries]


def test_every_step_has_a_file_and_the_history_grows(folder):
  first = json.loads((folder / 'evaluations/step_00000007.json').read_text())
  assert first == {'step': 7, 'images': 5, 'metrics': {'pq_all': 3.5}}
  assert history(folder) == [(7, 3.5), (14, 7.0), (21, 10.5)]
  entries = json.loads((folder / 'evaluations/history.json').read_text())
  assert all(time.strptime(entry['time'], '%Y-%m-%dT%H:%M:%S%z') for entry in entries)
  names = sorted(path.name for path in (folder / 'evaluations').iterdir())
  assert names == ['history.json', *(f'step_000000{step}.json' for step in ('07', '14', '21'))]


def test_a_step_that_is_scored_again_is_there_once(folder):
  results.write(str(folder), 14, 5, {'pq_all': 8.0})
  assert history(folder) == [(7, 3.5), (14, 8.0), (21, 10.5)]


def test_further_files_are_the_last_ones(folder):
  for text in (b'first', b'second'):
    results.write(str(folder), 21, 5, {'pq_all': 1.0}, {'confusion.csv': text})
  assert (folder / 'evaluations/confusion.csv').read_bytes() == b'second'
  assert list(results.read(str(folder))) == list(results.settle(str(folder), 21)) == [7, 14, 21]


DAMAGE = [
    b'', b'{', b'null', b'[]', b'{}', b'"text"', bytes(30), b'\xff\xfe\xfd', b'[' * 100000,
    b'{"step": 14, "images": 5, "metrics": []}', b'{"step": "14", "images": 5, "metrics": {}}',
    b'{"step": 14, "images": 5, "metrics": {"pq_all": "high"}}',
    b'{"step": 7, "images": 5, "metrics": {"pq_all": 99.0}}']


@pytest.mark.parametrize('damage', DAMAGE)
def test_a_damaged_file_is_taken_from_the_history(folder, damage, capsys):
  path = folder / 'evaluations/step_00000014.json'
  before = path.read_text()
  path.write_bytes(damage)
  assert [entry['metrics']['pq_all'] for entry in results.read(str(folder)).values()] == [
      3.5, 7.0, 10.5]
  warning = capsys.readouterr().out
  assert str(path) in warning and warning.count('\n') == 1
  results.settle(str(folder), 21)
  assert path.read_text() == before


@pytest.mark.parametrize('damage', [
    *DAMAGE[:3], *DAMAGE[4:9], b'[1]', b'[{"step": 14}]', b'[' + DAMAGE[-2] + b']'])
def test_a_damaged_history_is_made_again(folder, damage, capsys):
  path = folder / 'evaluations/history.json'
  before = path.read_text()
  path.write_bytes(damage)
  results.settle(str(folder), 21)
  assert path.read_text() == before
  assert capsys.readouterr().out.count('history.json') == 1


def test_history_of_an_earlier_version(folder):
  path = folder / 'evaluations/history.json'
  rows = [
      {'time': 'then', 'step': 3, 'pictures': 5, 'metrics': {'pq_all': 1.0}},
      {'time': 'then', 'step': 3, 'pictures': 5, 'metrics': {'pq_all': 1.5}}]
  path.write_text(json.dumps(rows))
  found = results.read(str(folder))
  assert [found[3]['images'], found[3]['metrics']['pq_all']] == [5, 1.5]


def test_what_comes_after_the_step_of_a_resume_is_removed(folder):
  (folder / 'evaluations/.part-step_00000014.json').write_text('half')
  kept = results.settle(str(folder), 14)
  assert list(kept) == [7, 14] and history(folder) == [(7, 3.5), (14, 7.0)]
  names = sorted(path.name for path in (folder / 'evaluations').iterdir())
  assert names == ['history.json', 'step_00000007.json', 'step_00000014.json']


def test_a_run_that_was_never_evaluated(tmp_path):
  assert results.settle(str(tmp_path), 3) == {} and not list(tmp_path.iterdir())
