"""The workers of a training meet before TensorFlow starts: all are there, with the same settings.

TensorFlow's server holds the interpreter while it waits for its peers, so that a worker which never
comes could not be named, nor waited for with a limit. Here each worker listens at its own port for
that long, greets all others, and tells the chief; once all have told it, the chief lets all go on
and the ports are TensorFlow's. Imports no TensorFlow.
"""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tf_maskformer import errors
from tf_maskformer.training.cluster import Cluster

_PAUSE = 0.2  # seconds between two tries to reach a worker
_PATIENCE = 5.0  # seconds for a connection and its answer
_SILENCE = 5.0  # seconds before it is said who is waited for
_LONGEST = 1 << 20  # bytes of a message
_GREETING = 'tf-maskformer'  # what answers is a worker, not another program
_SHOWN = 3  # workers in a message


def meet(cluster: Cluster, settings: Mapping[str, Any], seconds: float) -> None:
  """Waits until every worker of the cluster is there.

  Args:
    cluster: of several workers.
    settings: that must be the same on every worker, by name; of JSON's types.
    seconds: how long to wait for the others.

  Raises:
    UserError: this worker's port is in use, others did not come in time, what answers in their
      place is something else, or a worker was started with other settings.
  """
  deadline = time.monotonic() + seconds
  with _listening(cluster) as server:
    host = _Host(cluster, settings, server)
    try:
      _greet_all(cluster, settings, deadline, seconds)
      if cluster.is_chief:
        host.release(deadline, seconds)
      else:
        _wait_for_chief(cluster, settings, deadline, seconds)
    finally:
      host.close()


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[socket.socket]:
  host, port = cluster.address
  family = socket.AF_INET6 if ':' in host else socket.AF_INET
  try:
    server = socket.create_server(('', port), family=family, backlog=cluster.num_workers + 16)
  except OSError as e:
    raise errors.UserError(
        f'worker {cluster.index} cannot listen at its port {port} ({errors.reason(e)}); stop what '
        'uses it, or give the workers another') from e
  with server:
    yield server


class _Host:
  """Answers the greetings of others, on a thread of its own."""

  def __init__(self, cluster: Cluster, settings: Mapping[str, Any], server: socket.socket):
    self._cluster = cluster
    self._own = _message(cluster, settings, 'hello')
    self._server = server
    self._ready: dict[int, socket.socket] = {}  # workers that wait for the chief's word
    self._changed = threading.Condition()
    self._is_closed = False
    server.settimeout(_PAUSE)
    self._thread = threading.Thread(target=self._serve, daemon=True)
    self._thread.start()

  def release(self, deadline: float, seconds: float) -> None:
    """Waits until every other worker has met all, and lets them go on."""
    others = self._cluster.num_workers - 1
    with self._changed:
      while len(self._ready) < others:
        if time.monotonic() > deadline:
          missing = set(range(1, self._cluster.num_workers)) - set(self._ready)
          raise _absent(self._cluster, sorted(missing), seconds, 'did not reach all others')
        self._changed.wait(_PAUSE)
      for connection in self._ready.values():
        with contextlib.suppress(OSError):  # it says so itself, or is missed by TensorFlow
          connection.sendall(b'go\n')

  def close(self) -> None:
    """Ends the thread and closes all connections."""
    self._is_closed = True
    self._thread.join()
    for connection in self._ready.values():
      connection.close()

  def _serve(self) -> None:
    while not self._is_closed:
      try:
        connection, _ = self._server.accept()
      except TimeoutError:
        continue
      except OSError:
        return  # closed
      threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

  def _answer(self, connection: socket.socket) -> None:
    """Tells who this is; keeps the connection of a worker that is ready."""
    is_kept = False
    try:
      connection.settimeout(_PATIENCE)
      greeting = _read(connection)
      if greeting is None:
        return  # not a worker
      connection.sendall(self._own)
      if greeting.get('says') == 'ready' and self._cluster.is_chief:
        is_kept = self._keep(greeting.get('index'), connection)
    except OSError:
      pass  # it tries again
    finally:
      if not is_kept:
        connection.close()

  def _keep(self, index: object, connection: socket.socket) -> bool:
    if type(index) is not int or not 0 < index < self._cluster.num_workers:
      return False
    with self._changed:
      former = self._ready.pop(index, None)
      if former:
        former.close()
      self._ready[index] = connection
      self._changed.notify()
    return True


