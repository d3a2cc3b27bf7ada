"""Shards made by a runner of Apache Beam: the bytes, the reports and the messages of the pool.

Skipped where Beam is not installed; `scripts/test.sh` says how these tests are run.
"""

import importlib.util
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests import support
from tests.dataloaders.preparation import remote
from tf_maskformer import files
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.preparation import shapes
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import prepare_data

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec('apache_beam') is None,
    reason='Apache Beam is not installed; bash scripts/setup_env.sh --extras beam')

DATA_SET = '--data_set=shapes_panoptic'
TWO_PROCESSES = ['--runner_options', 'direct_num_workers=2', 'direct_running_mode=multi_processing']
START = 180  # seconds, for worker processes that load TensorFlow


@pytest.fixture(name='root')
def draw(tmp_path):
  root = tmp_path / 'drawn'
  shapes.write(str(root), shapes.Options(train=9, validation=4, size=48))
  return root


def content(folder):
  """Returns the bytes of what a conversion left, by name."""
  return {path.name: path.read_bytes() for path in folder.iterdir()}


def records(folder):
  return {name: data for name, data in content(folder).items() if name.endswith('.tfrecord')}


def prepare(root, output, *more):
  prepare_data.main(
      ['coco_panoptic', f'--coco_root={root}', f'--output={output}', '--shards=4', *more])


def test_the_same_bytes_as_the_pool(root, tmp_path):
  prepare(root, tmp_path / 'pool', DATA_SET, '--workers=2')
  prepare(root, tmp_path / 'beam', DATA_SET, '--runner=DirectRunner')
  expected = content(tmp_path / 'pool')
  assert len([name for name in expected if name.endswith('.tfrecord')]) == 8
  assert content(tmp_path / 'beam') == {
      name: data.replace(b'/pool', b'/beam') for name, data in expected.items()}


def test_the_same_bytes_in_two_processes_of_real_images(tmp_path):
  root = support.shared('data/coco_panoptic_mini')
  prepare(root, tmp_path / 'pool', '--workers=2')
  prepare(root, tmp_path / 'beam', '--runner=DirectRunner', *TWO_PROCESSES)
  assert content(tmp_path / 'pool') == content(tmp_path / 'beam')


@pytest.mark.parametrize('kind', ['LOOPBACK', 'SUBPROCESS'])
def test_a_job_server(root, tmp_path, kind):
  """A server of another process takes the job; the workers are here, or processes of the server."""
  prepare(root, tmp_path / 'pool', DATA_SET, '--workers=1')
  with socket.socket() as free:
    free.bind(('localhost', 0))
    port = free.getsockname()[1]
  command = [sys.executable, '-m', 'apache_beam.runners.portability.local_job_service_main',
             f'--port={port}']
  where = ['environment_type=LOOPBACK']
  if kind == 'SUBPROCESS':
    worker = f'{sys.executable} -m apache_beam.runners.worker.sdk_worker_main'
    where = ['environment_type=beam:env:harness_subprocess_python:v1',
             f'environment_config={worker}']
  with subprocess.Popen(
      command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=support.ROOT) as server:
    try:
      wait_for_port(port)
      prepare(root, tmp_path / 'beam', DATA_SET, '--runner=PortableRunner',
              '--runner_options', f'job_endpoint=localhost:{port}', *where)
    finally:
      server.kill()
  assert content(tmp_path / 'pool') == content(tmp_path / 'beam')


def wait_for_port(port):
  deadline = time.monotonic() + START
  while time.monotonic() < deadline:
    with socket.socket() as one:
      if one.connect_ex(('localhost', port)) == 0:
        return
    time.sleep(0.1)
  pytest.fail('the job server does not answer')


def test_from_and_to_a_remote_file_system(root, tmp_path):
  prepare(root, tmp_path / 'pool', DATA_SET, '--workers=1')
  place = remote.copy(root)
  prepare(f'{place}', f'{place}/records', DATA_SET, '--runner=DirectRunner')
  expected = {name: data for name, data in content(tmp_path / 'pool').items()
              if name.endswith('.tfrecord')}
  found = remote.content(f'{place}/records')
  assert {name: found[name] for name in expected} == expected
  assert not [name for name in found if name.startswith('.')]


@pytest.mark.parametrize('more', [[], ['--runner=DirectRunner']])
def test_a_bad_image_is_refused_with_the_same_line(root, tmp_path, capsys, more):
  bad = sorted((root / 'train2017').iterdir())[2]
  bad.write_bytes(bad.read_bytes()[:100])
  prepare(root, tmp_path / 'out', DATA_SET, '--workers=1', *more)
  printed = capsys.readouterr().out.splitlines()
  refused = [line for line in printed if line.startswith('  refused: ')]
  assert len(refused) == 1 and refused[0].startswith(f'  refused: {bad.name}: {bad} cannot be deco')


@pytest.mark.parametrize('more', [[], ['--runner=DirectRunner']])
def test_the_limit_of_pixels_holds(root, tmp_path, more):
  try:
    with pytest.raises(UserError, match='no image could be used; the first: .*--max_pixels raises'):
      prepare(root, tmp_path / 'out', DATA_SET, '--workers=1', '--max_pixels=100', *more)
  finally:
    images.allow(images.MAX_PIXELS)


@pytest.mark.parametrize('more', [[], ['--runner=DirectRunner']])
def test_what_a_worker_cannot_write_is_the_same_line(root, tmp_path, more):
  prepare(root, tmp_path / 'out', DATA_SET, '--workers=1')
  shard = tmp_path / 'out/train-00001-of-00004.tfrecord'
  shard.unlink()
  shard.mkdir()
  with pytest.raises(UserError, match=f'^{shard} cannot be written .*; finished shards are kept; '):
    prepare(root, tmp_path / 'out', DATA_SET, '--workers=1', *more)
  assert not list((tmp_path / 'out').glob('.*'))


