"""One process per folder."""

import collections
import errno
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from tf_maskformer import lock
from tf_maskformer.errors import UserError

_AT_ONCE = 6  # contending processes
_STARTS_EACH = 10  # of a contending process

# Takes the lock again and again. A marker, made exclusively by who holds the lock, tells whether
# somebody else does; one process in three dies in the middle.
_CONTENDER = f"""
import os, pathlib, random, signal, sys, time
from tf_maskformer import lock
from tf_maskformer.errors import UserError

folder, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)
marker = pathlib.Path(folder, 'marker')
log = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def hold(dies):
  try:
    file = os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
  except FileExistsError:  # of one that was killed, or of another holder
    os.write(log, b'after\\n' if marker.read_text() == 'dead' else b'two\\n')
    marker.unlink()
    file = os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
  os.write(file, str(os.getpid()).encode())
  os.close(file)
  time.sleep(rng.random() / 500)
  if dies:
    marker.write_text('dead')
    os.kill(os.getpid(), signal.SIGKILL)
  if marker.read_text() != str(os.getpid()):
    os.write(log, b'two\\n')
  marker.unlink()

for start in range({_STARTS_EACH}):
  try:
    with lock.held(folder):
      os.write(log, b'held\\n')
      hold(dies=seed % 3 == 0 and start == {_STARTS_EACH} - 1)
  except UserError:
    os.write(log, b'refused\\n')
  time.sleep(rng.random() / 500)
"""

# Holds the lock until it is killed; with a forked child that outlives it.
_HOLDER = """
import os, sys, time
from tf_maskformer import lock
with lock.held(sys.argv[1]):
  if os.fork() == 0:
    print(os.getpid(), flush=True)
  time.sleep(600)
"""


def _hold(folder):
  with lock.held(folder):
    return json.loads((folder / '.lock').read_text())['pid']


def test_the_lock_is_there_while_it_is_held(tmp_path):
  with lock.held(tmp_path):
    owner = json.loads((tmp_path / '.lock').read_text())
    assert owner == {'host': socket.gethostname(), 'pid': os.getpid()}
    with pytest.raises(
        UserError, match=f'in use by process {os.getpid()} on {socket.gethostname()}; stop it'):
      _hold(tmp_path)
    with lock.held(tmp_path, '.eval.lock'):  # another lock of the same folder
      pass
    assert (tmp_path / '.lock').exists()
  assert not list(tmp_path.iterdir())


def test_a_lock_is_given_back_after_an_error(tmp_path):
  with pytest.raises(ValueError), lock.held(tmp_path):
    raise ValueError
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('content', [
    b'', b'\0' * 60, b'{"host": "a", "pi', b'[]', b'{}', b'{"host": "a"}', b'\xff\xfe', b'[' * 9999,
    b'{"host": 1, "pid": %d}' % 2**70, b'{"host": "h", "pid": ' + b'9' * 9999 + b'}',
    # As earlier versions wrote it: of a process that is gone, of a running one, of another host.
    json.dumps({'host': socket.gethostname(), 'pid': 2**22 + 1}).encode(),
    json.dumps({'host': socket.gethostname(), 'pid': 1}).encode(),
    json.dumps({'host': socket.gethostname(), 'pid': os.getpid()}).encode(),
    json.dumps({'host': 'elsewhere', 'pid': 1}).encode()], ids=lambda content: '')
def test_a_file_that_nobody_locks_is_no_obstacle(tmp_path, content):
  (tmp_path / '.lock').write_bytes(content)
  assert _hold(tmp_path) == os.getpid()


@pytest.mark.parametrize('content', [
    '', '[]', '{"pid": "a", "host": 1}', '{"pid": 1e999, "host": 1}', '{"host": "a\\nb"}'])
def test_a_holder_without_a_name(tmp_path, content):
  with lock.held(tmp_path):
    (tmp_path / '.lock').write_text(content)
    with pytest.raises(UserError, match='in use by another process; stop it'):
      _hold(tmp_path)


def _make_obstacle(kind, path):
  if kind == 'folder':
    path.mkdir()
  elif kind == 'dangling link':
    path.symlink_to(path.with_name('nowhere'))
  elif kind == 'link':
    path.with_name('data').write_text('kept')
    path.symlink_to(path.with_name('data'))
  elif kind == 'hard link':
    path.with_name('data').write_text('kept')
    os.link(path.with_name('data'), path)
  else:
    os.mkfifo(path)


