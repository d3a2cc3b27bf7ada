"""The shell scripts, as processes: syntax, what they refuse, what they hand to the program."""

import os
import pathlib
import subprocess
import sys
import time

import pytest

from tests import support

SCRIPTS = sorted(p.name for p in (support.ROOT / 'scripts').glob('*.sh'))
# A Python that prints its arguments instead of running them; checks of packages succeed.
FAKE_PYTHON = '#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "RUN $*"\n'


def _run(script, tmp_path, path=None, **variables):
  keep = {'PATH': path or os.environ['PATH'], 'HOME': str(tmp_path)}
  return subprocess.run(
      ['bash', str(support.ROOT / script)], cwd='/', env={**keep, **variables},
      stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(name='fake')
def _fake(tmp_path):
  python = tmp_path / 'fake_python'
  python.write_text(FAKE_PYTHON)
  python.chmod(0o755)
  return {'PYTHON': str(python), 'tmp_path': tmp_path}


def _commands(result):
  assert result.returncode == 0, result.stderr
  return [line[4:] for line in result.stdout.splitlines() if line.startswith('RUN ')]


@pytest.mark.parametrize('script', [*(f'scripts/{s}' for s in SCRIPTS), '.ci/run'])
def test_syntax(script):
  assert subprocess.run(['bash', '-n', str(support.ROOT / script)], check=False).returncode == 0
  assert os.access(support.ROOT / script, os.X_OK)


def test_with_nothing_set_the_embedded_data_set(fake):
  commands = _commands(_run('scripts/train_cpu.sh', **fake))
  assert [pathlib.Path(c.split()[0]).name for c in commands] == [
      'make_shapes.py', 'prepare_data.py', 'train.py', 'show_results.py']
  assert '--data_set shapes_panoptic' in commands[1]
  run = support.ROOT / 'runs' / 'maskformer_shapes_panoptic'
  mode = '--mode train_and_eval'
  assert f'--experiment maskformer_shapes_panoptic {mode} --model_dir {run}' in commands[2]
  assert 'runtime.distribution_strategy=one_device,runtime.num_gpus=0' in commands[2]
  assert f'--model_dir {run}' in commands[3]


def test_variables_reach_the_program(fake):
  commands = _commands(_run(
      'scripts/train_cpu.sh', TFRECORDS_DIR='/records', MODEL_DIR='/run here', MODE='train',
      TRAIN_STEPS='7', PRECISION='bfloat16', OVERRIDES='task.model.num_queries=9', **fake))
  assert len(commands) == 1
  assert '--experiment maskformer_coco_panoptic --mode train --model_dir /run here' in commands[0]
  assert 'runtime.mixed_precision_dtype=bfloat16,trainer.train_steps=7 ' in commands[0]
  assert commands[0].endswith('--params_override=task.model.num_queries=9')


def test_overrides_reach_the_images_too(fake):
  commands = _commands(_run(
      'scripts/train_cpu.sh', TFRECORDS_DIR='/r', OVERRIDES='task.model.which_pixel_decoder=fpn',
      **fake))
  assert len(commands) == 2 and 'show_results.py' in commands[1]
  assert all(c.endswith('--params_override=task.model.which_pixel_decoder=fpn') for c in commands)


def test_eval(fake):
  commands = _commands(_run(
      'scripts/eval_cpu.sh', TFRECORDS_DIR='/records', MODEL_DIR='/run', MASKFORMER_CKPT='/w',
      **fake))
  assert len(commands) == 1 and '--mode eval --model_dir /run' in commands[0]


def test_a_failure_of_the_program_is_the_scripts(fake):
  pathlib.Path(fake['PYTHON']).write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\nexit 143\n')
  assert _run('scripts/eval_cpu.sh', TFRECORDS_DIR='/records', **fake).returncode == 143


def test_several_gpus(fake):
  smi = fake['tmp_path'] / 'bin' / 'nvidia-smi'
  smi.parent.mkdir()
  smi.write_text('#!/bin/sh\necho GPU 0\n')
  smi.chmod(0o755)
  fake['path'] = f'{smi.parent}:{os.environ["PATH"]}'
  commands = _commands(
      _run('scripts/train_gpu.sh', TFRECORDS_DIR='/r', NUM_GPUS='4', MODE='train', **fake))
  assert 'runtime.distribution_strategy=mirrored,runtime.num_gpus=4' in commands[0]
  result = _run('scripts/train_gpu.sh', TFRECORDS_DIR='/r', NUM_GPUS='two', **fake)
  assert result.returncode == 2 and 'NUM_GPUS=two is not a positive integer' in result.stderr


def test_local_workers(fake):
  commands = _commands(_run(
      'scripts/train_cluster.sh', TFRECORDS_DIR='/r', MODE='train', WORKERS='3',
      OVERRIDES='task.model.num_queries=9', **fake))
  assert len(commands) == 3
  for index, command in enumerate(sorted(commands, key=lambda c: c.partition('--task_index')[2])):
    assert 'free_hosts.py 3 ' in command and f'--task_index {index} ' in command
    assert command.endswith(
        '=runtime.distribution_strategy=multi_worker_mirrored,task.model.num_queries=9')
  result = _run('scripts/train_cluster.sh', TFRECORDS_DIR='/r', WORKERS='none', **fake)
  assert result.returncode == 2 and 'WORKERS=none is not a whole number' in result.stderr
  pathlib.Path(fake['PYTHON']).write_text(
      '#!/bin/sh\n[ "$1" = -c ] && exit 0\ncase "$*" in *index\\ 1*) exit 143;; esac\n')
  assert _run('scripts/train_cluster.sh', TFRECORDS_DIR='/r', **fake).returncode == 143


def test_sigterm_waits_until_the_local_workers_have_saved(fake):
  folder = fake['tmp_path']
  pathlib.Path(fake['PYTHON']).write_text(
      '#!/bin/sh\n[ "$1" = -c ] && exit 0\ncase "$*" in *task_index*) ;; *) exit 0;; esac\n'
      f"trap 'sleep 1; touch {folder}/saved$$; exit 143' TERM\ntouch {folder}/began$$\n"
      'while :; do sleep 0.1; done\n')
  script = subprocess.Popen(
      ['bash', str(support.ROOT / 'scripts/train_cluster.sh')], stdin=subprocess.DEVNULL,
      env={'PATH': os.environ['PATH'], 'HOME': str(folder), 'TFRECORDS_DIR': '/r',
           'PYTHON': fake['PYTHON']})
  deadline = time.monotonic() + 60
  while len(list(folder.glob('began*'))) < 2 and time.monotonic() < deadline:
    time.sleep(0.1)
  script.terminate()
  assert script.wait(60) == 143
  assert len(list(folder.glob('saved*'))) == 2


def test_named_tpu(fake):
  commands = _commands(_run(
      'scripts/train_tpu.sh', TFRECORDS_DIR='/r', TPU_NAME='pod', MODE='train', **fake))
  assert len(commands) == 1 and 'num_gpus' not in commands[0]


def _without(tmp_path, *programs):
  """Returns a PATH with the programs that the scripts need, less `programs`."""
  folder = tmp_path / 'path'
  folder.mkdir()
  for name in ('bash', 'sh', 'dirname', 'basename', 'grep', 'cksum', 'cat', 'ls'):
    if name not in programs:
      (folder / name).symlink_to(next(
          p for p in (pathlib.Path(d) / name for d in ('/usr/bin', '/bin')) if p.exists()))
  return str(folder)


@pytest.mark.parametrize('script, missing', [
    ('train_gpu.sh', 'no NVIDIA GPU is visible'), ('eval_gpu.sh', 'no NVIDIA GPU is visible'),
    ('train_tpu.sh', 'no TPU is attached'), ('eval_tpu.sh', 'no TPU is attached')])
def test_without_the_device_one_line(script, missing, tmp_path):
  if 'tpu' in script and any(pathlib.Path('/dev').glob('accel*')):
    pytest.skip('a TPU is attached to this machine')
  result = _run(f'scripts/{script}', tmp_path, path=_without(tmp_path))
  assert result.returncode == 2 and result.stdout == ''
  assert missing in result.stderr and result.stderr.count('\n') == 1
  assert f'scripts/{script.split("_")[0]}_cpu.sh' in result.stderr


def test_experiment_without_its_records(fake):
  result = _run('scripts/train_cpu.sh', EXPERIMENT='maskformer_coco_panoptic', **fake)
  assert result.returncode == 2 and 'TFRECORDS_DIR is not set' in result.stderr


@pytest.mark.parametrize('python, message', [
    ('/nowhere/python', 'is not a program'), ('/bin/false', 'has no tensorflow')])
def test_wrong_python(python, message, tmp_path):
  result = _run('scripts/setup_env.sh', tmp_path, PYTHON=python)
  assert result.returncode == 2 and message in result.stderr and result.stderr.count('\n') == 1


def test_no_python_at_all(tmp_path):
  result = _run('scripts/setup_env.sh', tmp_path, path=_without(tmp_path),
                VENV_DIR=str(tmp_path / 'venv'))
  assert result.returncode == 2 and 'no Python 3.10 to 3.13' in result.stderr
  assert not (tmp_path / 'venv').exists()


def test_arguments_reach_pytest(fake):
  result = subprocess.run(
      ['bash', str(support.ROOT / 'scripts' / 'test.sh'), '-m', 'slow', 'tests/ops'], cwd='/',
      env={**os.environ, 'PYTHON': fake['PYTHON']}, capture_output=True, text=True, check=False)
  assert _commands(result) == ['-m pytest -m slow tests/ops']


def _fake_environment(tmp_path):
  """Returns an environment in which pip only leaves a line, and the file of those lines.

  Any question about its version is answered as by this Python. While there is a file `broken`, pip
  fails.
  """
  venv = tmp_path / 'venv'
  (venv / 'bin').mkdir(parents=True)
  log = tmp_path / 'log'
  (venv / 'bin' / 'python').write_text(
      f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} "$@"\n'
      f'echo "$*" >> {log}\n[ ! -e {tmp_path}/broken ]\n')
  (venv / 'bin' / 'python').chmod(0o755)
  return venv, log


