"""Whether the input service answers: its dispatcher, and the workers that are registered there."""

import socket
import time

import grpc
import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs import addresses
from tf_maskformer.errors import UserError

_ANSWER = 5.0  # seconds that a process of the service may take to answer a question
_PAUSE = 0.5  # seconds between two attempts
_GET_WORKERS = '/tensorflow.data.DispatcherService/GetWorkers'
_ADVICE = 'start it (tf-maskformer input_service), or correct the address'


class NoAnswer(UserError):
  """Nothing answers at an address yet."""


def workers(dispatcher: str) -> list[str]:
  """Returns the addresses of the workers that a dispatcher knows to be alive, sorted.

  Args:
    dispatcher: HOST:PORT.

  Raises:
    NoAnswer: it does not answer.
    UserError: it is something else.
  """
  try:
    with grpc.insecure_channel(dispatcher) as channel:
      answer = channel.unary_unary(_GET_WORKERS)(b'', timeout=_ANSWER)
  except grpc.RpcError as e:
    if e.code() == grpc.StatusCode.UNIMPLEMENTED:
      raise UserError(
          f'{dispatcher} answers, but is not the dispatcher of an input service; {_ADVICE}') from e
    raise NoAnswer(
        f'the input service at {dispatcher} does not answer ({e.code().name.lower()}); '
        f'{_ADVICE}') from e
  try:
    found = _strings(_strings([answer], 'GetWorkersResponse', 'workers'), 'WorkerInfo', 'address')
  except tf.errors.OpError as e:
    raise UserError(
        f'{dispatcher} answers, but not as the dispatcher of an input service; {_ADVICE}') from e
  return sorted(text.decode() for text in found)


def _strings(messages: list[bytes], kind: str, field: str) -> list[bytes]:
  """Returns all values of a field of some messages of TensorFlow's own service protocol."""
  if not messages:
    return []
  decoded = tf.io.decode_proto(messages, f'tensorflow.data.{kind}', [field], [tf.string])
  counts = decoded.sizes.numpy()[:, 0]
  return [v for row, n in zip(decoded.values[0].numpy(), counts) for v in row[:n].tolist()]


def answers(address: str, seconds: float = _ANSWER) -> bool:
  """Whether something listens at HOST:PORT."""
  try:
    place = (addresses.host_of(address), addresses.port_of(address))
    with socket.create_connection(place, timeout=seconds):
      return True
  except OSError:
    return False


def wait_for_dispatcher(dispatcher: str, seconds: float) -> list[str]:
  """Returns `workers` once the dispatcher answers.

  Raises:
    UserError: it did not within `seconds`, or is something else.
  """
  end = time.monotonic() + seconds
  is_said = False
  while True:
    try:
      return workers(dispatcher)
    except NoAnswer:
      if time.monotonic() > end:
        raise
    if not is_said:
      errors.say(f'waiting for the input service at {dispatcher}, up to {seconds:g} s')
      is_said = True
    time.sleep(_PAUSE)