@pytest.mark.parametrize('kind, message', [
    ('folder', 'Is a directory'), ('dangling link', 'symbolic link'), ('link', 'symbolic link'),
    ('hard link', 'not a file of its own'), ('pipe', 'not a file of its own')])
def test_what_is_not_a_lock_file_is_one_line_and_stays(tmp_path, kind, message):
  _make_obstacle(kind, tmp_path / '.lock')
  with pytest.raises(UserError, match=f'{tmp_path} cannot be locked .*{message}'):
    _hold(tmp_path)
  assert os.path.lexists(tmp_path / '.lock')
  assert not (tmp_path / 'data').exists() or (tmp_path / 'data').read_text() == 'kept'


@pytest.mark.parametrize('name', ['gone', 'a\0b', 'x' * 300])
def test_a_folder_that_cannot_be_is_one_line(tmp_path, name):
  with pytest.raises(UserError, match='cannot be locked'):
    _hold(tmp_path / name)


def test_a_folder_removed_while_it_is_held(tmp_path):
  folder = tmp_path / 'run'
  folder.mkdir()
  with lock.held(folder):
    (folder / '.lock').unlink()
    folder.rmdir()
  folder.mkdir()
  with lock.held(folder):
    (folder / '.lock').unlink()
    (folder / '.lock').write_text('of somebody else')
  assert (folder / '.lock').read_text() == 'of somebody else'


@pytest.mark.parametrize('code', [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_a_warning(tmp_path, capsys, monkeypatch, code):
  def refuse(*_):
    raise OSError(code, os.strerror(code))
  monkeypatch.setattr(lock.fcntl, 'flock', refuse)
  assert _hold(tmp_path) == os.getpid()
  assert capsys.readouterr().out.startswith(f'warning: {tmp_path} is on a file system without')


def test_a_killed_holder_lets_the_next_in_though_its_child_lives(tmp_path):
  with subprocess.Popen(
      [sys.executable, '-c', _HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
    child = int(holder.stdout.readline())
    try:
      with pytest.raises(UserError, match=f'in use by process {holder.pid} on '):
        _hold(tmp_path)
      holder.kill()
      holder.wait()
      assert os.path.exists(f'/proc/{child}')
      assert _hold(tmp_path) == os.getpid()
    finally:
      os.kill(child, signal.SIGKILL)


def test_a_forked_child_that_ends_leaves_the_lock(tmp_path):
  with lock.held(tmp_path):
    pid = os.fork()
    if pid == 0:
      os._exit(0)
    os.waitpid(pid, 0)
    command = [sys.executable, '-c', _CONTENDER, str(tmp_path), '1', str(tmp_path / 'log')]
    subprocess.run(command, check=True)
  assert set((tmp_path / 'log').read_text().split()) == {'refused'}


@pytest.mark.parametrize('starts', [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_contested_starts_have_one_winner(tmp_path, starts):
  folder = tmp_path / 'run'
  folder.mkdir()
  log = tmp_path / 'log'
  seeds = list(range(starts // _STARTS_EACH))
  running = []
  printed = ''
  while seeds or running:
    while seeds and len(running) < _AT_ONCE:
      running.append(subprocess.Popen(
          [sys.executable, '-c', _CONTENDER, str(folder), str(seeds.pop()), str(log)],
          stderr=subprocess.PIPE, text=True))
    for process in [process for process in running if process.poll() is not None]:
      printed += process.stderr.read()
      process.stderr.close()
      running.remove(process)
    time.sleep(0.01)
  assert not printed
  outcomes = collections.Counter(pathlib.Path(log).read_text().split())
  assert outcomes['held'] + outcomes['refused'] == starts // _STARTS_EACH * _STARTS_EACH
  assert outcomes['held'] and outcomes['refused'] and not outcomes['two']


def test_a_folder_that_was_removed_and_made_again_is_lost(tmp_path):
  folder = tmp_path / 'run'
  folder.mkdir()
  with lock.held(folder):
    assert not lock.is_lost(folder)
    (folder / '.lock').unlink()
    folder.rmdir()
    assert lock.is_lost(folder)
    folder.mkdir()
    assert lock.is_lost(folder)
  assert not lock.is_lost(folder)
