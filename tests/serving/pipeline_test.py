"""Stages overlap, keep the order, hold little, and pass on each other's errors."""

import threading
import time

import pytest

from tf_maskformer.serving import pipeline

SOON = 10  # seconds


def one(item):
  del item
  return 1


def test_reading_is_ahead_of_the_caller_but_not_far():
  read = []

  def items():
    for number in range(20):
      read.append(number)
      yield number

  with pipeline.Ahead(items(), one, count=2) as ahead:
    assert next(ahead) == 0
    wait_until(lambda: len(read) >= 4)  # two wait, one is held until there is room
    time.sleep(0.05)
    assert len(read) == 4
    assert list(ahead) == list(range(1, 20))


def test_what_reading_raises_comes_after_what_was_read():
  def items():
    yield 1
    raise ValueError('a bad end')

  with pipeline.Ahead(items(), one) as ahead:
    assert next(ahead) == 1
    with pytest.raises(ValueError, match='a bad end'):
      next(ahead)


def test_reading_ends_with_the_caller():
  threads = threading.active_count()
  with pytest.raises(KeyError), pipeline.Ahead(iter(int, 1), one):
    raise KeyError
  assert threading.active_count() == threads


def test_large_items_wait_alone():
  read = []

  def items():
    for number in range(5):
      read.append(number)
      yield number

  with pipeline.Ahead(items(), lambda item: 2**30, count=3) as ahead:
    wait_until(lambda: len(read) >= 2)
    time.sleep(0.05)
    assert len(read) == 2  # one waits, one is held
    assert len(list(ahead)) == 5


def test_order_is_kept_whatever_work_takes():
  done = []

  def work(item):
    time.sleep(0.02 if item % 3 == 0 else 0)
    return 10 * item

  with pipeline.Behind(work, lambda *pair: done.append(pair), one, workers=3, count=4) as behind:
    for item in range(12):
      behind.put(item)
  assert done == [(item, 10 * item) for item in range(12)]


def test_putting_waits_for_room():
  go_on = threading.Event()
  begun = []

  def work(item):
    begun.append(item)
    assert go_on.wait(SOON)

  def put_all(behind):
    for item in range(6):
      behind.put(item)
      put.append(item)

  put = []
  with pipeline.Behind(work, lambda *pair: None, one, workers=2, count=3) as behind:
    thread = threading.Thread(target=put_all, args=[behind])
    thread.start()
    wait_until(lambda: len(put) >= 3)
    time.sleep(0.05)
    assert len(put) == 3 and len(begun) == 2
    go_on.set()
    thread.join(SOON)
  assert put == begun == list(range(6))


def test_an_error_of_work_ends_all_but_keeps_what_is_complete():
  done = []

  def work(item):
    if item == 1:
      raise OSError('disk')
    return item

  raising = pytest.raises(OSError, match='disk')
  with raising, pipeline.Behind(work, lambda item, _: done.append(item), one, count=10) as behind:
    for item in range(5):
      behind.put(item)
  assert done == [0]


def test_after_an_error_of_finish_nothing_is_finished():
  done = []

  def finish(item, value):
    del value
    done.append(item)
    if item == 1:
      raise OSError('disk')

  raising = pytest.raises(OSError, match='disk')
  with raising, pipeline.Behind(lambda item: item, finish, one, count=10) as behind:
    for item in range(5):
      behind.put(item)
  assert done == [0, 1]


def test_an_interrupt_drops_what_was_not_begun():
  may_end = threading.Event()
  done = []

  def work(item):
    assert may_end.wait(SOON)
    return item

  raising = pytest.raises(KeyboardInterrupt)
  with raising, pipeline.Behind(work, lambda item, _: done.append(item), one, count=10) as behind:
    for item in range(5):
      behind.put(item)
    threading.Timer(0.1, may_end.set).start()
    raise KeyboardInterrupt
  assert done == [0]  # the one that was under way


def wait_until(condition):
  end = time.monotonic() + SOON
  while not condition():
    assert time.monotonic() < end
    time.sleep(0.005)
