"""What the campaign compares: every loss, repetition and stray shows."""

import json

import pytest
import tensorflow as tf

from tests.faults import facts
from tests.faults.outcome import Fault


def make(folder, history=(14, 28), steps=(4, 8), weight=1.0):
  """Writes what is left of a small run."""
  (folder / 'evaluations').mkdir(parents=True)
  entries = [{'step': step, 'time': str(folder), 'metrics': {'pq': 1.0}} for step in history]
  (folder / 'evaluations/history.json').write_text(json.dumps(entries))
  tf.train.Checkpoint(weight=tf.Variable(weight)).write(str(folder / 'ckpt-28'))
  writer = tf.summary.create_file_writer(str(folder / 'train'))
  for step in steps:
    with writer.as_default(step):
      tf.summary.scalar('loss', 0.5 * step)
  writer.close()
  return facts.of(folder)


def test_equal_runs_are_equal(tmp_path):
  assert facts.differences(make(tmp_path / 'a'), make(tmp_path / 'b')) == ''


@pytest.mark.parametrize('changed,shown', [
    (dict(history=(14,)), 'history.json'), (dict(history=(14, 28, 28)), 'history.json'),
    (dict(steps=(4,)), 'train: loss at step 8 is missing'),
    (dict(steps=(4, 8, 8)), 'train: loss at step 8'), (dict(weight=2.0), 'ckpt-28.index')])
def test_what_differs_shows(tmp_path, changed, shown):
  found = make(tmp_path / 'b', **changed)
  assert shown in facts.differences(make(tmp_path / 'a'), found)


def test_strays_show(tmp_path):
  expected = make(tmp_path / 'a')
  make(tmp_path / 'b')
  (tmp_path / 'b/.part-best.json').touch()
  assert facts.differences(expected, facts.of(tmp_path / 'b')) == '.part-best.json is a stray'


@pytest.mark.parametrize('name', ['scores.json', 'image.png', 'train.tfrecord', 'photo.jpg'])
def test_a_cut_file_is_not_whole(tmp_path, name):
  (tmp_path / name).write_bytes(b'{"a"')
  with pytest.raises(Fault, match=name):
    facts.check_whole(tmp_path)
  (tmp_path / name).rename(tmp_path / f'.part-{name}')
  facts.check_whole(tmp_path)


def test_predictions_have_their_images(tmp_path):
  content = {'annotations': [{'image_id': 1, 'file_name': '1.png'}]}
  (tmp_path / 'predictions.json').write_text(json.dumps(content))
  with pytest.raises(Fault, match=r'1\.png'):
    facts.check_whole(tmp_path)
