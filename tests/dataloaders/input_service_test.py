"""The input service makes the batches of a local pipeline, in its order, or says what is wrong."""

import contextlib
import gc
import socket
import threading

import numpy as np
import pytest
import tensorflow as tf

from tests.records import shapes_records
from tf_maskformer.configs.data import Augmentation
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import input_service
from tf_maskformer.dataloaders import reader
from tf_maskformer.dataloaders import service_checks
from tf_maskformer.dataloaders import service_watch
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import input_service as program

DATA_SET = 'shapes_panoptic'


@pytest.fixture(scope='module', name='records')
def convert(tmp_path_factory):
  return shapes_records(tmp_path_factory.mktemp, 10, 2)


@pytest.fixture(autouse=True)
def end_watches():
  """A test's service ends with it, and what looks after its workers must not end this process."""
  yield
  for thread in threading.enumerate():
    if isinstance(thread, service_watch.Watch):
      thread.end()


def free_ports(count):
  with contextlib.ExitStack() as stack:
    taken = [stack.enter_context(socket.create_server(('127.0.0.1', 0))) for _ in range(count)]
    return [one.getsockname()[1] for one in taken]


# Iterators wait for their service while they are destroyed, so that it has to outlive them.
_SERVICES = []


class Service:
  """A dispatcher and some of its workers, in threads of this process."""

  def __init__(self, workers, started=None):
    _SERVICES.append(self)
    self.addresses = [f'127.0.0.1:{port}' for port in free_ports(workers)]
    self._dispatcher = program.dispatcher(0, self.addresses)
    self.address = self._dispatcher.target.partition('://')[2]
    self.url = f'grpc://{self.address}'
    self._workers = {}
    # Their parts follow the list, not the order of their starts.
    for address in self.addresses[:started][::-1]:
      self.start(address)

  def start(self, address):
    self._workers[address] = program.worker(
        int(address.rpartition(':')[2]), address, self.address)


def config(records, service='', batch=3, **changes):
  parser = ParserConfig(
      output_size=[64, 64], max_segments=12,
      augmentation=Augmentation(flip_probability=0.5, short_edges=[40, 50, 60], long_edge_limit=64))
  parser.override(changes)
  return DataConfig(input_path=f'{records}/train*', is_training=True, global_batch_size=batch,
                    parser=parser, service=service)


def flat(batches, count):
  return [tf.nest.flatten(batch) for batch in batches.take(count)]


def assert_equal(served, local):
  assert len(served) == len(local)
  for of_service, own in zip(served, local):
    for a, b in zip(of_service, own):
      assert a.dtype == b.dtype
      np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize('workers', [
    pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)])
def test_equal_batches_in_equal_order(records, workers):
  service = Service(workers)
  local = flat(reader.build(config(records), DATA_SET, seed=5), 13)  # four epochs
  served = reader.build(config(records, service.url), DATA_SET, seed=5)
  assert served.element_spec == reader.build(config(records), DATA_SET, seed=5).element_spec
  assert_equal(flat(served, 13), local)
  resumed = reader.build(config(records, service.url), DATA_SET, seed=5, start_step=5)
  assert_equal(flat(resumed, 8), local[5:])


@pytest.mark.slow
def test_each_pipeline_gets_its_share(records):
  service = Service(2)
  for index in (0, 1):
    context = tf.distribute.InputContext(2, index, 4)
    local = reader.build(config(records, '', 8), DATA_SET, 0, 3, context)
    served = reader.build(config(records, service.url, 8), DATA_SET, 0, 3, context)
    assert_equal(flat(served, 6), flat(local, 6))


@pytest.mark.slow
def test_batches_of_any_size(records):
  service = Service(2)
  local = reader.build(config(records, output_size=[]), DATA_SET, seed=1)
  served = reader.build(config(records, service.url, output_size=[]), DATA_SET, seed=1)
  assert_equal(flat(served, 5), flat(local, 5))


