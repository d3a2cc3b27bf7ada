"""Two workers on this machine, each a process: one chief, the same update, ends that end both."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests import support
from tests.cluster import drill
from tests.cluster import jobs
from tests.records import shapes_records
from tests.training import updates
from tf_maskformer.scripts.free_hosts import free_hosts

# Nearly gradient descent, as updates.follow_the_gradient: a wrong gradient is a wrong update.
GRADIENT = (
    'trainer.optimizer_config.optimizer.epsilon=1.0',
    'trainer.optimizer_config.optimizer.gradient_clip_norm=0.0',
    'trainer.optimizer_config.learning_rate.base=0.003')


@pytest.fixture(scope='module', name='records')
def make_records(tmp_path_factory):
  return shapes_records(tmp_path_factory.mktemp, 11, 3)  # 11: epochs end within steps


def files_of(folder):
  return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


@pytest.mark.slow
def test_two_workers_train_and_one_writes(records, tmp_path, monkeypatch):
  (tmp_path / 'temporary').mkdir()
  monkeypatch.setenv('TMPDIR', str(tmp_path / 'temporary'))
  run = tmp_path / 'run'
  with jobs.Job(tmp_path / 'logs', records, run, 2, ['trainer.train_steps=2']) as job:
    assert job.wait() == [0, 0], (job.err(0), job.err(1))
  assert 'step 2/2' in job.out(0) and 'saved' in job.out(0)
  assert (job.err(0), job.out(1), job.err(1)) == ('', '', '')
  events = [name for name in files_of(run) if name.startswith('train/events')]
  assert len(events) == 1  # the other worker writes none
  assert files_of(run) == sorted([
      'checkpoint', 'ckpt-2.data-00000-of-00001', 'ckpt-2.index', 'params.yaml', *events])
  assert not os.listdir(tmp_path / 'temporary')


def one_process(records, run, replicas, overrides, mode='train'):
  """Trains in one process with replicas that share the batch as workers do; returns its output."""
  overrides = [*overrides, 'runtime.distribution_strategy=mirrored']
  script = f"""
import os, sys
import tensorflow as tf
tf.config.set_logical_device_configuration(tf.config.list_physical_devices('CPU')[0],
                                           [tf.config.LogicalDeviceConfiguration()] * {replicas})
from tf_maskformer.scripts import train
from tf_maskformer.training import building
def make(**unused):
  return tf.distribute.MirroredStrategy([f'CPU:{{i}}' for i in range({replicas})])
building.distribute_utils.get_distribution_strategy = make
sys.exit(train.main(['--experiment', {jobs.EXPERIMENT!r}, '--mode', {mode!r}, '--model_dir',
                     {str(run)!r}, '--params_override', {','.join(jobs.SMALL)!r},
                     '--params_override', {','.join(overrides)!r}]))
