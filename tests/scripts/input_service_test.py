"""The program as a process: what it refuses in one line, how it ends, and what a restart does."""

import contextlib
import signal
import socket
import subprocess
import sys

import pytest
import tensorflow as tf

from tests import support
from tests.dataloaders.input_service_test import config
from tests.dataloaders.input_service_test import free_ports
from tests.records import shapes_records
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import input_service as client
from tf_maskformer.dataloaders import reader
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import input_service

WORKER = ['--role=worker', '--address=a:5', '--dispatcher=b:6']


@pytest.mark.parametrize('flags, message', [
    ([], '--role'), (['--role=workr'], "role 'workr' is unknown; did you mean worker"),
    (['--role=dispatcher'], '--workers is missing; a dispatcher needs it'),
    (['--role=dispatcher', '--workers='], '--workers is missing'),
    (['--role=dispatcher', '--workers=a'], '--workers a is not HOST:PORT'),
    (['--role=dispatcher', '--workers=a:0'], '--workers a:0 is not HOST:PORT'),
    (['--role=dispatcher', '--workers=a:1,b:65536'], '--workers b:65536 is not HOST:PORT'),
    (['--role=dispatcher', '--workers=a:1,a:1'], '--workers has a:1 twice'),
    (['--role=dispatcher', '--workers=a:1', '--port=0'], '--port 0 is not between 1 and 65535'),
    (['--role=dispatcher', '--workers=a:1', '--address=a:1'], '--address has no effect on a disp'),
    (['--role=worker', '--address=a:5'], '--dispatcher is missing; a worker needs it'),
    (['--role=worker', '--dispatcher=b:6'], '--address is missing; a worker needs it'),
    ([*WORKER, '--workers=a:1'], '--workers has no effect on a worker'),
    ([*WORKER, '--timeout=0'], '--timeout 0 is not between')])
def test_mistakes(flags, message):
  with pytest.raises(UserError, match=message):
    input_service.main(flags)


def test_a_port_in_use():
  with socket.create_server(('', 0)) as taken:
    port = taken.getsockname()[1]
    with pytest.raises(UserError, match=f'port {port} cannot be used .*; choose another --port'):
      input_service.main(['--role=dispatcher', '--workers=a:1', f'--port={port}'])


def test_a_worker_without_its_dispatcher():
  own, other = free_ports(2)
  with pytest.raises(UserError, match='the input service at 127.0.0.1:.* does not answer'):
    input_service.main([
        '--role=worker', f'--address=127.0.0.1:{own}', f'--dispatcher=127.0.0.1:{other}',
        '--timeout=0.5'])


def start(*flags):
  return subprocess.Popen(
      [sys.executable, '-m', 'tf_maskformer', 'input_service', *flags], cwd=support.ROOT,
      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_a_worker_that_starts_again_is_not_another_order(tmp_path_factory):
  records = shapes_records(tmp_path_factory.mktemp, 10, 2)
  addresses = [f'127.0.0.1:{port}' for port in free_ports(2)]
  worker = ['--role=worker', f'--address={addresses[1]}', f'--dispatcher={addresses[0]}']
  port = addresses[0].rpartition(':')[2]
  running = [
      start('--role=dispatcher', f'--port={port}', f'--workers={addresses[1]}'), start(*worker)]
  try:
    batches = iter(reader.build(config(records, f'grpc://{addresses[0]}'), 'shapes_panoptic', 5))
    next(batches)
    running[1].kill()
    running[1].communicate()
    running[1] = start(*worker)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
      for _ in range(1000):  # what was prepared before is still right
        next(batches)
    assert decoder.explain(error.value).startswith(f'{client.LOST}: batch 0 came where ')
    for process, role in zip(running, input_service.ROLES):
      process.send_signal(signal.SIGTERM)
      output, _ = process.communicate(timeout=10)
      assert process.returncode == 0 and output.endswith(f'{role} ended\n')
      assert 'warning: whoever reaches this port' in output
  finally:
    for process in running:
      with contextlib.suppress(OSError):
        process.kill()
      process.communicate()
