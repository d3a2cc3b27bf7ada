"""TensorFlow's coordination service: workers agree, and the end of one ends all.

What its agents do is in `tensorflow.python.eager.context`, which `PreemptionCheckpointHandler` and
DTensor use likewise; TensorFlow has no public names for it. Everything of it is in this file.
"""

import contextlib
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
from tensorflow.python.eager import context

from tf_maskformer import errors
from tf_maskformer.training.cluster import ALONE
from tf_maskformer.training.cluster import Cluster

_JOB = 'worker'
_LEADER = f'/job:{_JOB}/replica:0/task:0'
_SECOND = 1000  # milliseconds
_HEARTBEATS = 30 * _SECOND  # without one for so long, a worker has ended
_STARTED = 120 * _SECOND  # for TensorFlow's servers to find each other, once all workers met
_LEAVING = 20 * _SECOND  # for all to come to their end
_POLL = 2 * _SECOND
_SOON = 100
_GRACE = 12.0  # seconds for a worker to see by itself, in a collective, that another ended
_HEARD = 3.0  # seconds in which the others hear of an error before its worker is gone
_REPORTED = re.compile(r'Error reported from /job:worker/(?:replica:0/)?task:(\d+): (.*)')
_TASK = re.compile(r'/job:worker/(?:replica:0/)?task:(\d+)')
_SILENT = 'stopped sending heartbeats'
_OF_COLLECTIVES = re.compile(
    r'Collective ops is aborted|CoordinationService|coordination service|'
    r'Collective(Gather|Reduce|Bcast)|[Hh]eartbeat')
_PACK = 32 * 2**20  # bytes of gradients that are added up together
_LONGEST = 1000  # characters of what the others are told
_ENDED = 'ended'  # key under which the end of a worker is told


class WorkerEnded(Exception):
  """Another worker ended, so that this one cannot continue; the text says which and why."""


def connect(cluster: Cluster, num_gpus: int, communication: str | None
            ) -> tf.distribute.Strategy:
  """Starts TensorFlow's server of this worker and returns the strategy of all of them.

  Nothing may have touched a device before.

  Args:
    cluster: whose workers have met, see `rendezvous`.
    num_gpus: of each worker; 0: its processor.
    communication: how gradients are added up, 'ring' or 'nccl'; None: chosen by TensorFlow.

  Raises:
    UserError: the workers' servers do not find each other.
  """
  job = coordination_config_pb2.CoordinatedJob(name=_JOB, num_tasks=cluster.num_workers)
  context.context().configure_coordination_service(
      'standalone', service_leader=_LEADER, enable_health_check=True,
      cluster_register_timeout_in_ms=_STARTED, heartbeat_timeout_in_ms=_HEARTBEATS,
      shutdown_barrier_timeout_in_ms=_LEAVING, coordinated_jobs=[job])
  resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
      tf.train.ClusterSpec({_JOB: list(cluster.hosts)}), task_type=_JOB, task_id=cluster.index,
      num_accelerators={'GPU': num_gpus} if num_gpus else {}, rpc_layer='grpc')
  options = tf.distribute.experimental.CommunicationOptions(
      bytes_per_pack=_PACK, implementation=tf.distribute.experimental.CommunicationImplementation(
          (communication or 'auto').upper()))
  try:
    return tf.distribute.MultiWorkerMirroredStrategy(resolver, options)
  except (tf.errors.OpError, RuntimeError) as e:
    raise errors.UserError(
        f'worker {cluster.index} cannot join the others ({errors.reason(e)}); see that '
        f'{cluster.hosts[cluster.index]} is this host, and that the hosts reach each other') from e


