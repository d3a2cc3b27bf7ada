"""Training batches that the workers of an input service prepare, in the order of a local pipeline.

TensorFlow's tf.data service hands out what its workers have ready, in any order. So each of the n
workers gets a data set of its own here: batches i, i + n, i + 2n, ... are prepared by worker i, and
the client takes one of each in turns. Every batch carries its number; one that is missing, or is
there again after a worker was restarted, is an error and never a changed order.
"""

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs import addresses
from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.dataloaders import parser
from tf_maskformer.dataloaders import service_checks
from tf_maskformer.dataloaders import service_watch
from tf_maskformer.errors import UserError

SECONDS = 60.0  # that the service may take to be there
# Begins the messages of the errors that are the service's, not a record's.
LOST = 'the input service lost a worker'
_PAUSE = 1.0  # seconds
_AHEAD = 4  # batches of each worker that are on their way or wait here
_ENDLESS = np.iinfo(np.int64).max
_HINT = tf.data.experimental.SHARD_HINT  # on a worker, its index and their number


def check(url: str, config: ParserConfig, seconds: float | None = None) -> list[str]:
  """Waits until an input service is complete.

  Args:
    url: grpc://HOST:PORT of the dispatcher.
    config: of the training; what calls Python cannot be done by another process.
    seconds: after which it is an error; None: SECONDS.

  Returns:
    The addresses of its workers, sorted.

  Raises:
    UserError: it does not answer, workers are missing, or the parser calls Python.
  """
  if parser.calls_python(config):
    raise UserError(
        'task.train_data.service cannot rasterize polygons; set '
        "task.train_data.parser.redraw_polygons=False, which resizes the records' masks instead, "
        'or unset the service')
  dispatcher = addresses.of_service(url)
  seconds = SECONDS if seconds is None else seconds
  end = time.monotonic() + seconds
  service_checks.wait_for_dispatcher(dispatcher, seconds)
  while True:
    found = service_checks.workers(dispatcher)
    missing = _missing(url, found)
    if not missing:
      return found
    if time.monotonic() > end:
      raise UserError(
          f'the input service at {dispatcher} is not complete: {missing}; start its workers '
          '(tf-maskformer input_service --role worker)')
    time.sleep(_PAUSE)


def _missing(url: str, workers: list[str]) -> str:
  """Returns what a service still needs, '' if nothing."""
  if not workers:
    return 'it has no worker'
  silent = [one for one in workers if not service_checks.answers(one)]
  if silent:
    return f'its worker {silent[0]} does not answer here'
  count = _count(url)
  return '' if len(workers) == count else f'{len(workers)} of {count} workers are there'


def _count(url: str) -> int:
  """Returns how many workers the dispatcher's list has, which a worker knows."""
  own = tf.data.Dataset.range(_ENDLESS).shard(_HINT, _HINT).batch(2).take(1)
  first, second = next(iter(_distributed(own, url))).numpy()
  return int(second - first)


def _distributed(data_set: tf.data.Dataset, url: str) -> tf.data.Dataset:
  service = tf.data.experimental.service
  try:
    return data_set.apply(service.distribute(
        service.ShardingPolicy.HINT, url, max_outstanding_requests=_AHEAD))
  except tf.errors.OpError as e:
    raise UserError(
        f'the input service at {addresses.of_service(url)} refused the data set '
        f'({errors.explain(e.message)})') from e


def batches(url: str, records: tf.data.Dataset, batch_size: int, first: int,
            prepare: Callable[[tf.data.Dataset], tf.data.Dataset]) -> tf.data.Dataset:
  """Returns `prepare(records)`, prepared by the service.

  Args:
    url: grpc://HOST:PORT of a service that is complete (`check`).
    records: endless, in order; what the files in it are must be so on the workers, too.
    batch_size: records per batch.
    first: number of the first batch, for messages.
    prepare: makes batches of `batch_size` of some of the records, in their order.

  The process ends with one line when a worker is lost while this is used; see `service_watch`.
  """
  count = _count(url)
  parts = [
      _distributed(_part(records, batch_size, prepare, worker, count), url)
      for worker in range(count)]
  turns = tf.data.Dataset.range(count).repeat()
  numbered = tf.data.Dataset.choose_from_datasets(parts, turns, stop_on_empty_dataset=True)
  expected = tf.data.Dataset.range(_ENDLESS)
  checked = tf.data.Dataset.zip(expected, numbered).map(_checker(first))
  service_watch.watch(checked, service_checks.workers(addresses.of_service(url)))
  return checked


def _part(records: tf.data.Dataset, batch_size: int, prepare, worker: int, count: int
          ) -> tf.data.Dataset:
  """Returns pairs (number, batch) of every `count`-th batch on one worker, nothing on the others.
  """
  def is_own(number, *unused):
    del unused
    return number // batch_size % count == worker

  numbered = records.enumerate().filter(is_own)
  index = tf.data.Dataset.range(count).shard(_HINT, _HINT)
  here = index.filter(lambda i: i == worker)
  own_records = here.flat_map(lambda _: numbered.map(lambda number, record: record))
  numbers = here.flat_map(lambda i: tf.data.Dataset.range(i, _ENDLESS, count))
  return tf.data.Dataset.zip(numbers, prepare(own_records))


def _checker(first: int):
  """Returns a function that takes the number off a batch once it is right."""
  def check_number(expected, numbered):
    number, batch = numbered
    fault = tf.debugging.Assert(
        number == expected,
        [tf.strings.format(
            LOST + ': batch {} came where {} was due; check that all run and start the training '
            'again, which resumes', (number + first, expected + first))])
    with tf.control_dependencies([fault]):
      return tf.nest.map_structure(tf.identity, batch)
  return check_number
