"""SIGTERM as an orderly end: what is under way is cleaned up, one line, the shell's exit code."""

import contextlib
import signal
import sys
import threading
import types
from collections.abc import Iterator
from typing import NoReturn

EXIT_TERMINATED = 128 + signal.SIGTERM


@contextlib.contextmanager
def ending_at_sigterm() -> Iterator[None]:
  """Ends the block at SIGTERM as Ctrl-C does, with `interrupted` and exit code 143.

  In a thread other than the main one, which gets no signals, nothing is changed.

  Raises:
    SystemExit: the signal came.
  """
  if threading.current_thread() is not threading.main_thread():
    yield
    return
  former = signal.signal(signal.SIGTERM, _end)
  try:
    yield
  except SystemExit as e:
    if e.code == EXIT_TERMINATED:
      print('interrupted', file=sys.stderr, flush=True)
    raise
  finally:
    signal.signal(signal.SIGTERM, former)


def _end(number: int, frame: types.FrameType | None) -> NoReturn:
  del number, frame
  signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the cleaning up
  raise SystemExit(EXIT_TERMINATED)
