"""Stages that overlap: what is read ahead of the caller, and what is done behind it.

    with Ahead(decoded_images, size) as images, Behind(encode, write, size) as rest:
      for image in images:
        rest.put(predict(image))

Order is kept, what waits between the stages is bounded in number and bytes, and an error in any
stage is raised in the caller.
"""

import collections
import concurrent.futures
import contextlib
import queue
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar('T')

_BYTES = 2**28  # that wait between two stages; a single larger item may
_PATIENCE = 5  # seconds that a reading thread has to end


class Ahead(Generic[T]):
  """Takes items from an iterable in a thread of its own, a few ahead of the caller.

  Args:
    items: whatever it raises is raised in the caller, after the items before.
    size: bytes of an item.
    count: items that may wait.
  """

  def __init__(self, items: Iterable[T], size: Callable[[T], int], count: int = 2):
    self._items = items
    self._size = size
    self._room = _Room(count)
    self._queue: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    # It may be waiting for a camera or a network folder when the program ends.
    self._thread = threading.Thread(target=self._read, name='ahead', daemon=True)

  def __enter__(self) -> Iterator[T]:
    self._thread.start()
    return self._taken()

  def __exit__(self, *error: object) -> None:
    self._room.close()
    self._thread.join(_PATIENCE)

  def _read(self) -> None:
    try:
      for item in self._items:
        if not self._room.enter(self._size(item)):
          return
        self._queue.put(('item', item))
    except BaseException as e:  # pylint: disable=broad-except
      self._queue.put(('error', e))
    else:
      self._queue.put(('end', None))

  def _taken(self) -> Iterator[T]:
    while True:
      kind, content = self._queue.get()
      if kind == 'error':
        raise content
      if kind == 'end':
        return
      self._room.leave(self._size(content))
      yield content


class Behind(Generic[T]):
  """Works on items in threads behind the caller: `work` on several, then `finish` in their order.

  Where the block of the caller raises, what was not begun is dropped; what was is finished. After
  an error of `work` the other items that were begun are finished, too; after one of `finish` none.

  Args:
    work: called with an item; from several threads where there are several workers.
    finish: called with an item and what `work` returned for it, one at a time, in order.
    size: bytes of an item.
    workers: threads that work.
    count: items that may be under way.
  """

  def __init__(self, work: Callable[[T], Any], finish: Callable[[T, Any], None],
               size: Callable[[T], int], workers: int = 1, count: int = 3):
    self._work = work
    self._finish = finish
    self._size = size
    self._room = _Room(count)
    self._pool = concurrent.futures.ThreadPoolExecutor(workers, 'behind')
    self._under_way: queue.SimpleQueue = queue.SimpleQueue()
    self._thread = threading.Thread(target=self._finish_all, name='finish')
    self._is_stopped = threading.Event()
    self._errors: collections.deque[BaseException] = collections.deque()

  def put(self, item: T) -> None:
    """Hands an item on; waits while too many are under way.

    Raises:
      Exception: what `work` or `finish` raised for an earlier item.
    """
    self._room.enter(self._size(item))
    if self._errors:
      raise self._errors[0]
    self._under_way.put((item, self._pool.submit(self._worked, item)))

  def __enter__(self) -> 'Behind[T]':
    self._thread.start()
    return self

  def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
               trace: types.TracebackType | None) -> None:
    if error is not None:
      self._is_stopped.set()
    self._under_way.put(None)
    self._thread.join()
    self._pool.shutdown()
    if error is None and self._errors:
      raise self._errors[0]

  def _worked(self, item: T) -> Any:
    if self._is_stopped.is_set():
      raise concurrent.futures.CancelledError
    try:
      return self._work(item)
    except BaseException:
      self._is_stopped.set()
      raise

  def _finish_all(self) -> None:
    is_sound = True  # no `finish` has failed
    while (entry := self._under_way.get()) is not None:
      item, future = entry
      with self._noting_errors():
        value = future.result()
        if is_sound:
          is_sound = False
          self._finish(item, value)
          is_sound = True
      self._room.leave(self._size(item))

  @contextlib.contextmanager
  def _noting_errors(self) -> Iterator[None]:
    try:
      yield
    except concurrent.futures.CancelledError:
      pass
    except BaseException as e:  # pylint: disable=broad-except
      self._is_stopped.set()
      self._errors.append(e)


class _Room:
  """Room for a number of items and bytes; a single item always fits."""

  def __init__(self, count: int):
    self._limit = count
    self._inside = 0
    self._bytes = 0
    self._is_closed = False
    self._changed = threading.Condition()

  def enter(self, size: int) -> bool:
    """Waits until there is room; returns False where the room was closed."""
    with self._changed:
      while not self._is_closed and not self._fits(size):
        self._changed.wait()
      if self._is_closed:
        return False
      self._inside += 1
      self._bytes += size
      return True

  def leave(self, size: int) -> None:
    """Makes room."""
    with self._changed:
      self._inside -= 1
      self._bytes -= size
      self._changed.notify_all()

  def close(self) -> None:
    """Ends all waiting, now and later."""
    with self._changed:
      self._is_closed = True
      self._changed.notify_all()

  def _fits(self, size: int) -> bool:
    if not self._inside:
      return True
    return self._inside < self._limit and self._bytes + size <= _BYTES
