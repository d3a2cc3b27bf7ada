"""One process per folder."""

import json
import os
import socket

import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.training import lock

_NO_PROCESS = 2**22 + 1  # above every process id of Linux


def _locked_by(folder, host, pid):
  (folder / '.lock').write_text(json.dumps({'host': host, 'pid': pid}))


def _hold(folder):
  with lock.held(str(folder)):
    pass


def test_the_lock_is_there_while_it_is_held(tmp_path):
  with lock.held(str(tmp_path)):
    owner = json.loads((tmp_path / '.lock').read_text())
    assert owner == {'host': socket.gethostname(), 'pid': os.getpid()}
    with pytest.raises(UserError, match=f'in use by process {os.getpid()} on '):
      _hold(tmp_path)
    with lock.held(str(tmp_path), '.eval.lock'):  # another lock of the same folder
      pass
    assert (tmp_path / '.lock').exists()
  assert not list(tmp_path.iterdir())


def test_a_lock_is_given_back_after_an_error(tmp_path):
  with pytest.raises(ValueError), lock.held(str(tmp_path)):
    raise ValueError
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('content', ['', json.dumps(
    {'host': socket.gethostname(), 'pid': _NO_PROCESS})])
def test_a_lock_whose_owner_is_gone_is_taken_over(tmp_path, content):
  (tmp_path / '.lock').write_text(content)
  with lock.held(str(tmp_path)):
    assert json.loads((tmp_path / '.lock').read_text())['pid'] == os.getpid()


@pytest.mark.parametrize('host, pid', [('elsewhere', _NO_PROCESS), (socket.gethostname(), 1)])
def test_an_owner_that_may_run_keeps_the_lock(tmp_path, host, pid):
  _locked_by(tmp_path, host, pid)  # of another host nothing is known; process 1 always runs
  with pytest.raises(UserError, match=f'in use by process {pid} on {host}; .*remove .*lock'):
    _hold(tmp_path)
  assert json.loads((tmp_path / '.lock').read_text())['pid'] == pid
