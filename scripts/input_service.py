"""Runs a process of the input service, which prepares training batches on other machines' CPUs.

    tf-maskformer input_service --role dispatcher --port 5050 --workers cpu1:5051,cpu2:5051
    tf-maskformer input_service --role worker --address cpu1:5051 --dispatcher host:5050   # on cpu1
    tf-maskformer input_service --role worker --address cpu2:5051 --dispatcher host:5050   # on cpu2
    tf-maskformer train ... --params_override=task.train_data.service=grpc://host:5050

It is TensorFlow's tf.data service: one dispatcher, and workers that it names. They read the records
under the paths that the training names, and prepare every n-th batch each; the batches and their
order are those of a training that prepares its own. SIGTERM and Ctrl-C end a process. A training
ends with one line when a worker is lost, and resumes by the same command once it is back.

There is no encryption and no password, and a worker runs what is sent to it: use it only in a
network that others do not reach.
"""

import argparse
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import NoReturn

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer.configs import addresses
from tf_maskformer.errors import UserError

ROLES = ('dispatcher', 'worker')
_DISPATCHER_PORT = 5050
_HEARTBEAT = 5_000  # milliseconds between two signs of life of a worker
_NOT_LISTED = 'Failed to assign an index for worker'  # of TensorFlow's message
_LOST = 20_000  # milliseconds without one after which the dispatcher gives a worker up


def flags() -> cli.Parser:
  parser = cli.Parser(__doc__)
  parser.add_argument('--role', required=True, help='dispatcher or worker')
  parser.add_argument(
      '--port', type=int,
      help=f'port that it listens on; default: {_DISPATCHER_PORT} for the dispatcher, for a '
      'worker that of --address')
  parser.add_argument(
      '--workers', help='for the dispatcher: all workers, HOST:PORT separated by commas, as the '
      'training reaches them')
  parser.add_argument('--dispatcher', help='for a worker: HOST:PORT of the dispatcher')
  parser.add_argument(
      '--address', help='for a worker: its own HOST:PORT, as in --workers of the dispatcher')
  parser.add_argument(
      '--timeout', type=float, default=60.0,
      help='seconds that a worker waits for the dispatcher; default: 60')
  return parser


def check(args: argparse.Namespace) -> None:
  """Checks what can be checked without TensorFlow, and completes --port.

  Raises:
    UserError: a flag is missing, wrong, or of the other role.
  """
  if args.role not in ROLES:
    raise errors.unknown('role', args.role, ROLES)
  is_dispatcher = args.role == 'dispatcher'
  own = ('workers',) if is_dispatcher else ('dispatcher', 'address')
  for name in ('workers', 'dispatcher', 'address'):
    value = getattr(args, name)
    errors.require(
        name in own or value is None, f'--{name} has no effect on a {args.role}; leave it out')
    errors.require(name not in own or bool(value), f'--{name} is missing; a {args.role} needs it')
  errors.require(
      0 < args.timeout <= 86400, f'--timeout {args.timeout:g} is not between 0 and 86400 s')
  if is_dispatcher:
    args.workers = addresses.listed(args.workers, '--workers')
    default = _DISPATCHER_PORT
  else:
    args.dispatcher = addresses.checked(args.dispatcher.removeprefix('grpc://'), '--dispatcher')
    args.address = addresses.checked(args.address, '--address')
    default = addresses.port_of(args.address)
  args.port = default if args.port is None else args.port
  errors.require(
      1 <= args.port <= addresses.PORTS,
      f'--port {args.port} is not between 1 and {addresses.PORTS}')


def check_port(port: int) -> None:
  """Checks that the port is free.

  Raises:
    UserError: it is not.
  """
  try:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
      probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      probe.bind(('', port))
  except OSError as e:
    raise UserError(
        f'port {port} cannot be used ({errors.reason(e)}); choose another --port, or end the '
        'program that has it') from e


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
  """Yields an event that SIGTERM and Ctrl-C set."""
  ended = threading.Event()
  former = {
      number: signal.signal(number, lambda *_: ended.set())
      for number in (signal.SIGTERM, signal.SIGINT)}
  try:
    yield ended
  finally:
    for number, handler in former.items():
      signal.signal(number, handler)


def dispatcher(port: int, workers: Sequence[str]):
  """Returns a running dispatcher (tf.data.experimental.service.DispatchServer).

  Args:
    port: that it listens to; 0: any that is free.
    workers: HOST:PORT of all of its workers; their order is that of their parts.
  """
  from tensorflow import data
  service = data.experimental.service
  return service.DispatchServer(service.DispatcherConfig(
      port=port, worker_addresses=list(workers), worker_timeout_ms=_LOST))


def worker(port: int, address: str, dispatcher_address: str):
  """Returns a running worker (tf.data.experimental.service.WorkerServer).

  Args:
    port: that it listens to.
    address: HOST:PORT under which the dispatcher and the trainings know it.
    dispatcher_address: HOST:PORT.

  Raises:
    UserError: the dispatcher does not know the address.
  """
  from tensorflow import data
  service = data.experimental.service
  try:
    return service.WorkerServer(service.WorkerConfig(
        dispatcher_address, worker_address=address, port=port, heartbeat_interval_ms=_HEARTBEAT))
  except RuntimeError as e:
    if _NOT_LISTED not in str(e):
      raise UserError(f'the worker cannot start ({errors.quoted(e)})') from e
    raise UserError(
        f'the dispatcher at {dispatcher_address} refuses the worker {address}: it is not in '
        '--workers of the dispatcher, or runs already') from e


def main(argv: Sequence[str]) -> None:
  """Runs a dispatcher or a worker until a signal, which ends the process.

  Raises:
    UserError: a flag is wrong, the port is taken, or the dispatcher does not answer.
  """
  args = flags().parse(argv)
  check(args)
  check_port(args.port)
  with _ended_by_signals() as ended:
    if args.role == 'dispatcher':
      _running = dispatcher(args.port, args.workers)
      errors.say(f'dispatcher of {", ".join(args.workers)} on port {args.port}')
    else:
      from tf_maskformer.dataloaders import service_checks
      service_checks.wait_for_dispatcher(args.dispatcher, args.timeout)
      _running = worker(args.port, args.address, args.dispatcher)
      errors.say(f'worker {args.address} of {args.dispatcher} on port {args.port}')
    errors.warn('whoever reaches this port can run TensorFlow graphs here; there is no password')
    ended.wait()
    _end(args.role)


def _end(role: str) -> NoReturn:
  """Ends the process; a server that is stopped waits up to a minute for others that are gone."""
  errors.say(f'{role} ended')
  sys.stdout.flush()
  os._exit(0)


if __name__ == '__main__':
  cli.run(main)
