"""Batches: images of one size together, the oldest first, each with its own answer."""

import threading

import numpy as np
import pytest

from tests.serving.http import support
from tf_maskformer.serving.http.batching import Batcher
from tf_maskformer.serving.http.metrics import Metrics


@pytest.fixture(name='model')
def make_model():
  return support.Model()


def batcher_of(model, size=3):
  batcher = Batcher(model.predict, size, Metrics())
  batcher.start()
  return batcher


def submitted(batcher, model, images):
  """Submits images that all wait, behind one that is being computed; returns their futures."""
  model.gate.clear()
  first = batcher.submit(support.drawn(8, 8))
  support.until(lambda: len(model.batches) == 1)
  futures = [batcher.submit(image) for image in images]
  return [first, *futures]


def test_equal_sizes_go_together_and_the_oldest_first(model):
  batcher = batcher_of(model)
  sizes = [(10, 20), (20, 10), (10, 20), (10, 20), (20, 10), (10, 20)]
  images = [support.drawn(*size, seed=number) for number, size in enumerate(sizes)]
  futures = submitted(batcher, model, images)
  model.gate.set()
  for future, image in zip(futures[1:], images):
    expected = support.result_of(image).id_map
    np.testing.assert_array_equal(future.result(30).result.id_map, expected)
  batcher.stop()
  wide, high = (10, 20, 3), (20, 10, 3)
  assert model.batches[1:] == [[wide] * 3, [high] * 2, [wide]]


def test_one_that_is_cancelled_is_not_computed(model):
  batcher = batcher_of(model)
  futures = submitted(batcher, model, [support.drawn(10, 20, seed=n) for n in range(3)])
  assert futures[2].cancel()
  model.gate.set()
  futures[3].result(30)
  batcher.stop()
  assert model.batches[1:] == [[(10, 20, 3)] * 2]


def test_a_batch_that_fails_is_tried_one_by_one(model):
  batcher = batcher_of(model)
  images = [support.drawn(10, 20, seed=n) for n in range(3)]
  images[1][0, 0] = 66  # fails where it is not alone
  futures = submitted(batcher, model, images)
  model.gate.set()
  for future, image in zip(futures[1:], images):
    expected = support.result_of(image).id_map
    np.testing.assert_array_equal(future.result(30).result.id_map, expected)
  images[1][0, 0] = 99  # always fails
  failing = batcher.submit(images[1])
  with pytest.raises(RuntimeError, match='never'):
    failing.result(30)
  assert batcher.submit(images[0]).result(30)
  batcher.stop()


def test_too_few_answers_leave_nobody_waiting():
  batcher = Batcher(lambda images: iter(()), 2, Metrics())
  batcher.start()
  with pytest.raises(RuntimeError, match='1 of 1 images have no answer'):
    batcher.submit(support.drawn()).result(30)
  batcher.stop()


def test_the_end_answers_what_waits(model):
  batcher = batcher_of(model)
  futures = submitted(batcher, model, [support.drawn(seed=n) for n in range(5)])
  stopping = threading.Thread(target=batcher.stop)
  stopping.start()
  support.until(lambda: batcher.num_waiting == 5)
  model.gate.set()
  stopping.join(30)
  assert not batcher.is_alive and all(future.done() for future in futures)
  with pytest.raises(RuntimeError, match='is stopped'):
    batcher.submit(support.drawn())
