"""Work in the processes of one machine: one process per job, which ends with this one."""

import collections
import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from multiprocessing import connection
from typing import Any, NamedTuple, TypeVar

from tf_maskformer import errors

Result = TypeVar('Result')

# Forked processes share the imported libraries instead of loading them again.
_CONTEXT = multiprocessing.get_context('fork')
_PR_SET_PDEATHSIG = 1  # Linux, prctl(2)
# A signal that comes just before the wait for a process begins is handled when that wait ends.
_LONGEST_WAIT = 1.0  # seconds
_OUT_OF_MEMORY = 12  # exit code of a process that Python let have no more
_INTERRUPTS = {signal.SIGINT, signal.SIGTERM}


class Died(Exception):
  """The processes of some jobs died twice; the other jobs are done.

  Attributes:
    how: how each ended, by the job's name.
  """

  def __init__(self, how: Mapping[str, str]):
    super().__init__(', '.join(how))
    self.how = how


class _Worker(NamedTuple):
  """A running job: its name, its process, and what its outcome is received from."""
  name: str
  process: multiprocessing.process.BaseProcess
  receiver: connection.Connection


def run(work: Callable[..., Result], jobs: Mapping[str, tuple], processes: int
        ) -> Generator[tuple[str, Result], None, None]:
  """Calls a function once for each job.

  Processes are killed where this one ends, however it does. A job whose process dies, of too little
  memory for one, is tried again when the others are done, with no other next to it.

  Args:
    work: a function of a module.
    jobs: its arguments by the job's name.
    processes: how many at a time, at most one per job and core; 1: none but this one.

  Yields:
    (name, result) in the order in which the jobs finish.

  Raises:
    UserError: as `work` does, or no process can be started.
    RuntimeError: `work` raised something else; the text is its trace.
    Died: after all others were yielded, processes died again.
  """
  processes = min(processes, len(jobs), os.cpu_count() or 1)
  if processes <= 1:
    for name, arguments in jobs.items():
      yield name, work(*arguments)
    return
  died: dict[str, str] = {}
  yield from _in_processes(work, jobs, processes, died)
  for name, how in died.items():
    errors.warn(f'the process of {name} {how}; once more, with no other next to it')
  died_again: dict[str, str] = {}
  yield from _in_processes(work, {name: jobs[name] for name in died}, 1, died_again)
  if died_again:
    raise Died(died_again)


def _in_processes(work: Callable[..., Result], jobs: Mapping[str, tuple], processes: int,
                  died: dict[str, str]) -> Iterator[tuple[str, Result]]:
  """As `run`, without a second try; notes in `died` how processes ended that returned nothing."""
  waiting = collections.deque(jobs.items())
  running: dict[Any, _Worker] = {}
  end_of_parent, life_line = os.pipe()
  try:
    while waiting or running:
      while waiting and len(running) < processes:
        name, arguments = waiting[0]
        try:
          _start(running, name, work, arguments, (end_of_parent, life_line))
        except OSError as e:
          _require_some(running, e)
          processes = len(running)
          break
        waiting.popleft()
      for receiver in connection.wait(list(running), _LONGEST_WAIT):
        worker = running[receiver]
        outcome = _outcome(worker)
        del running[receiver]
        if isinstance(outcome, Exception):
          raise outcome
        if outcome is None:
          died[worker.name] = _end_of(worker.process)
        else:
          yield worker.name, outcome[0]
  finally:
    for worker in running.values():
      worker.process.kill()
      worker.process.join()
      worker.receiver.close()
    os.close(end_of_parent)
    os.close(life_line)


def _require_some(running: Mapping[Any, _Worker], error: OSError) -> None:
  """Raises UserError where no process runs and none can be started."""
  if not running:
    raise errors.UserError(
        f'no process can be started ({errors.reason(error)}); give --workers 1') from error


def _start(running: dict[Any, _Worker], name: str, work: Callable, arguments: tuple,
           pipe: tuple[int, int]) -> None:
  """Starts the process of a job.

  Args:
    running: it is added there.
    name: of the job.
    work: is called in the process.
    arguments: of `work`.
    pipe: descriptors to read and to write, of which only this process keeps the latter: it closes
      when this process ends.
  """
  receiver, sender = _CONTEXT.Pipe(duplex=False)
  process = _CONTEXT.Process(target=_work, args=(work, arguments, sender, pipe, os.getpid()))
  # Signals wait until the new process handles them itself, and is among those that are ended.
  former = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
  try:
    process.start()
    running[receiver] = _Worker(name, process, receiver)
  except BaseException:
    receiver.close()
    raise
  finally:
    sender.close()
    signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _work(work: Callable, arguments: tuple, sender: connection.Connection, pipe: tuple[int, int],
          parent: int) -> None:
  """What a process does: the job; sends (result,), or the exception."""
  signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent answers it
  signal.signal(signal.SIGTERM, signal.SIG_DFL)
  signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
  end_of_parent, life_line = pipe
  os.close(life_line)
  _end_with_parent(end_of_parent, parent)
  try:
    outcome: object = (work(*arguments),)
  except errors.UserError as e:
    outcome = e
  except MemoryError:
    os._exit(_OUT_OF_MEMORY)
  except Exception:  # pylint: disable=broad-except
    outcome = RuntimeError(traceback.format_exc())  # an exception's trace cannot be sent
  sender.send(outcome)


def _end_with_parent(end_of_parent: int, parent: int) -> None:
  """Makes this process end when its parent does: at once on Linux, else when a thread sees it."""
  if sys.platform == 'linux':
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
      os._exit(1)

  def wait() -> None:
    os.read(end_of_parent, 1)  # returns when no process has the other end
    os._exit(1)

  threading.Thread(target=wait, daemon=True).start()


def _outcome(worker: _Worker) -> Any:
  """Waits for a process; returns (result,), its exception, or None where it died."""
  outcome = None
  with contextlib.suppress(EOFError, OSError):  # it died, maybe while it sent
    outcome = worker.receiver.recv()
  worker.receiver.close()
  worker.process.join()
  return outcome


def _end_of(process: multiprocessing.process.BaseProcess) -> str:
  """Returns how a process ended that has died."""
  code = process.exitcode or 0
  if code == -signal.SIGKILL:
    return 'was killed (too little memory?)'
  if code == _OUT_OF_MEMORY:
    return 'ran out of memory'
  return f'ended by signal {-code}' if code < 0 else f'ended with exit code {code}'
