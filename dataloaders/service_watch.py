"""Ends a training whose input service has lost a worker: TensorFlow would wait for it forever."""

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence

import tensorflow as tf

from tf_maskformer.dataloaders import service_checks

PATIENCE = 30.0  # seconds that a worker may be gone
_PAUSE = 5.0  # seconds between two looks
_EXIT = 1


def _end(message: str) -> None:
  """Ends the process from a thread while the main one waits inside TensorFlow."""
  sys.stdout.flush()
  print(f'error: {message}', file=sys.stderr, flush=True)
  os._exit(_EXIT)


class Watch(threading.Thread):
  """Looks after workers until one of them does not answer for a while."""

  def __init__(self, workers: Sequence[str], on_loss: Callable[[str], None] = _end,
               patience: float = PATIENCE, pause: float = _PAUSE):
    """Makes the thread.

    Args:
      workers: their HOST:PORT.
      on_loss: called with one line about the first that is lost.
      patience: seconds that it may not answer.
      pause: seconds between two looks.
    """
    super().__init__(name='input service', daemon=True)
    self._last = dict.fromkeys(workers, time.monotonic())
    self._on_loss = on_loss
    self._patience = patience
    self._pause = pause
    self._ended = threading.Event()

  def run(self) -> None:
    """Looks until `end`, or until a worker is lost."""
    while not self._ended.wait(self._pause):
      for worker in self._last:
        if service_checks.answers(worker):
          self._last[worker] = time.monotonic()
        elif time.monotonic() - self._last[worker] > self._patience and not self._ended.is_set():
          self._on_loss(
              f'the worker {worker} of the input service has not answered for {self._patience:g} '
              's; start it and run the same command, which resumes from the last checkpoint')
          return

  def end(self) -> None:
    """Stops looking."""
    self._ended.set()


def watch(batches: tf.data.Dataset, workers: Sequence[str]) -> None:
  """Ends the process with one line and exit code 1 if a worker is lost.

  Args:
    batches: what they prepare; nothing is watched once it, and every iterator over it, is gone.
    workers: HOST:PORT of each.
  """
  one = Watch(workers)
  one.start()
  weakref.finalize(batches, one.end)
