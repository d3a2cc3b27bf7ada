"""What evaluations leave in the folder of a run."""

import json

import tensorflow as tf

from tf_maskformer.training import results


def test_every_step_has_a_file_and_the_history_grows(tmp_path):
  results.write(str(tmp_path), 7, 5, {'pq_all': 1.5})
  results.write(str(tmp_path), 12, 5, {'pq_all': 2.5})
  folder = tmp_path / 'evaluations'
  first = json.loads((folder / 'step_00000007.json').read_text())
  assert first == {'step': 7, 'images': 5, 'metrics': {'pq_all': 1.5}}
  history = json.loads((folder / 'history.json').read_text())
  assert [(h['step'], h['metrics']['pq_all']) for h in history] == [(7, 1.5), (12, 2.5)]
  assert all(h['time'] for h in history)
  names = sorted(path.name for path in folder.iterdir())
  assert names == ['history.json', 'step_00000007.json', 'step_00000012.json']


def test_numbers_and_images_for_tensorboard(tmp_path):
  image = tf.zeros([1, 8, 8, 3], tf.uint8)
  results.write_summaries(str(tmp_path), 7, {'miou': 3.5}, {'prediction': image})
  path, = (tmp_path / 'validation').iterdir()
  steps = {
      event.summary.value[0].tag: event.step
      for event in tf.compat.v1.train.summary_iterator(str(path)) if event.summary.value}
  assert steps == {'miou': 7, 'prediction': 7}
