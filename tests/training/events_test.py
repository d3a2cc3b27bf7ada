"""TensorBoard's files: what is written, and what is taken back."""

import tensorflow as tf

from tests.training import summaries
from tf_maskformer.training import events


def test_numbers_and_images(tmp_path):
  image = tf.zeros([1, 8, 8, 3], tf.uint8)
  events.write(str(tmp_path), 7, {'miou': 3.5}, {'prediction': image})
  found = summaries.read(tmp_path)
  assert set(found) == {('miou', 7), ('prediction', 7)} and found['miou', 7] == [3.5]


def test_events_of_lost_steps_are_taken_back(tmp_path):
  writer = tf.summary.create_file_writer(str(tmp_path))
  for step in (5, 10, 15):
    with writer.as_default(step):
      tf.summary.scalar('loss', step / 2)
      tf.summary.scalar('rate', step * 2)
  writer.close()
  events.write(str(tmp_path), 20, {'loss': 1.0}, {})
  events.keep(str(tmp_path), lambda step: step != 10 and step < 20)
  wanted = {('loss', 5): [2.5], ('rate', 5): [10.0], ('loss', 15): [7.5], ('rate', 15): [30.0]}
  assert summaries.read(tmp_path) == wanted
  assert len(list(tmp_path.iterdir())) == 1  # the file of step 20 is empty and gone


def test_files_with_nothing_lost_are_not_touched(tmp_path):
  events.write(str(tmp_path), 5, {'loss': 1.0}, {})
  path, = tmp_path.iterdir()
  before = path.stat()
  events.keep(str(tmp_path), lambda step: step <= 5)
  assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_cut_or_damaged_file_keeps_what_is_complete(tmp_path, capsys):
  for step in (5, 6):
    events.write(str(tmp_path), step, {'loss': 1.0, 'rate': 2.0}, {})
  first, second = sorted(tmp_path.iterdir())
  first.write_bytes(first.read_bytes()[:-3])
  second.write_bytes(b'garbage' * 10)
  events.keep(str(tmp_path), lambda step: True)
  steps = sorted(summaries.read(tmp_path))
  assert len(steps) == 1 and steps[0][1] in (5, 6)
  assert capsys.readouterr().out.count('the rest is left out') == 2


def test_a_folder_that_is_not_there(tmp_path):
  events.keep(str(tmp_path / 'none'), lambda step: False)
