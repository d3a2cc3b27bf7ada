"""Work on threads: results in order, a bounded number in work, faults raised where they belong."""

import threading
import time

import pytest

from tf_maskformer.tasks.ordered_work import OrderedWork


def test_results_are_taken_in_order_and_one_at_a_time():
  taken = []
  busy = threading.Lock()
  def work(number):
    time.sleep(0.002 * (7 - number % 7))  # earlier ones often end later
    return number
  def take(number):
    assert busy.acquire(blocking=False)
    time.sleep(0.001)
    taken.append(number)
    busy.release()
  several = OrderedWork(work, take, workers=4)
  for number in range(40):
    several.add(number)
  several.wait()
  assert taken == list(range(40))
  several.add(40)  # waiting ends nothing
  several.wait()
  assert taken[-1] == 40


def test_only_so_many_are_in_work():
  gate = threading.Event()
  begun = []
  def work(number):
    begun.append(number)
    gate.wait(10)
  several = OrderedWork(work, lambda _: None, workers=2)
  adding = threading.Thread(target=lambda: [several.add(number) for number in range(20)])
  adding.start()
  time.sleep(0.2)
  assert len(begun) == 2 and adding.is_alive()
  gate.set()
  adding.join(10)
  several.wait()
  assert sorted(begun) == list(range(20))


@pytest.mark.parametrize('where', ['work', 'take'])
def test_a_fault_is_raised_and_ends_what_comes_later(where):
  taken = []
  def work(number):
    if where == 'work' and number == 3:
      raise ValueError('the third')
    return number
  def take(number):
    if where == 'take' and number == 3:
      raise ValueError('the third')
    taken.append(number)
  several = OrderedWork(work, take, workers=2)
  with pytest.raises(ValueError, match='the third'):
    for number in range(100):
      several.add(number)
    several.wait()
  assert taken == [0, 1, 2]
  with pytest.raises(ValueError, match='the third'):
    several.wait()