def test_set_up_installs_once(tmp_path):
  """A set-up that was finished is not done again; one that was cut short is."""
  venv, log = _fake_environment(tmp_path)
  (tmp_path / 'broken').touch()
  assert _run('scripts/setup_env.sh', tmp_path, VENV_DIR=str(venv)).returncode == 1
  (tmp_path / 'broken').unlink()
  first = _run('scripts/setup_env.sh', tmp_path, VENV_DIR=str(venv))
  again = _run('scripts/setup_env.sh', tmp_path, VENV_DIR=str(venv))
  assert first.returncode == again.returncode == 0
  assert 'installing' in first.stdout and 'installing' not in again.stdout
  assert log.read_text().count('--no-deps -r') == 2  # the broken one and the first


def _set_up_extras(tmp_path, *names, **variables):
  return subprocess.run(
      ['bash', str(support.ROOT / 'scripts' / 'setup_env.sh'), '--extras', *names], cwd='/',
      env={'PATH': os.environ['PATH'], 'HOME': str(tmp_path), **variables}, capture_output=True,
      text=True, check=False, timeout=120)


def test_extras_are_installed_once_at_the_versions_of_the_lock_file(tmp_path):
  venv, log = _fake_environment(tmp_path)
  first = _set_up_extras(tmp_path, 'serve', VENV_DIR=str(venv))
  again = _set_up_extras(tmp_path, 'serve', VENV_DIR=str(venv))
  assert first.returncode == again.returncode == 0, first.stderr
  assert 'the extra serve' in first.stdout and 'installing' not in again.stdout
  base, serve = log.read_text().splitlines()
  assert '--no-deps' in base and base.endswith('requirements.lock.txt')
  lock = support.ROOT / 'requirements.lock.txt'
  assert serve.endswith(f'--constraint {lock} -r {support.ROOT / "requirements-serve.txt"}')


