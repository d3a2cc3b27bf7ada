"""A function in a process of its own, whose memory is free afterwards and whose crash is one line.

Converters take some gigabytes and can end the process that they run in.
"""

import multiprocessing
import os
import pathlib
import resource
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing import connection
from typing import Any, NamedTuple, TypeVar

from tf_maskformer import errors
from tf_maskformer import extras
from tf_maskformer.errors import UserError

Value = TypeVar('Value')
_TAIL = 4000  # characters of the log that belong to a failure


class Done(NamedTuple):
  """What a process did.

  Attributes:
    value: of the function.
    peak_gb: the most memory that the process held.
  """
  value: Any
  peak_gb: float


class Failed(Exception):
  """A failure in another process, with its trace and the end of its log."""


def call(what: str, log: str | os.PathLike, function: Callable[..., Value], *arguments: Any,
         is_silent: bool = False) -> Done:
  """Calls a function in a fresh process.

  The process ends with this one, however this one ends.

  Args:
    what: is done, for messages, e.g. 'the conversion to ONNX'.
    log: of what the process writes to its standard error.
    function: of a module, as are the values that go there and back: they are pickled.
    *arguments: of the function.
    is_silent: what the process prints goes to the log, too.

  Raises:
    UserError: the function raised one, failed in another way, or its process was ended.
  """
  context = multiprocessing.get_context('spawn')
  ours, theirs = context.Pipe()
  process = context.Process(
      target=_run, args=(theirs, os.fspath(log), is_silent, function, arguments))
  process.start()
  theirs.close()
  try:
    try:
      kind, content = ours.recv()
    except EOFError:
      process.join()
      raise _ended(what, process.exitcode, log) from None
    process.join()
  finally:
    ours.close()
    if process.is_alive():
      process.kill()
      process.join()
  if kind == 'value':
    return content
  if kind == 'mistake':
    raise UserError(content)
  message, trace = content
  raise UserError(f'{what} failed: {message}; --debug shows where') from Failed(
      f'{trace}\n{_tail(log)}')


def _run(pipe: connection.Connection, log: str, is_silent: bool, function: Callable,
         arguments: tuple) -> None:
  """What the process does: calls the function and sends back its value or its failure."""
  signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent ends this one
  threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
  descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
  os.dup2(descriptor, 2)
  if is_silent:
    os.dup2(descriptor, 1)
  try:
    value = function(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    pipe.send(('value', Done(value, peak)))
  except UserError as error:
    pipe.send(('mistake', str(error)))
  except Exception as error:  # pylint: disable=broad-except
    if extras.missing(error):
      pipe.send(('mistake', extras.missing(error)))
    else:
      pipe.send(('failure', (first_line(error), traceback.format_exc())))


def _end_with_parent(parent: int) -> None:
  """Ends this process once its parent is gone, e.g. killed."""
  done = threading.Event()
  while os.getppid() == parent:
    done.wait(1)
  os._exit(1)


def first_line(error: Exception) -> str:
  """Returns what an error says, in one line."""
  if errors.is_of_file_system(error):
    return errors.reason(error)
  lines = [line.strip() for line in str(error).splitlines() if line.strip()]
  return f'{type(error).__name__}: {errors.quoted(lines[0])}' if lines else type(error).__name__


def _ended(what: str, code: int | None, log: str | os.PathLike) -> UserError:
  """Returns the error of a process that sent nothing."""
  why = f'its process ended with code {code}'
  if code is not None and code < 0:
    name = signal.Signals(-code).name
    why = f'its process was ended by {name}'
    if -code == signal.SIGKILL:
      why += '; was the memory full? close other programs or export a smaller model'
  error = UserError(f'{what} failed: {why}')
  error.__cause__ = Failed(_tail(log))
  return error


def _tail(log: str | os.PathLike) -> str:
  """Returns the end of a log."""
  try:
    return pathlib.Path(log).read_text(encoding='utf-8', errors='replace')[-_TAIL:]
  except OSError:
    return ''
