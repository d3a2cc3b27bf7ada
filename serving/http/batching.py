"""One thread runs the model, on batches of the images that wait for it."""

import collections
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from tf_maskformer.serving.http.metrics import Metrics

Predict = Callable[[Sequence[np.ndarray]], Iterator[Any]]
_MEMORY = 0.9  # share of the earlier times in the mean time per image


@dataclasses.dataclass(frozen=True, eq=False)
class _Job:
  """An image that waits, and where its answer goes."""
  image: np.ndarray
  future: Future


class Batcher:
  """Hands images to a function in batches, in a thread of its own.

  A batch begins with the image that has waited longest; those among the others that have its size
  go with it. Nothing waits for a batch to become full.

  Attributes:
    seconds_per_image: a moving mean; 0 before the first.
  """

  def __init__(self, predict: Predict, batch_size: int, metrics: Metrics):
    """Makes a batcher; `start` starts it.

    Args:
      predict: takes images, uint8 [height, width, 3] of one size, and yields an answer for each, in
        order; called by one thread only.
      batch_size: the largest number of images in a call.
      metrics: what happens is counted there.
    """
    self.seconds_per_image = 0.0
    self._predict = predict
    self._batch_size = batch_size
    self._metrics = metrics
    self._jobs: collections.deque[_Job] = collections.deque()
    self._changed = threading.Condition()
    self._is_closed = False
    self._thread = threading.Thread(target=self._work, name='model', daemon=True)

  def start(self) -> None:
    """Starts the thread."""
    self._thread.start()

  def stop(self) -> None:
    """Returns once all images that wait are answered and the thread has ended."""
    with self._changed:
      self._is_closed = True
      self._changed.notify()
    self._thread.join()

  @property
  def is_alive(self) -> bool:
    """Whether images are answered."""
    return self._thread.is_alive()

  @property
  def num_waiting(self) -> int:
    """Images that wait for the model."""
    return len(self._jobs)

  def submit(self, image: np.ndarray) -> Future:
    """Returns the future of an image's answer. One that is cancelled in time is not computed.

    Raises:
      RuntimeError: `stop` was called.
    """
    future: Future = Future()
    with self._changed:
      if self._is_closed:
        raise RuntimeError('the batcher is stopped')
      self._jobs.append(_Job(image, future))
      self._changed.notify()
    return future

  def _work(self) -> None:
    while batch := self._next():
      running = [job for job in batch if job.future.set_running_or_notify_cancel()]
      if running:
        self._run(running)

  def _next(self) -> list[_Job]:
    """Waits for images; returns those of the next batch, none after the last."""
    with self._changed:
      self._changed.wait_for(lambda: self._jobs or self._is_closed)
      if not self._jobs:
        return []
      size = self._jobs[0].image.shape
      batch = [job for job in self._jobs if job.image.shape == size][:self._batch_size]
      for job in batch:
        self._jobs.remove(job)
      return batch

  def _run(self, batch: list[_Job]) -> None:
    """Answers a batch; where that fails, the images that have no answer yet one by one."""
    start = time.monotonic()
    waiting = collections.deque(batch)
    try:
      for answer in self._predict([job.image for job in batch]):
        waiting.popleft().future.set_result(answer)
      if waiting:
        raise RuntimeError(f'{len(waiting)} of {len(batch)} images have no answer')
    except Exception as e:  # pylint: disable=broad-except
      if len(batch) == 1:
        batch[0].future.set_exception(e)
        return
      for job in waiting:
        self._run([job])
      return
    self._note(len(batch), time.monotonic() - start)

  def _note(self, count: int, seconds: float) -> None:
    self._metrics.batch_size.observe(count)
    self._metrics.model_seconds.observe(seconds)
    per_image = seconds / count
    mean = self.seconds_per_image or per_image
    self.seconds_per_image = _MEMORY * mean + (1 - _MEMORY) * per_image