def test_what_was_finished_is_kept(root, tmp_path, capsys):
  prepare(root, tmp_path / 'out', DATA_SET, '--workers=1')
  expected = records(tmp_path / 'out')
  (tmp_path / 'out/train-00001-of-00004.tfrecord').unlink()
  capsys.readouterr()
  prepare(root, tmp_path / 'out', DATA_SET, '--runner=DirectRunner')
  assert ', 3 shards were finished already' in capsys.readouterr().out
  assert records(tmp_path / 'out') == expected


def slow_command(root, output, *more):
  """Returns the command of a conversion that is not done soon, of links to one image."""
  for folder in ('train2017', 'annotations/panoptic_train2017'):
    first = min((root / folder).iterdir())
    for number in range(6000):
      os.link(first, first.with_name(f'l{number}{first.suffix}'))
  path = root / 'annotations/panoptic_train2017.json'
  found = files.read_json(path)
  image, annotation = found['images'][0], found['annotations'][0]
  found['images'] = [{**image, 'id': k, 'file_name': f'l{k}.jpg'} for k in range(6000)]
  found['annotations'] = [
      {**annotation, 'image_id': k, 'file_name': f'l{k}.png'} for k in range(6000)]
  files.write_json(path, found)
  return [sys.executable, '-m', 'tf_maskformer', 'prepare', 'coco_panoptic',
          f'--images={root}/train2017', f'--annotations={path}', '--split=train',
          f'--panoptic={root}/annotations/panoptic_train2017', DATA_SET, f'--output={output}',
          '--shards=60', '--runner=DirectRunner', *more]


def wait_for_shards(process, output):
  deadline = time.monotonic() + START
  while not list(output.glob('train-*.tfrecord')) and time.monotonic() < deadline:
    assert process.poll() is None, 'it ended before the first shard'
    time.sleep(0.01)


@pytest.mark.parametrize('number, code', [
    (signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_preparation(root, tmp_path, number, code):
  output = tmp_path / 'out'
  command = slow_command(root, output)
  with subprocess.Popen(
      command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=support.ROOT
  ) as process:
    wait_for_shards(process, output)
    process.send_signal(number)
    printed = process.communicate()[1]
  assert process.returncode == code
  assert 'Traceback' not in printed
  if number != signal.SIGKILL:
    assert printed.splitlines()[-1] == 'interrupted'
    assert not list(output.glob('.*'))
  finished = len(list(output.glob('train-*.tfrecord')))
  again = subprocess.run(command, capture_output=True, text=True, cwd=support.ROOT, check=False)
  assert again.returncode == 0, again.stderr
  kept = int(again.stdout.partition(' shards were finished already')[0].rpartition(' ')[2])
  # The last one may not have been reported yet.
  assert finished - 1 <= kept <= finished and kept > 0
  assert len(list(output.glob('train-*.tfrecord'))) == 60 and not list(output.glob('.*'))


def test_a_worker_that_dies_ends_the_job_with_one_line(root, tmp_path):
  output = tmp_path / 'out'
  command = slow_command(root, output, *TWO_PROCESSES)
  with subprocess.Popen(
      command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=support.ROOT
  ) as process:
    wait_for_shards(process, output)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    printed = process.communicate()[1]
  assert process.returncode == 2
  said = [line for line in printed.splitlines() if line.startswith('error: ')]
  assert len(said) == 1
  assert 'the job of DirectRunner ended without ' in said[0]
  assert 'exited with return code' in said[0] and 'run the same command again' in said[0]


def workers_of(pid):
  """Returns the ids of Beam's worker processes below a process."""
  found = []
  for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
    try:
      parent = int(path.read_text().rpartition(')')[2].split()[1])
      words = (path.parent / 'cmdline').read_bytes()
    except (FileNotFoundError, ProcessLookupError):
      continue
    if parent == pid:
      child = int(path.parent.name)
      found += workers_of(child) or ([child] if b'sdk_worker_main' in words else [])
  return found


@pytest.mark.parametrize('options, message', [
    (['qqqqqq=1'], "'qqqqqq' is unknown to Apache Beam"),
    (['direct_num_worker=2'], "'direct_num_worker' is unknown; did you mean direct_num_workers"),
    (['direct_num_workers=two'], "direct_num_workers: invalid int value: 'two'"),
    (['direct_running_mode=fast'], 'direct_running_mode: invalid choice'),
    (['a b'], "'a b' is not name=value"), (['runner=DirectRunner'], 'is what --runner says')])
def test_options_that_are_not_possible(root, tmp_path, options, message):
  with pytest.raises(UserError, match=f'^--runner_options .*{message}'):
    prepare(root, tmp_path / 'out', DATA_SET, '--runner=DirectRunner', '--runner_options', *options)
  assert not (tmp_path / 'out').exists()


def test_runners_that_cannot_be_used(root, tmp_path):
  with pytest.raises(UserError, match='workers of DataflowRunner do not see the local folder'):
    prepare(root, tmp_path / 'out', DATA_SET, '--runner=DataflowRunner')
  with pytest.raises(UserError, match='the job of PortableRunner ended without 4 of 4 shards'):
    prepare(root, tmp_path / 'out', DATA_SET, '--runner=PortableRunner',
            '--runner_options', 'job_endpoint=localhost:1', 'job_server_timeout=1')
