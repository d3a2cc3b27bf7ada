"""Whole runs through train.py's parts on the embedded data set: save, resume, evaluate, refuse."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from configs.errors import UserError
from configs.experiments import registry
from dataloaders import shapes
from dataloaders.converters import coco_panoptic
from tasks.mask_classification import MaskClassificationTask
from tests import support
from training import checkpoints
from training import runner

NAME = 'maskformer_shapes_panoptic'


@pytest.fixture(scope='module', name='records')
def make_records(tmp_path_factory):
  root, output = tmp_path_factory.mktemp('drawn'), tmp_path_factory.mktemp('records')
  shapes.write(str(root), shapes.Options(train=10, validation=5, size=64))
  for split, source in coco_panoptic.coco_splits(str(root), 'shapes_panoptic').items():
    coco_panoptic.convert(source, str(output), split, 2, 1)
  return output


def experiment(records, steps=4):
  e = registry.get(NAME)
  for data, split in ((e.task.train_data, 'train'), (e.task.validation_data, 'val')):
    data.input_path, data.global_batch_size = f'{records}/{split}*', 2
    data.parser.output_size = [64, 64]
  e.task.model.pixel_decoder.width = e.task.model.pixel_decoder.mask_width = 32
  e.task.model.transformer_decoder.layers = 2
  e.trainer.train_steps, e.trainer.steps_per_loop, e.trainer.checkpoint_interval = steps, 2, 2
  e.trainer.validation_interval = 100
  e.trainer.optimizer_config.learning_rate.schedule = 'constant'
  return e


def run(e, mode, folder, **options):
  os.makedirs(folder, exist_ok=True)
  return runner.run(e, NAME, mode, str(folder), MaskClassificationTask, **options)


def weights(folder):
  reader = tf.train.load_checkpoint(checkpoints.readable(str(folder))[0])
  return {k: reader.get_tensor(k) for k in reader.get_variable_to_shape_map() if k.startswith('model/')}


def test_a_resumed_run_ends_where_one_run_ends(records, tmp_path, capsys):
  run(experiment(records), 'train', tmp_path / 'whole')
  run(experiment(records, steps=2), 'train', tmp_path / 'parts')
  run(experiment(records), 'train', tmp_path / 'parts')
  assert 'trainer.train_steps: 2 -> 4' in capsys.readouterr().out
  whole, parts = weights(tmp_path / 'whole'), weights(tmp_path / 'parts')
  assert len(whole) > 50
  for key, value in whole.items():
    np.testing.assert_allclose(parts[key], value, rtol=0, atol=1e-5, err_msg=key)


def test_train_evaluate_again_and_refuse(records, tmp_path, capsys):
  folder = tmp_path / 'run'
  assert run(experiment(records, 2), 'train_and_eval', folder) == 0
  scores = json.loads((folder / 'evaluations/step_00000002.json').read_text())
  assert scores['pictures'] == 5 and 'pq_things' in scores['metrics']
  assert np.isfinite(scores['metrics']['validation_loss'])
  assert json.loads((folder / 'best.json').read_text())['step'] == 2
  assert capsys.readouterr().out.count('step 2/2') == 1

  assert run(experiment(records, 2), 'train', folder) == 0
  assert 'finished at step 2' in capsys.readouterr().out
  with pytest.raises(UserError, match='beyond trainer.train_steps=1'):
    run(experiment(records, 1), 'train', folder)
  other = experiment(records, 2)
  other.task.model.num_queries = 7
  before = (folder / 'params.yaml').read_text()
  with pytest.raises(UserError, match='task.model.num_queries=20, now it is 7'):
    run(other, 'train', folder)
  assert (folder / 'params.yaml').read_text() == before

  follow = experiment(records, 2)
  follow.trainer.continuous_eval_timeout = 5
  assert run(follow, 'continuous_eval', folder) == 0

  # The newest checkpoint is damaged: the one before is taken, loudly.
  run(experiment(records, 4), 'train', folder)
  data = folder / 'ckpt-4.data-00000-of-00001'
  data.write_bytes(data.read_bytes()[:1000])
  capsys.readouterr()
  assert run(experiment(records, 4), 'eval', folder) == 0
  printed = capsys.readouterr().out
  assert 'ckpt-4 cannot be read' in printed and 'ckpt-2 (step 2)' in printed


def test_the_score_does_not_depend_on_the_batch(records, tmp_path):
  run(experiment(records, 2), 'train', tmp_path)
  found = []
  for batch in (1, 2, 5):
    e = experiment(records, 2)
    e.task.validation_data.global_batch_size = batch
    e.task.evaluation.object_mask_threshold = 0.1
    run(e, 'eval', tmp_path)
    found.append(json.loads((tmp_path / 'evaluations/step_00000002.json').read_text())['metrics']['pq_all'])
  assert found[0] == pytest.approx(found[1]) == pytest.approx(found[2])


def test_evaluating_nothing_is_refused(records, tmp_path):
  with pytest.raises(UserError, match='no checkpoint in .*allow_random_weights'):
    run(experiment(records), 'eval', tmp_path)
  misspelt = experiment(records)
  misspelt.trainer.best_checkpoint_eval_metric = 'pq_al'
  with pytest.raises(UserError, match='pq_al is no metric'):
    run(misspelt, 'train', tmp_path)


def test_non_finite_updates_are_skipped_named_and_stop(records, tmp_path, capsys):
  e = experiment(records, 6)
  e.task.losses.mask_weight = float('nan')
  e.trainer.max_skipped_updates = 3
  assert run(e, 'train', tmp_path) == 1
  printed = capsys.readouterr()
  assert 'warning: step 1: loss not finite' in printed.out and '3 updates in a row' in printed.err
  for value in weights(tmp_path).values():
    assert np.isfinite(value).all()


def test_one_process_a_folder(records, tmp_path):
  (tmp_path / '.lock').write_text(json.dumps({'host': os.uname().nodename, 'pid': os.getpid()}))
  with pytest.raises(UserError, match=f'in use by process {os.getpid()}'):
    run(experiment(records, 2), 'train', tmp_path)
  (tmp_path / '.lock').write_text(json.dumps({'host': os.uname().nodename, 'pid': 2**22 + 1}))
  assert run(experiment(records, 2), 'train', tmp_path) == 0
  assert not (tmp_path / '.lock').exists()


@pytest.mark.slow
def test_sigterm_saves_and_the_same_command_goes_on(records, tmp_path):
  command = [sys.executable, 'train.py', '--experiment', NAME, '--mode', 'train', '--model_dir', str(tmp_path / 'run'),
             '--params_override=task.train_data.global_batch_size=2,trainer.train_steps=2000,trainer.steps_per_loop=1']
  environment = {**os.environ, 'TFRECORDS_DIR': str(records)}
  log = tmp_path / 'log'
  with open(log, 'w', encoding='utf-8') as file:
    process = subprocess.Popen(command, cwd=support.ROOT, env=environment, stdout=file, stderr=file)
    while 'step 3/' not in log.read_text():
      time.sleep(0.2)
      assert process.poll() is None, log.read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
  text = pathlib.Path(log).read_text()
  assert 'the same command goes on from there' in text
  assert checkpoints.readable(str(tmp_path / 'run'))[1] >= 3


def test_jit_compiled_step(records, tmp_path):
  e = experiment(records, 2)
  e.runtime.jit_compile = True
  assert run(e, 'train', tmp_path / 'jit') == 0
  assert run(experiment(records, 2), 'train', tmp_path / 'graph') == 0
  compiled, plain = weights(tmp_path / 'jit'), weights(tmp_path / 'graph')
  # Adam's first steps are as long where a gradient is rounding noise: compare by rms.
  for key, value in plain.items():
    assert np.sqrt(np.mean((compiled[key] - value)**2)) < 2e-4, key