class Workers:
  """The other workers, as one of them sees them.

  Each method must be called by all workers, in the same order; one worker alone calls none in vain:
  it is answered at once.

  Attributes:
    strategy: that joins them; None for one alone.
  """

  def __init__(self, cluster: Cluster = ALONE, strategy: tf.distribute.Strategy | None = None):
    """Looks at nothing yet.

    Args:
      cluster: that this process is a worker of.
      strategy: that joins it with the others, see `connect`; None: it is alone.
    """
    self.strategy = strategy
    self._cluster = cluster
    self._calls = 0  # of what is agreed on; all workers count alike
    self._watch: threading.Thread | None = None
    self._is_over = threading.Event()
    self._why = ''  # another worker ended

  @property
  def is_chief(self) -> bool:
    """Whether this worker writes the run's files."""
    return self._cluster.is_chief

  @property
  def are_several(self) -> bool:
    """Whether there is more than this one."""
    return self._cluster.num_workers > 1

  def told(self, value: Callable[[], Any]) -> Any:
    """Returns what the chief finds, on every worker.

    Args:
      value: called on the chief alone; returns what JSON can hold.
    """
    if not self.are_several:
      return value()
    key = self._next_key()
    if self.is_chief:
      text = json.dumps(value())
      context.context().set_config_key_value(key, text)
    else:
      text = self._wait_for(key)
    return json.loads(text)

  def gathered(self, value: Any) -> list[Any]:
    """Returns what each worker gives, by index; of JSON's types."""
    if not self.are_several:
      return [value]
    key = self._next_key()
    context.context().set_config_key_value(f'{key}/{self._cluster.index}', json.dumps(value))
    return [json.loads(self._wait_for(f'{key}/{i}')) for i in range(self._cluster.num_workers)]

  def require_equal(self, value: Any, what: str) -> None:
    """Raises UserError where the workers do not all give the same; of JSON's types."""
    found = self.gathered(value)
    for index, other in enumerate(found):
      if other != found[0]:
        raise errors.UserError(
            f'{what} of worker {index} are not those of worker 0; give all workers the same files')

  def watch(self) -> None:
    """From now on, this process ends soon after another worker does, whatever it is doing."""
    if self.are_several and self._watch is None:
      self._watch = threading.Thread(target=self._watch_others, daemon=True)
      self._watch.start()

  def close(self) -> None:
    """Ends the watch; TensorFlow may be taken down then."""
    self._is_over.set()
    if self._watch:
      self._watch.join()

  @contextlib.contextmanager
  def together(self) -> Iterator[None]:
    """Ends all workers by an error of one, inside the block.

    Raises:
      WorkerEnded: another worker ended, whatever TensorFlow made of it here.
      BaseException: of this worker; the others print it as their reason to end.
    """
    try:
      yield
    except WorkerEnded:
      raise
    except BaseException as e:
      why = self.explained(e)
      if why:
        raise WorkerEnded(f'{why}; run the same command on all workers to resume') from e
      self._tell_end(str(e) or type(e).__name__)
      raise

  def _tell_end(self, why: str) -> None:
    """Ends the other workers, which print `why`."""
    if not self.are_several:
      return
    text = errors.one_line(why, _LONGEST)
    try:
      context.context().set_config_key_value(
          _ENDED, f'worker {self._cluster.index} ended: {text}')
      context.context().report_error_to_cluster(tf.errors.ABORTED, text)
    except (tf.errors.OpError, ValueError):  # another one told its end first, or the chief is gone
      return
    time.sleep(_HEARD)

  def explained(self, error: BaseException | None) -> str:
    """Returns which worker's end an error was caused by; '' where it was by none."""
    while error is not None and self.are_several:
      if isinstance(error, tf.errors.OpError) and _OF_COLLECTIVES.search(error.message):
        return self._why or explanation(error.message, self._cluster)
      error = error.__cause__
    return ''

  def _next_key(self) -> str:
    self._calls += 1
    return f'agreed/{self._calls}'

  def _wait_for(self, key: str) -> str:
    """Returns what another worker says under a key.

    Raises:
      WorkerEnded: some worker ended before.
    """
    while not self._why:
      try:
        return context.context().get_config_key_value(key, _POLL)
      except tf.errors.DeadlineExceededError:
        continue
      except tf.errors.OpError as e:
        raise WorkerEnded(explanation(e.message, self._cluster)) from e
    raise WorkerEnded(f'{self._why}; run the same command on all workers to resume')

  def _watch_others(self) -> None:
    """Ends this process where another worker has ended and nothing here noticed it."""
    while not self._why:
      if self._is_over.wait(_POLL / _SECOND):
        return
      self._why = self._told_end() or (self._silent_worker() if self.is_chief else '')
    if self.is_chief:
      with contextlib.suppress(tf.errors.OpError):  # it is there already
        context.context().set_config_key_value(_ENDED, self._why)
    if self._is_over.wait(_GRACE):
      return
    end_now(f'{self._why}; run the same command on all workers to resume')

  def _told_end(self) -> str:
    """Returns what the workers were told of an end; '' where they were told of none."""
    try:
      return context.context().get_config_key_value(_ENDED, _SOON)
    except tf.errors.DeadlineExceededError:
      return ''
    except tf.errors.OpError:
      return _of_silent([0], self._cluster)

  def _silent_worker(self) -> str:
    """Returns which worker has ended, as the chief's own service knows; '' where it is none."""
    states = context.context().get_task_states([(_JOB, self._cluster.num_workers)])
    ended = [i for i, state in enumerate(states) if state is not None]
    return _of_silent(ended, self._cluster) if ended else ''


def end_now(why: str) -> None:
  """Prints an error and ends this process, whatever its main thread is doing."""
  sys.stdout.flush()
  print(f'error: {errors.one_line(why)}', file=sys.stderr, flush=True)
  os._exit(1)  # pylint: disable=protected-access


def explanation(message: str, cluster: Cluster) -> str:
  """Returns which worker ended and why, of a message of TensorFlow's collectives."""
  reported = _REPORTED.search(message)
  if reported and _SILENT not in reported[2]:
    return f'worker {reported[1]} ended: {reported[2]}'
  others = [int(i) for i in _TASK.findall(message)]
  if not others and 'Heartbeat' in message:
    others = [0]
  return _of_silent(sorted(set(others) - {cluster.index}), cluster)


def _of_silent(ended: Sequence[int], cluster: Cluster) -> str:
  names = ', '.join(f'worker {i} ({cluster.hosts[i]})' for i in ended) or 'another worker'
  return f'{names} ended or cannot be reached'
