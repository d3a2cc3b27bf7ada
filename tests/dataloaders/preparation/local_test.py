"""Processes that end with their parent; one that dies costs its job, not the run."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tf_maskformer.dataloaders.preparation import local
from tf_maskformer.errors import UserError

# Jobs that tell their process and do not end; CPUs are claimed, so that there are several.
_ENDLESS = """
import os, sys, time
from tf_maskformer.dataloaders.preparation import local

def endless(name):
  os.write(1, b'%d' % os.getpid() + os.linesep.encode())  # in one piece, next to others
  time.sleep(600)

os.cpu_count = lambda: 3
for _ in local.run(endless, {name: (name,) for name in 'abcd'}, 3):
  pass
"""


@pytest.fixture(autouse=True)
def claim_cores(monkeypatch):
  monkeypatch.setattr(os, 'cpu_count', lambda: 3)


def _double(number):
  return 2 * number


def _die_once(marker, *_):
  if not marker.exists():
    marker.touch()
    os.kill(os.getpid(), signal.SIGKILL)
  return 'done'


def _die_if(dies):
  if dies:
    os.kill(os.getpid(), signal.SIGKILL)
  return 'done'


def _refuse(number):
  if number == 2:
    raise UserError('two')
  time.sleep(600)


def _raise(number):
  raise KeyError(number)


def _ask_for_too_much(number):
  if number:
    raise MemoryError
  return 'done'


def _count_at_once(folder, name):
  (folder / name).touch()
  time.sleep(0.3)
  count = len(list(folder.iterdir()))
  (folder / name).unlink()
  return count


def _is_running(pid):
  try:
    return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] not in 'ZX'
  except (FileNotFoundError, ProcessLookupError):
    return False


@pytest.mark.parametrize('processes', [1, 2, 10**6])
def test_results(processes):
  jobs = {str(number): (number,) for number in range(5)}
  assert dict(local.run(_double, jobs, processes)) == {'0': 0, '1': 2, '2': 4, '3': 6, '4': 8}


def test_no_more_processes_than_cores_and_jobs(tmp_path):
  for count, jobs in ((3, 'abcdefgh'), (2, 'ab')):
    folder = tmp_path / jobs
    folder.mkdir()
    at_once = dict(local.run(_count_at_once, {name: (folder, name) for name in jobs}, 10**6))
    assert max(at_once.values()) == count


def test_a_killed_process_costs_a_second_try(tmp_path, capsys):
  jobs = {'a': (tmp_path / 'a',), 'b': (pathlib.Path('/'),)}
  assert dict(local.run(_die_once, jobs, 2)) == {'a': 'done', 'b': 'done'}
  printed = capsys.readouterr().out
  assert printed.startswith('warning: the process of a was killed (too little memory?); once more')


@pytest.mark.parametrize('work, how', [
    (_die_if, 'was killed'), (_ask_for_too_much, 'ran out of memory')])
def test_a_process_that_dies_twice_costs_its_job(work, how):
  done = []
  with pytest.raises(local.Died) as died:
    for name, _ in local.run(work, {'a': (0,), 'b': (1,), 'c': (0,), 'd': (0,)}, 2):
      done.append(name)
  assert sorted(done) == ['a', 'c', 'd']
  assert list(died.value.how) == ['b'] and how in died.value.how['b']


def test_a_mistake_ends_the_others():
  with pytest.raises(UserError, match='two'):
    list(local.run(_refuse, {str(number): (number,) for number in range(3)}, 3))
  assert not local.multiprocessing.active_children()


def test_a_fault_keeps_its_trace():
  with pytest.raises(RuntimeError, match=r'(?s)Traceback.*in _raise.*KeyError: [12]'):
    list(local.run(_raise, {'a': (1,), 'b': (2,)}, 2))


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_processes_end_with_their_parent(number):
  command = [sys.executable, '-c', _ENDLESS]
  with subprocess.Popen(
      command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
    workers = [int(parent.stdout.readline()) for _ in range(3)]
    assert all(_is_running(pid) for pid in workers)
    parent.send_signal(number)
    parent.wait()
  deadline = time.monotonic() + 20
  while any(_is_running(pid) for pid in workers) and time.monotonic() < deadline:
    time.sleep(0.01)
  assert not any(_is_running(pid) for pid in workers)
