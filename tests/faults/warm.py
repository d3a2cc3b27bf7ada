"""Does one thing after another, each in a forked child of a process that has TensorFlow loaded.

A start costs milliseconds instead of seconds, and every child is a new process: what it does to
itself is over when it ends. Its memory and time are measured and limited.

    python -m tests.faults.warm   # in: lines of JSON as `Warm.call` writes them; out: of Verdict
"""

import dataclasses
import importlib
import json
import os
import pathlib
import re
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping

from tests import support
from tests.faults import processes

HELD = 0  # exit codes of the tasks
REFUSED = 2
_WALL = 10  # times the processor time that a task may take: the machine may be busy
_MOST_MEMORY = 6 << 30  # bytes of address space in addition: what asks for more gets an error
_MEGABYTE = 1 << 20


@dataclasses.dataclass(frozen=True)
class Verdict:
  """How a child ended.

  Attributes:
    code: its exit code; negative: the signal that ended it.
    seconds: of processor time, its children's included.
    megabytes: by which its memory grew at most.
    output: what it printed.
  """
  code: int
  seconds: float
  megabytes: float
  output: str


class Warm:
  """Warm processes, one for each thread that calls, started at its first call."""

  def __init__(self):
    """Starts nothing yet."""
    self._own = threading.local()
    self._all: list[subprocess.Popen] = []

  def call(self, task: str, *arguments: str, seconds: int = 60) -> Verdict:
    """Runs a task in a child of its own.

    Args:
      task: 'module:function'.
      *arguments: of the function.
      seconds: of processor time, after which the child is ended.
    """
    process = getattr(self._own, 'process', None)
    if process is None:
      process = self._own.process = _start()
      self._all.append(process)
    order = {'task': task, 'arguments': arguments, 'seconds': seconds}
    process.stdin.write(json.dumps(order) + '\n')
    process.stdin.flush()
    return Verdict(**json.loads(process.stdout.readline()))

  def close(self) -> None:
    """Ends the warm processes."""
    for process in self._all:
      process.stdin.close()
      process.wait()


def _start() -> subprocess.Popen:
  environment = {**processes.ENVIRONMENT, 'HOME': tempfile.gettempdir()}
  return subprocess.Popen(
      [sys.executable, '-m', 'tests.faults.warm'], cwd=support.ROOT, env=environment,
      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)


def program(script: str, *arguments: str) -> None:
  """A task: runs a script of the checkout as `python script arguments` does."""
  sys.argv = [script, *arguments]
  runpy.run_path(str(support.ROOT / script), run_name='__main__')


def _child(order: Mapping, output: int) -> None:
  """Runs the task and ends the process."""
  os.setsid()
  os.dup2(output, 1)
  os.dup2(output, 2)
  pathlib.Path('/proc/self/clear_refs').write_text('5')  # the peak counts from here
  os.write(output, b'%d\n' % _status('VmRSS'))
  limit = _status('VmSize') + _MOST_MEMORY
  resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
  resource.setrlimit(resource.RLIMIT_CPU, (order['seconds'], order['seconds']))
  code = 1
  try:
    module, name = order['task'].split(':')
    code = getattr(importlib.import_module(module), name)(*order['arguments']) or HELD
  except SystemExit as end:
    code = end.code if isinstance(end.code, int) else int(end.code is not None)
  except BaseException:  # pylint: disable=broad-except
    traceback.print_exc()
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)  # pylint: disable=protected-access


def _status(name: str) -> int:
  """Returns a size of /proc/self/status in bytes."""
  text = pathlib.Path('/proc/self/status').read_text()
  return int(re.search(rf'^{name}:\s+(\d+) kB', text, re.MULTILINE).group(1)) * 1024


def _run(order: Mapping) -> dict:
  """Forks a child for an order, waits for it, and returns a Verdict's fields."""
  with tempfile.TemporaryFile() as output:
    child = os.fork()
    if not child:
      _child(order, output.fileno())
    end = time.monotonic() + _WALL * order['seconds']
    ended = 0
    while not ended:
      ended, status, usage = os.wait4(child, os.WNOHANG)
      if time.monotonic() > end:
        os.kill(child, signal.SIGKILL)
      time.sleep(0.002)
    output.seek(0)
    before, _, text = output.read().decode(errors='replace').partition('\n')
  grown = usage.ru_maxrss * 1024 - int(before or 0)
  return {
      'code': os.waitstatus_to_exitcode(status), 'seconds': usage.ru_utime + usage.ru_stime,
      'megabytes': grown / _MEGABYTE, 'output': text}


def main() -> None:
  """Loads what tasks need, then answers orders until the input ends."""
  import tensorflow  # noqa: F401

  from tf_maskformer.modeling.conversion import sources  # noqa: F401
  from tf_maskformer.serving import inputs  # noqa: F401
  from tf_maskformer.tasks import factory  # noqa: F401
  from tf_maskformer.training import runner  # noqa: F401
  for line in sys.stdin:
    answer = json.dumps(_run(json.loads(line)))
    print(answer, flush=True)


if __name__ == '__main__':
  main()
