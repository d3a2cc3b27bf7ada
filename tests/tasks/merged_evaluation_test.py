"""Evaluations of 2 and 3 processes, over TensorFlow's collectives, against that of one."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests import support
from tests.records import shapes_records
from tests.tasks import evaluating_worker
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders.ground_truth import GroundTruth

COUNT = 10  # images: 3 does not divide them, so that workers have fillers


def free_ports(count):
  sockets = [socket.socket() for _ in range(count)]
  for one in sockets:
    one.bind(('127.0.0.1', 0))
  ports = [one.getsockname()[1] for one in sockets]
  for one in sockets:
    one.close()
  return ports


def cluster(count, has_chief):
  """Returns TF_CONFIG of each worker."""
  hosts = [f'127.0.0.1:{port}' for port in free_ports(count)]
  jobs = {'chief': hosts[:1], 'worker': hosts[1:]} if has_chief else {'worker': hosts}
  return [{'cluster': jobs, 'task': {'type': kind, 'index': index}}
          for kind, addresses in jobs.items() for index in range(len(addresses))]


def evaluate(records, folder, configs, labels=()):
  """Returns what the workers wrote.

  Args:
    records: their folder.
    folder: for what they write.
    configs: TF_CONFIG of each worker.
    labels: folder of each worker.
  """
  folder.mkdir()
  started = []
  for number, config in enumerate(configs):
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'TF_NUM_INTRAOP_THREADS': '1'}
    if config:
      environment['TF_CONFIG'] = json.dumps(config)
    command = [sys.executable, '-m', 'tests.tasks.evaluating_worker', str(records),
               str(folder / f'{number}.json'), *labels[number:number + 1]]
    with (folder / f'{number}.log').open('w') as log:
      started.append(subprocess.Popen(
          command, cwd=support.ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT))
  try:
    codes = [one.wait(timeout=600) for one in started]
  finally:
    for one in started:
      one.kill()
  assert not any(codes), [(folder / f'{k}.log').read_text()[-1500:] for k in range(len(started))]
  return [json.loads((folder / f'{k}.json').read_text()) for k in range(len(started))]


@pytest.mark.slow
def test_processes_score_as_one(tmp_path_factory, tmp_path):
  records = shapes_records(tmp_path_factory.mktemp, 1, COUNT)
  alone, = evaluate(records, tmp_path / '1', [None])
  e = evaluating_worker.experiment(records)
  ids = GroundTruth(f'{records}/val*', e.task.data_set).example_ids
  assert alone['place'] == [0, 1] and alone['result']['scored'] == ids
  assert 0 < alone['result']['metrics']['miou'] < 100
  loss = alone['result']['metrics'].pop('validation_loss')
  assert len(alone['result']['images']) == 3 and 'confusion.csv' in alone['result']['files']
  for count, has_chief in ((2, False), (3, True)):
    found = evaluate(records, tmp_path / str(count), cluster(count, has_chief))
    assert [one['place'] for one in found] == [[k, count] for k in range(count)]
    losses = []
    for one in found:
      losses.append(one['result']['metrics'].pop('validation_loss'))
      np.testing.assert_equal(one['result'], alone['result'])  # as ==, and NaN is NaN
    # The network's kernels may differ in the last digit of float32, which scores do not show.
    assert set(losses) == {losses[0]}
    assert losses[0] == pytest.approx(loss, rel=1e-6)


def write_labels(folder, truth, sizes, value):
  """Writes a label of one value for each image."""
  folder.mkdir()
  for example_id, size in zip(truth.example_ids, sizes):
    label = np.full(size, value, np.uint8)
    Image.fromarray(label).save(folder / f'{truth.source_id(example_id)}.png')
  return str(folder)


@pytest.mark.slow
def test_a_fault_of_one_process_ends_all_with_its_line(tmp_path_factory, tmp_path):
  records = shapes_records(tmp_path_factory.mktemp, 1, COUNT)
  name = evaluating_worker.experiment(records).task.data_set
  truth = GroundTruth(f'{records}/val*', name)
  sizes = [truth.size(one) for one in truth.example_ids]
  value = min(catalog.get(name).class_of_label)
  good = write_labels(tmp_path / 'good', truth, sizes, value)
  sizes[3] = (8, 8)  # an image of worker 1
  bad = write_labels(tmp_path / 'bad', truth, sizes, value)
  found = evaluate(records, tmp_path / 'run', cluster(2, False), [good, bad])
  wrong = f'{bad}/{truth.source_id(truth.example_ids[3])}.png'
  assert found[0] == found[1]
  assert found[0]['fault'].startswith('worker 1: task.evaluation.semantic_labels cannot be used: ')
  assert wrong in found[0]['fault']