def test_an_extra_that_replaces_pins_has_an_environment_of_its_own(tmp_path):
  venv, log = _fake_environment(tmp_path)
  result = _set_up_extras(tmp_path, 'beam', VENV_DIR=str(venv))
  assert result.returncode == 0, result.stderr
  base, beam = log.read_text().splitlines()
  assert '--no-deps' in base and base.endswith('requirements.lock.txt')
  assert '--constraint' not in beam
  assert beam.endswith(f'--no-deps -r {support.ROOT / "requirements-beam.txt"}')
  (venv / 'requirements.lock.stamp').unlink()  # the base is installed again, over the extra
  _set_up_extras(tmp_path, 'beam', VENV_DIR=str(venv))
  assert [line.rpartition('/')[2] for line in log.read_text().splitlines()[2:]] == [
      'requirements.lock.txt', 'requirements-beam.txt']
  result = _set_up_extras(tmp_path, 'serve,beam', VENV_DIR=str(venv))
  assert result.returncode == 2 and result.stderr.count('\n') == 1
  assert 'beam needs an environment of its own' in result.stderr
  result = _set_up_extras(tmp_path, 'beam', PYTHON=sys.executable)
  assert result.returncode == 2 and result.stderr.count('\n') == 1
  assert '--no-deps -r requirements-beam.txt' in result.stderr


def test_all_tests_run_without_what_replaces_pins():
  command = 'source scripts/common.sh; known_extras; shared_extras'
  done = subprocess.run(
      ['bash', '-c', command], cwd=support.ROOT, capture_output=True, text=True, check=True)
  known, shared = (line.split() for line in done.stdout.splitlines())
  assert set(known) - set(shared) == {'beam'} and 'serve' in shared


def test_extras_that_are_not_possible(tmp_path):
  (tmp_path / 'venv').mkdir()
  for names, message in ((['what'], "the extra 'what' is unknown; known: "),
                         (['serve,what'], "the extra 'what' is unknown; known: "),
                         ([], '--extras has no value; known: ')):
    result = _set_up_extras(tmp_path, *names, VENV_DIR=str(tmp_path / 'venv'))
    assert result.returncode == 2 and message in result.stderr and result.stderr.count('\n') == 1
  result = _set_up_extras(tmp_path, 'serve', PYTHON=sys.executable)
  assert result.returncode == 2 and result.stderr.count('\n') == 1
  assert '-m pip install -c requirements.lock.txt -r requirements-serve.txt' in result.stderr


def test_lock_files_pin_every_line():
  for path in support.ROOT.glob('requirements*.txt'):
    name = path.name
    if name in ('requirements.txt', 'requirements-dev.txt'):
      continue
    for line in path.read_text().splitlines():
      is_pin = '==' in line.split(';')[0]
      assert is_pin or line.startswith('#'), f'{name}: {line} is not a pin'
