"""Bytes from every worker of a multi-worker strategy, over its collectives."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

_PIECE = 2**24  # bytes of a worker that travel at a time: what a device holds for each worker
_WORD = np.dtype(np.int32)  # collectives take no bytes


class Place(NamedTuple):
  """Which of the workers this process is.

  Attributes:
    index: from 0, which is the chief.
    count: of workers.
  """
  index: int
  count: int


def place(strategy: tf.distribute.Strategy) -> Place:
  """Returns this process's place; of a strategy that is not of several workers (0, 1)."""
  if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
    return Place(0, 1)
  resolver = strategy.cluster_resolver
  tasks = resolver.cluster_spec().as_dict()
  chiefs = len(tasks.get('chief', ()))
  count = chiefs + len(tasks.get('worker', ()))
  if count < 2:
    return Place(0, 1)
  before = 0 if resolver.task_type == 'chief' else chiefs
  return Place(resolver.task_id + before, count)


def gather(payload: bytes, strategy: tf.distribute.Strategy) -> list[bytes]:
  """Returns the payload of every worker, by index, to every worker.

  All workers must call it, and in the same order as their other collectives; it waits for them.

  Args:
    payload: of this worker; lengths may differ.
    strategy: of several workers.

  Raises:
    tf.errors.OpError: a worker does not answer.
  """
  collect = _collector(strategy)
  index, count = place(strategy)
  own_head = np.array([index, len(payload)], np.int64)
  heads = collect(own_head.view(_WORD)).reshape(count, -1).view(np.int64).tolist()
  longest = max(length for _, length in heads)
  parts: list[list[bytes]] = [[] for _ in heads]
  for start in range(0, longest, _PIECE):
    size = min(_PIECE, longest - start)
    padded_size = -(-size // _WORD.itemsize) * _WORD.itemsize
    piece = payload[start:start + size].ljust(padded_size, b'\0')
    rows = collect(np.frombuffer(piece, _WORD)).reshape(count, -1)
    for part, row, (_, length) in zip(parts, rows, heads):
      part.append(row.tobytes()[:max(length - start, 0)])
  by_index = {sender: b''.join(part) for part, (sender, _) in zip(parts, heads)}
  return [by_index[one] for one in range(count)]


@functools.cache
def _collector(strategy: tf.distribute.Strategy) -> Callable[[np.ndarray], np.ndarray]:
  """Returns a function that concatenates int32 [n] of every worker; n must be the same on all."""
  @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.int32)])
  def concatenated(values: tf.Tensor) -> tf.Tensor:
    return strategy.gather(values, axis=0)

  def collect(values: np.ndarray) -> np.ndarray:
    with strategy.scope():
      return concatenated(tf.constant(values)).numpy()
  return collect
