"""The program as a process: what it refuses in one line, and what it answers."""

import socket
import sys

import pytest

from tests.scripts.predict_test import save_run
from tests.serving.http import load
from tests.serving.http import support
from tf_maskformer.dataloaders import images
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import serve


@pytest.fixture(autouse=True)
def restore_limit():
  """The programs set the limit of pixels of their process."""
  yield
  images.allow(images.MAX_PIXELS)


@pytest.mark.parametrize('flags, message', [
    ([], '--checkpoint'), (['--checkpoint=x', '--port=70000'], '--port 70000 is not between'),
    (['--checkpoint=x', '--port=eight'], 'invalid int value'),
    (['--checkpoint=x', '--batch_size=0'], '--batch_size 0 is below 1'),
    (['--checkpoint=x', '--queue=0'], '--queue 0 is below 1'),
    (['--checkpoint=x', '--max_bytes=-5'], '--max_bytes -5 is below 1'),
    (['--checkpoint=x', '--timeout=nan'], '--timeout nan is not between'),
    (['--checkpoint=x', '--host='], '--host is empty'),
    (['--checkpoint=.', '--host=no-such-host.invalid'], 'is not known'),
    (['--checkpoint=/nowhere', '--port=0'], 'checkpoint /nowhere does not exist')])
def test_mistakes(flags, message):
  with pytest.raises(UserError, match=message):
    serve.main(flags)


def test_a_port_in_use_is_said_before_the_model_is_read(tmp_path):
  with socket.create_server(('127.0.0.1', 0)) as taken:
    port = taken.getsockname()[1]
    with pytest.raises(UserError, match=f'port {port} of 127.0.0.1 is in use'):
      serve.main([f'--checkpoint={tmp_path}', f'--port={port}'])


def test_a_missing_extra(monkeypatch):
  monkeypatch.setitem(sys.modules, 'uvicorn', None)
  with pytest.raises(UserError, match=r"^uvicorn is not installed; .*'tf-maskformer\[serve\]'"):
    serve.main(['--checkpoint=/nowhere'])


def test_other_machines_are_warned_of(tmp_path, capsys):
  with pytest.raises(UserError, match='does not say of which model it is|no checkpoint'):
    serve.main([f'--checkpoint={tmp_path}', '--host=0.0.0.0', '--port=0'])
  assert 'warning: --host 0.0.0.0: everyone' in capsys.readouterr().out


@pytest.fixture(scope='module', name='run')
def make_run(tmp_path_factory):
  return save_run(tmp_path_factory.mktemp('run'), [0.0] * 7 + [-20.0])


def test_it_answers_and_ends_in_peace(run):
  process, port = load.start(str(run), '--batch_size=3')
  try:
    right, wrong = load.send(port, 2 * len(load.cases()), 4)
    assert not wrong and sum(right.values()) == 2 * len(load.cases())
    assert not load.end(process, port, 4)
  finally:
    process.kill()


@pytest.mark.slow
def test_load(run):
  """2000 requests, 16 at a time, broken ones among them: none lost, none stuck."""
  assert not load.run(str(run), 2000, 16)


assert support  # its import skips these tests where the extra is missing