def _greet_all(cluster: Cluster, settings: Mapping[str, Any], deadline: float, seconds: float
               ) -> None:
  """Greets each other worker until it answers."""
  missing = [i for i in range(cluster.num_workers) if i != cluster.index]
  greeting = _message(cluster, settings, 'hello')
  says = time.monotonic() + _SILENCE
  while True:
    missing = [i for i in missing if not _greeted(cluster, i, greeting, settings)]
    if not missing:
      return
    if time.monotonic() > deadline:
      raise _absent(cluster, missing, seconds, 'did not answer')
    if time.monotonic() > says:
      errors.say(f'waiting for {_named(cluster, missing)}, for up to {seconds:g} s')
      says = deadline
    time.sleep(_PAUSE)


def _greeted(cluster: Cluster, other: int, greeting: bytes, settings: Mapping[str, Any]) -> bool:
  """Whether another worker answered; raises UserError where it is not of this training."""
  try:
    with _connected(cluster, other) as connection:
      connection.sendall(greeting)
      answer = _read(connection)
  except OSError:
    return False
  _check(cluster, other, answer, settings)
  return True


def _wait_for_chief(cluster: Cluster, settings: Mapping[str, Any], deadline: float, seconds: float
                    ) -> None:
  """Tells the chief that this worker has met all, and waits for its word."""
  try:
    with _connected(cluster, 0) as connection:
      connection.sendall(_message(cluster, settings, 'ready'))
      connection.settimeout(max(deadline - time.monotonic(), 0) + _PATIENCE)
      with connection.makefile('rb') as lines:
        lines.readline(_LONGEST)  # its greeting
        if lines.readline(_LONGEST) == b'go\n':
          return
  except OSError:
    pass
  raise _absent(cluster, [0], seconds, 'ended, or did not let the others begin')


def _connected(cluster: Cluster, other: int) -> socket.socket:
  host, _, port = cluster.hosts[other].rpartition(':')
  return socket.create_connection((host.strip('[]'), int(port)), timeout=_PATIENCE)


def _message(cluster: Cluster, settings: Mapping[str, Any], says: str) -> bytes:
  content = {
      'program': _GREETING, 'says': says, 'index': cluster.index, 'hosts': cluster.hosts,
      'settings': settings}
  return json.dumps(content).encode() + b'\n'


def _read(connection: socket.socket) -> dict[str, Any] | None:
  """Returns a worker's message; None where what came is something else."""
  with connection.makefile('rb') as lines:
    line = lines.readline(_LONGEST)
  try:
    content = json.loads(line)
  except (ValueError, RecursionError):
    return None
  if not isinstance(content, dict) or content.get('program') != _GREETING:
    return None
  return content if isinstance(content.get('settings'), dict) else None


def _check(cluster: Cluster, other: int, answer: dict[str, Any] | None,
           settings: Mapping[str, Any]) -> None:
  """Raises UserError where what answered is not that worker of this training."""
  where = f'worker {other} ({cluster.hosts[other]})'
  if answer is None:
    raise errors.UserError(
        f'what answers in the place of {where} is another program; stop it, or give the workers '
        'other ports')
  if answer.get('hosts') != list(cluster.hosts):
    raise errors.UserError(
        f'{where} was given other workers than worker {cluster.index}; give all the same list')
  if answer.get('index') != other:
    raise errors.UserError(
        f'{where} was started as worker {errors.quoted(answer.get("index"))}; the index of a '
        'worker is its position in the list, from 0')
  theirs = answer['settings']
  own = json.loads(json.dumps(settings))
  for key in sorted({*own, *theirs}):
    if own.get(key) != theirs.get(key):
      raise errors.UserError(
          f'{where} was started with {errors.quoted(key)}={errors.quoted(theirs.get(key))}, worker '
          f'{cluster.index} with {errors.quoted(own.get(key))}; give all workers the same command')


def _absent(cluster: Cluster, missing: list[int], seconds: float, what: str) -> errors.UserError:
  return errors.UserError(
      f'{_named(cluster, missing)} {what} within {seconds:g} s; start every worker with the same '
      'command but its own index, and see that the hosts reach each other at these ports')


def _named(cluster: Cluster, workers: list[int]) -> str:
  names = [f'worker {i} ({cluster.hosts[i]})' for i in workers[:_SHOWN]]
  more = f' and {len(workers) - _SHOWN} others' if len(workers) > _SHOWN else ''
  return f'{", ".join(names)}{more}'
