"""Runs programs in a clean environment with one thread, and kills them at chosen moments."""

import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence

from tests import support
from tests.faults.outcome import Fault

_LIMIT = 600  # seconds; more is a program that hangs
_GRACE = 10  # seconds that processes may take to end after their parent
# Bits are the same for one number of threads only.
ENVIRONMENT = {
    'PATH': os.environ.get('PATH', '/usr/bin:/bin'),
    'LANG': 'C.UTF-8',
    'PYTHONUNBUFFERED': '1',
    'PYTHONDONTWRITEBYTECODE': '1',
    'CUDA_VISIBLE_DEVICES': '',
    'TF_CPP_MIN_LOG_LEVEL': '3',
    'OMP_NUM_THREADS': '1',
    'TF_NUM_INTRAOP_THREADS': '1',
    'TF_NUM_INTEROP_THREADS': '1',
}


@dataclasses.dataclass(frozen=True)
class Kill:
  """A signal at a moment.

  Attributes:
    seconds: after the start or, with `word`, after that.
    word: a pattern that a line of the output has to match first; None: the time counts.
    number: of the signal.
    whom: 'parent' (the process that was started), 'worker' (a child of it) or 'all'.
  """
  seconds: float
  word: str | None = None
  number: int = signal.SIGKILL
  whom: str = 'all'

  def __str__(self) -> str:
    when = f'{self.seconds:.2f} s after ' + (f"'{self.word}'" if self.word else 'the start')
    return f'{signal.Signals(self.number).name} to {self.whom} {when}'

  def strike(self, process: subprocess.Popen) -> bool:
    """Sends the signal; returns whether there was somebody to receive it."""
    try:
      if self.whom == 'all':
        os.killpg(process.pid, self.number)
      elif self.whom == 'worker':
        os.kill(_children(process.pid)[-1], self.number)
      else:
        process.send_signal(self.number)
    except (ProcessLookupError, IndexError):
      return False
    return True


@dataclasses.dataclass(frozen=True)
class Removal:
  """A folder that is removed under a program.

  Attributes:
    seconds: as in `Kill`.
    word: as in `Kill`.
    folder: that is removed.
  """
  seconds: float
  word: str
  folder: pathlib.Path

  def strike(self, process: subprocess.Popen) -> bool:
    """Removes the folder; returns True."""
    del process
    shutil.rmtree(self.folder, ignore_errors=True)  # the program may be writing in it
    shutil.rmtree(self.folder, ignore_errors=True)
    return True


@dataclasses.dataclass
class Ended:
  """A program that ended.

  Attributes:
    code: its exit code; negative: the signal that ended it.
    output: stdout and stderr.
    seconds: it took.
    struck: whether the `Kill` or `Removal` came before its end.
  """
  code: int
  output: str
  seconds: float
  struck: bool = False


def run(argv: Sequence[str], faults: Mapping[str, str] | None = None,
        blow: Kill | Removal | None = None) -> Ended:
  """Runs a Python program of the checkout until it ends, and makes sure that nothing is left of it.

  Args:
    argv: a script below the root, and its arguments.
    faults: variables of the environment in addition, see `injector`.
    blow: what else happens to it.

  Raises:
    Fault: the program hangs, or one of its processes outlives it.
  """
  environment = {**ENVIRONMENT, 'HOME': tempfile.gettempdir(), **(faults or {})}
  start = time.monotonic()
  process = subprocess.Popen(
      [sys.executable, *argv], cwd=support.ROOT, env=environment, stdin=subprocess.DEVNULL,
      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
      start_new_session=True)
  reader = _Reader(process)
  struck = bool(blow) and _strike(process, reader, blow, start)
  try:
    code = process.wait(_LIMIT)
  except subprocess.TimeoutExpired:
    _end_group(process.pid)
    raise Fault(f'no end within {_LIMIT} s', reader.text()) from None
  taken = time.monotonic() - start
  left = _wait_for_group(process.pid)
  _end_group(process.pid)
  reader.join()
  if left:
    raise Fault(f'{left} processes outlive their parent by {_GRACE} s', reader.text())
  return Ended(code, reader.text(), taken, struck)


class _Reader:
  """Reads a process's output in a thread."""

  def __init__(self, process: subprocess.Popen):
    self._lines: list[str] = []
    self._news = threading.Condition()
    self._is_open = True
    self._thread = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
    self._thread.start()

  def _read(self, stream) -> None:
    for line in stream:
      with self._news:
        self._lines.append(line)
        self._news.notify_all()
    with self._news:
      self._is_open = False
      self._news.notify_all()

  def wait_for(self, word: str) -> bool:
    """Waits for a line that matches; returns whether it came before the output ended."""
    seen = 0
    with self._news:
      while True:
        if any(re.search(word, line) for line in self._lines[seen:]):
          return True
        if not self._is_open:
          return False
        seen = len(self._lines)
        self._news.wait(_LIMIT)

  def join(self) -> None:
    """Waits for the end of the output, which a process that was left behind may hold open."""
    self._thread.join(_GRACE)

  def text(self) -> str:
    with self._news:
      return ''.join(self._lines)


def _strike(process: subprocess.Popen, reader: _Reader, blow: Kill | Removal, start: float
            ) -> bool:
  """Strikes when the moment has come; returns whether that was before the end of the process."""
  if blow.word:
    if not reader.wait_for(blow.word):
      return False
    time.sleep(blow.seconds)
  else:
    time.sleep(max(0.0, start + blow.seconds - time.monotonic()))
  return process.poll() is None and blow.strike(process)


def _children(parent: int) -> list[int]:
  path = pathlib.Path(f'/proc/{parent}/task/{parent}/children')
  return [int(child) for child in path.read_text().split()] if path.exists() else []


def _group(leader: int) -> list[int]:
  """Returns the living processes of a session, other than its leader."""
  found = []
  for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
    try:
      state, _, _, session = path.read_text().rpartition(') ')[2].split()[:4]
    except (FileNotFoundError, ProcessLookupError):
      continue
    if int(session) == leader and state not in 'ZX' and int(path.parent.name) != leader:
      found.append(int(path.parent.name))
  return found


def _wait_for_group(leader: int) -> int:
  """Waits until all processes of a session ended; returns how many are left after the grace."""
  end = time.monotonic() + _GRACE
  while _group(leader) and time.monotonic() < end:
    time.sleep(0.05)
  return len(_group(leader))


def _end_group(leader: int) -> None:
  for process in _group(leader):
    try:
      os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
      continue