@pytest.mark.slow
def test_a_batch_out_of_turn_is_an_error():
  check = tf.function(input_service._checker(first=100))
  batch = {'image': tf.zeros([1])}
  assert check(tf.constant(3), (tf.constant(3), batch))['image'].shape == [1]
  with pytest.raises(tf.errors.InvalidArgumentError) as error:
    check(tf.constant(3), (tf.constant(0), batch))
  assert decoder.explain(error.value).startswith(
      f'{input_service.LOST}: batch 100 came where 103 was due; check that all run')


@pytest.mark.slow
def test_a_record_that_a_worker_cannot_use(records):
  service = Service(2)
  small = config(records, service.url, output_size=[32, 32])
  with pytest.raises(tf.errors.InvalidArgumentError) as error:
    flat(reader.build(small, DATA_SET, seed=5), 2)
  text = decoder.explain(error.value)
  assert text.startswith('an image is larger than parser.output_size; set parser.augmentation')


@pytest.mark.slow
def test_what_is_not_there_is_one_line(records, monkeypatch):
  monkeypatch.setattr(input_service, 'SECONDS', 1.0)
  nobody = f'grpc://127.0.0.1:{free_ports(1)[0]}'
  with pytest.raises(UserError, match=r'input service at 127.* does not answer \(unavailable\)'):
    reader.build(config(records, nobody), DATA_SET, seed=0)
  service = Service(2, started=0)
  with pytest.raises(UserError, match='is not complete: it has no worker; start its workers'):
    reader.build(config(records, service.url), DATA_SET, seed=0)
  service.start(service.addresses[1])
  with pytest.raises(UserError, match='is not complete: 1 of 2 workers are there'):
    reader.build(config(records, service.url), DATA_SET, seed=0)


@pytest.mark.slow
def test_what_is_no_dispatcher(records, monkeypatch):
  monkeypatch.setattr(input_service, 'SECONDS', 1.0)
  service = Service(1)
  with pytest.raises(UserError, match='answers, but is not the dispatcher of an input service'):
    reader.build(config(records, f'grpc://{service.addresses[0]}'), DATA_SET, seed=0)
  with pytest.raises(UserError, match='refuses the worker elsewhere:1: it is not in --workers'):
    program.worker(free_ports(1)[0], 'elsewhere:1', service.address)


@pytest.mark.slow
def test_what_it_cannot_do(records):
  with pytest.raises(UserError, match='cannot rasterize polygons; set .*redraw_polygons=False'):
    reader.build(config(records, 'grpc://x:1', max_layers=4), DATA_SET, seed=0)
  validation = DataConfig(input_path=f'{records}/val*', is_training=False, service='grpc://x:1')
  with pytest.raises(UserError, match='task.validation_data.service=grpc://x:1 has no effect'):
    reader.preflight(validation, DATA_SET, 7, 'task.validation_data.input_path')


@pytest.mark.slow
def test_workers_are_known_by_their_addresses():
  service = Service(2)
  assert service_checks.workers(service.address) == sorted(service.addresses)
  assert service_checks.answers(service.addresses[0])
  assert not service_checks.answers(f'127.0.0.1:{free_ports(1)[0]}', 1.0)


@pytest.mark.slow
def test_a_lost_worker_is_said_once(records):
  service = Service(1)
  gone = f'127.0.0.1:{free_ports(1)[0]}'
  said = []
  watch = service_watch.Watch([*service.addresses, gone], said.append, patience=0.3, pause=0.05)
  watch.start()
  watch.join(20)
  assert len(said) == 1 and said[0].startswith(f'the worker {gone} of the input service has not')
  watch = service_watch.Watch(service.addresses, said.append, patience=0.0, pause=0.05)
  watch.start()
  watch.join(0.5)
  assert watch.is_alive() and len(said) == 1
  watch.end()


@pytest.mark.slow
def test_nothing_is_watched_once_the_batches_are_gone(records):
  def watches():
    return [t for t in threading.enumerate()
            if isinstance(t, service_watch.Watch) and not t._ended.is_set()]
  gc.collect()
  before = len(watches())
  service = Service(1)
  iterator = iter(reader.build(config(records, service.url), DATA_SET, seed=5))
  gc.collect()
  assert len(watches()) == before + 1
  del iterator
  gc.collect()
  assert len(watches()) <= before