"""
  environment = {**os.environ, 'TFRECORDS_DIR': str(records), 'CUDA_VISIBLE_DEVICES': '-1'}
  done = subprocess.run(
      [sys.executable, '-c', script], cwd=support.ROOT, env=environment, capture_output=True,
      text=True, check=False)
  assert done.returncode == 0, done.stderr[-3000:]
  return done.stdout


def losses(text):
  return [float(line.split()[3]) for line in text.splitlines() if line.startswith('step ')]


@pytest.mark.slow
@pytest.mark.parametrize('workers', [2, 3])
def test_the_update_is_that_of_one_process(records, tmp_path, workers):
  """N workers with one replica each against one process with N replicas.

  Both give a replica the same images, augmented the same way, in every step, over an epoch's end;
  what is left is the order in which gradients are added.
  """
  overrides = [*GRADIENT, 'trainer.train_steps=4']
  with jobs.Job(tmp_path / 'logs', records, tmp_path / 'workers', workers, overrides) as job:
    assert job.wait() == [0] * workers, job.err(0)
  printed = one_process(records, tmp_path / 'replicas', workers, overrides)
  assert len(losses(printed)) == 4
  np.testing.assert_allclose(losses(job.out(0)), losses(printed), rtol=1e-3)  # as they are printed
  found = updates.arrays(str(tmp_path / 'workers/ckpt-4'))
  wanted = updates.arrays(str(tmp_path / 'replicas/ckpt-4'))
  before = initial(tmp_path)
  updates.assert_equal(found, wanted, before, 1e-3, kinked=0.2)


@pytest.mark.slow
def test_the_folder_of_three_workers_is_that_of_one_process(records, tmp_path):
  overrides = [
      *GRADIENT[:2], 'trainer.optimizer_config.learning_rate.base=0.03', 'trainer.train_steps=4',
      'trainer.validation_interval=2',
      'trainer.best_checkpoint_eval_metric=validation_loss',
      'trainer.best_checkpoint_metric_comp=lower']
  mode = 'train_and_eval'
  with jobs.Job(
      tmp_path / 'logs', records, tmp_path / 'workers', 3, overrides, mode=mode) as job:
    assert job.wait() == [0, 0, 0], job.err(0)
  one_process(records, tmp_path / 'replicas', 3, overrides, mode)
  workers, replicas = tmp_path / 'workers', tmp_path / 'replicas'
  assert names_of(workers) == names_of(replicas)
  modes = {(workers / name).stat().st_mode & 0o777 for name in files_of(workers)}
  assert modes == {0o666 & ~jobs.CHIEF}  # the others write another mode
  assert {'evaluations/step_00000002.json', 'evaluations/step_00000004.json', 'best.json'} <= set(
      names_of(workers))
  one, other = (json.loads((run / 'best.json').read_text()) for run in (workers, replicas))
  assert one['step'] == other['step'] == 4
  for step in (2, 4):
    name = f'evaluations/step_{step:08d}.json'
    found, wanted = (json.loads((run / name).read_text()) for run in (workers, replicas))
    assert found['images'] == wanted['images'] == 3
    assert found['metrics'].keys() == wanted['metrics'].keys()
    for metric, value in wanted['metrics'].items():
      np.testing.assert_allclose(found['metrics'][metric], value, rtol=1e-4, err_msg=metric)


def names_of(folder):
  """Returns the names of the files, those of TensorBoard without time, host and process."""
  return [re.sub(r'(events.out.tfevents).*', r'\1', name) for name in files_of(folder)]


def initial(folder):
  """Returns the weights that these trainings begin with."""
  from tf_maskformer.configs import overrides
  from tf_maskformer.configs.experiments import registry
  from tf_maskformer.tasks.factory import build_task
  e = registry.get(jobs.EXPERIMENT)
  overrides.apply(e, ','.join(jobs.SMALL))
  e.task.resolve()
  return updates.initial(build_task(e.task, e.runtime), folder)


@pytest.mark.slow
def test_sigterm_at_one_worker_stops_all_at_the_same_step(records, tmp_path):
  run = tmp_path / 'run'
  overrides = ['trainer.train_steps=5000', 'trainer.checkpoint_interval=5000']
  with jobs.Job(tmp_path / 'logs', records, run, 2, overrides) as job:
    job.wait_for('step 3/')
    job.processes[1].send_signal(signal.SIGTERM)
    assert job.wait() == [143, 143], (job.err(0), job.err(1))
  step = int(job.out(0).rpartition('stopped at step ')[2].split(',')[0])
  assert f'step {step}/5000' in job.out(0) and f'step {step + 1}/5000' not in job.out(0)
  assert (run / f'ckpt-{step}.index').exists() and not (run / '.lock').exists()
  assert job.err(0) == job.err(1) == ''


@pytest.mark.slow
@pytest.mark.parametrize('killed', [0, 1])
def test_a_killed_worker_ends_all_and_the_same_command_resumes(tmp_path, killed):
  assert drill.run(tmp_path, 2, killed, 3) == []


@pytest.mark.slow
def test_a_workers_own_mistake_is_told_to_all(records, tmp_path):
  run = tmp_path / 'run'
  run.mkdir()
  (run / 'params.yaml').write_text('experiment: x\n')
  (run / 'ckpt-2.index').write_bytes(b'damaged')
  with jobs.Job(tmp_path / 'logs', records, run, 2, ['trainer.train_steps=2']) as job:
    codes = job.wait()
  assert codes == [2, 1]
  own = job.err(0).removeprefix('error: ')
  assert '\n' not in own and str(run) in own
  assert job.err(1) == f'worker 1: error: worker 0 ended: {own}; run the same command on all ' \
                       'workers to resume'


@pytest.mark.slow
def test_a_worker_that_is_missing(records, tmp_path):
  with jobs.Job(tmp_path / 'logs', records, tmp_path / 'run', 2,
                ['trainer.train_steps=2'], ['--worker_timeout', '20']) as job:
    job.processes[1].kill()
    assert job.wait()[0] == 2
  assert f'error: worker 1 ({job.hosts[1]}) did not answer within 20 s' in job.err(0)
  assert not (tmp_path / 'run').exists()


@pytest.mark.slow
@pytest.mark.parametrize('flags, words', [
    (['--task_index', '2'], '--task_index is 2, but --worker_hosts has 2 workers'),
    (['--task_index', '0', '--params_override', 'task.train_data.global_batch_size=7'],
     '=7 cannot be shared by 2 replicas (2 workers with 1 each)'),
    (['--task_index', '0', '--params_override', 'runtime.distribution_strategy=mirrored'],
     "2 workers are named, but runtime.distribution_strategy is 'mirrored'")])
def test_mistakes_are_one_line(records, tmp_path, flags, words):
  command = [
      sys.executable, 'train.py', '--experiment', jobs.EXPERIMENT, '--model_dir',
      str(tmp_path / 'run'), '--worker_hosts', ','.join(free_hosts(2)),
      '--params_override', ','.join(jobs.SMALL), *flags]
  done = subprocess.run(
      command, cwd=support.ROOT, env={**os.environ, 'TFRECORDS_DIR': str(records)},
      capture_output=True, text=True, check=False)
  assert done.returncode == 2 and done.stderr.count('\n') == 1, done.stderr
  assert words in done.stderr and not pathlib.Path(tmp_path / 'run').exists()
