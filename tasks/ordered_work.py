"""Work on other threads whose results are taken in order."""

import os
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Generic, TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')

_WAITING = 2  # items that may wait for a thread: the next step's work is there when one is free


class OrderedWork(Generic[Item, Result]):
  """Calls `work` for each item on one of several threads, and `take` for the results in order.

  At most one `take` runs at a time, on a thread of its own, so that what it adds up does not depend
  on which item is done first.
  """

  def __init__(self, work: Callable[[Item], Result], take: Callable[[Result], None],
               workers: int | None = None):
    """Starts nothing yet.

    Args:
      work: may run for several items at the same time.
      take: takes a result of `work`.
      workers: threads; None: one per core.
    """
    count = workers or os.cpu_count() or 1
    self._work = work
    self._take = take
    self._workers = futures.ThreadPoolExecutor(count, thread_name_prefix='work')
    self._taker = futures.ThreadPoolExecutor(1, thread_name_prefix='take')
    self._free = threading.Semaphore(count + _WAITING)
    self._last: futures.Future | None = None
    self._error: BaseException | None = None

  def add(self, item: Item) -> None:
    """Hands an item over; waits while too many are there.

    Raises:
      Exception: what `work` or `take` raised of an earlier item; later ones are left out.
    """
    self._free.acquire()
    self._raise()
    worked = self._workers.submit(self._work, item)
    self._last = self._taker.submit(self._take_next, worked)

  def wait(self) -> None:
    """Waits until every item is taken; raises as `add`."""
    if self._last is not None:
      self._last.result()
    self._raise()

  def close(self) -> None:
    """Ends the threads; items that have not begun are left out."""
    self._workers.shutdown(wait=False, cancel_futures=True)
    self._taker.shutdown(wait=False, cancel_futures=True)

  def _take_next(self, worked: futures.Future) -> None:
    try:
      result = worked.result()
      if self._error is None:
        self._take(result)
    except BaseException as error:  # raised again on the thread that adds
      self._error = self._error or error
    finally:
      self._free.release()

  def _raise(self) -> None:
    if self._error is not None:
      self.close()
      raise self._error
