"""Workers meet, or say who is not there; each in a thread of its own."""

import socket
import threading
import time

import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.scripts.free_hosts import free_hosts
from tf_maskformer.training import rendezvous
from tf_maskformer.training.cluster import Cluster


def clusters(count):
  hosts = tuple(free_hosts(count))
  return [Cluster(count, i, i == 0, hosts) for i in range(count)]


def meet(workers, settings=None, seconds=10.0):
  """Lets workers meet; returns when each did, or its error."""
  found = [None] * len(workers)
  def one(i):
    try:
      rendezvous.meet(workers[i], (settings or {}).get(i, {'a': 1}), seconds)
      found[i] = time.monotonic()
    except UserError as e:
      found[i] = str(e)
  threads = [threading.Thread(target=one, args=(i,)) for i in range(len(workers))]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  return found


def test_all_meet_and_the_ports_are_free_again():
  workers = clusters(4)
  found = meet(workers)
  assert all(isinstance(one, float) for one in found), found
  for worker in workers:
    socket.create_server(('127.0.0.1', worker.address[1])).close()


def test_none_goes_on_before_the_last_is_there():
  workers = clusters(3)
  started = []
  def late():
    time.sleep(1.0)
    started.append(time.monotonic())
    rendezvous.meet(workers[2], {'a': 1}, 10)
  thread = threading.Thread(target=late)
  thread.start()
  found = meet(workers[:2])
  thread.join()
  assert all(one > started[0] for one in found), found


def test_a_worker_that_does_not_come_is_named():
  workers = clusters(3)
  found = meet(workers[:2], seconds=1.0)
  for one in found:
    assert f'worker 2 ({workers[0].hosts[2]}) did not answer within 1 s' in one


def test_a_port_in_use():
  workers = clusters(2)
  with (
      socket.create_server(('', workers[0].address[1])),
      pytest.raises(UserError, match='worker 0 cannot listen at its port .*Address already in')):
    rendezvous.meet(workers[0], {}, 1.0)


def test_other_settings_are_named():
  found = meet(clusters(2), {1: {'a': 2}}, seconds=2.0)
  assert any('was started with a=2, worker 0 with 1; give all' in str(one) for one in found)


def test_other_workers_and_other_indices():
  workers = clusters(2)
  other = workers[1]._replace(hosts=(*workers[1].hosts[:1], 'b:1'))
  moved = workers[1]._replace(hosts=(other.hosts[0], workers[0].hosts[1]), index=1)
  assert moved == workers[1]
  found = []
  def wrong(cluster, hosts):
    greeting = rendezvous._message(cluster._replace(hosts=hosts), {'a': 1}, 'hello')
    with socket.create_server(('127.0.0.1', workers[1].address[1])) as server:
      connection, _ = server.accept()
      with connection:
        connection.sendall(greeting)
        connection.recv(1 << 16)
  for cluster, hosts, words in (
      (workers[1], other.hosts, 'was given other workers'),
      (workers[1]._replace(index=0), workers[1].hosts, 'was started as worker 0')):
    thread = threading.Thread(target=wrong, args=(cluster, hosts))
    thread.start()
    with pytest.raises(UserError) as error:
      rendezvous.meet(workers[0], {'a': 1}, 5.0)
    thread.join()
    found.append(words in str(error.value))
  assert found == [True, True]


def test_another_program_in_the_place_of_a_worker():
  workers = clusters(2)
  def answer():
    with socket.create_server(('127.0.0.1', workers[1].address[1])) as server:
      connection, _ = server.accept()
      with connection:
        connection.sendall(b'220 mail\r\n')
        connection.recv(1 << 16)
  thread = threading.Thread(target=answer)
  thread.start()
  with pytest.raises(UserError, match='in the place of worker 1 .* is another program'):
    rendezvous.meet(workers[0], {}, 5.0)
  thread.join()


def test_strangers_are_not_counted():
  workers = clusters(2)
  def strange():
    deadline = time.monotonic() + 3
    for content in (b'GET / HTTP/1.1\r\n\r\n', b'[' * 100000 + b'\n', b'{}\n', b'\xff\n', b''):
      while time.monotonic() < deadline:
        try:
          with socket.create_connection(workers[0].address, timeout=1) as connection:
            connection.sendall(content)
          break
        except OSError:
          time.sleep(0.01)
  thread = threading.Thread(target=strange)
  thread.start()
  with pytest.raises(UserError, match='worker 1 .* did not answer'):
    rendezvous.meet(workers[0], {'a': 1}, 2.0)
  thread.join()
