"""The injector meets every call that writes, of Python and of the C library's streams."""

import errno
import signal
import subprocess
import sys

import pytest

from tests.faults import injector

_PROGRAM = """
import ctypes, os, sys
os.makedirs(sys.argv[1] + '/made')
os.chdir(sys.argv[1])
with open('made/a', 'w') as file:
  file.write('text')
os.replace('made/a', 'made/b')
libc = ctypes.CDLL(None, use_errno=True)
libc.fopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fopen(b'made/c', b'w'))
if not stream or libc.fwrite(b'text', 1, 4, stream) != 4 or libc.fclose(stream):
  sys.exit(ctypes.get_errno())
"""
_CALLS = [
    ('mkdir', 'made'), ('open', 'made/a'), ('write', 'made/a'), ('rename', 'made/b'),
    ('fopen', 'made/c'), ('fwrite', 'made/c'), ('fclose', 'made/c')]


@pytest.fixture(scope='module', name='compiled')
def make_injector(tmp_path_factory):
  return injector.Injector(tmp_path_factory.mktemp('injector'))


def start(compiled, folder, action='full', at=0, log=None):
  watched = folder / 'watched'
  environment = compiled.environment(watched, action, at, log)
  return subprocess.run(
      [sys.executable, '-c', _PROGRAM, str(watched)], env=environment, capture_output=True,
      text=True, check=False)


def test_every_call_is_seen(compiled, tmp_path):
  log = tmp_path / 'log'
  assert start(compiled, tmp_path, log=log).returncode == 0
  found = injector.calls(log, tmp_path / 'watched')
  seen = [(call.name, call.path) for call in found if call.path]
  assert [call for call in seen if call in _CALLS] == _CALLS


@pytest.mark.parametrize('at', range(2, 9))  # the first makes the watched folder itself
def test_a_full_disk_and_kills(compiled, tmp_path, at):
  (tmp_path / 'full').mkdir()
  full = start(compiled, tmp_path / 'full', 'full', at)
  assert full.returncode == errno.ENOSPC or 'No space left on device' in full.stderr
  (tmp_path / 'kill').mkdir()
  killed = start(compiled, tmp_path / 'kill', 'kill_before', at)
  assert killed.returncode == -signal.SIGKILL
  name, path = _CALLS[at - 2]
  if name in ('mkdir', 'open', 'rename', 'fopen'):
    assert not (tmp_path / 'kill' / 'watched' / path).exists()
    (tmp_path / 'after').mkdir()
    start(compiled, tmp_path / 'after', 'kill_after', at)
    assert (tmp_path / 'after' / 'watched' / path).exists()


def test_one_call_fails_and_the_next_do_not(compiled, tmp_path):
  failed = start(compiled, tmp_path, 'once', 8)
  assert failed.returncode == errno.ENOSPC
  assert (tmp_path / 'watched/made/c').read_bytes() == b''
