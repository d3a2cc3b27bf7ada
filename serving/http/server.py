"""Runs an application until SIGTERM or Ctrl-C, and then until what was accepted is answered."""

import errno
import math
import socket
import types
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from tf_maskformer import errors
from tf_maskformer.errors import UserError
from tf_maskformer.serving.http.limits import Limits

_BACKLOG = 2048  # connections that the system holds until they are accepted
_MARGIN = 5  # seconds, for sending the last answers
_ADVICE = 'name an address of this machine, e.g. 127.0.0.1'


def bind(host: str, port: int) -> socket.socket:
  """Returns a socket that holds an address; nothing is accepted before `run`.

  Args:
    host: a name or an address.
    port: 0: any that is free.

  Raises:
    UserError: the address is taken, or is not one of this machine.
  """
  try:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
  except (OSError, UnicodeError) as e:
    why = getattr(e, 'strerror', None) or 'not a name'
    raise UserError(f'--host {errors.quoted(host)} is not known ({why}); {_ADVICE}') from e
  family, kind, protocol, _, address = found[0]
  bound = socket.socket(family, kind, protocol)
  try:
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(address)
  except OSError as e:
    bound.close()
    raise _not_possible(e, host, port) from e
  return bound


def _not_possible(error: OSError, host: str, port: int) -> UserError:
  if error.errno == errno.EADDRINUSE:
    return UserError(f'port {port} of {host} is in use; choose another --port, or end the program '
                     'that has it')
  if error.errno == errno.EACCES:
    return UserError(f'port {port} is reserved for the system; choose a --port above 1023')
  return UserError(f'--host {host} cannot be used ({errors.reason(error)}); {_ADVICE}')


def is_loopback(bound: socket.socket) -> bool:
  """Whether only this machine reaches the address."""
  address = bound.getsockname()[0]
  return address.startswith('127.') or address == '::1'


def url(bound: socket.socket) -> str:
  """Returns where a browser on this machine finds the server."""
  address, port = bound.getsockname()[:2]
  here = {'0.0.0.0': '127.0.0.1', '::': '::1'}.get(address, address)
  return f'http://[{here}]:{port}/' if ':' in here else f'http://{here}:{port}/'


class _Server(uvicorn.Server):
  """A server that says when it is there, and that ends in peace at a signal.

  uvicorn's own raises the signal again after its clean end, which would make that a failure.
  """

  def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]):
    super().__init__(config)
    self._on_start = on_start

  async def startup(self, sockets: list[socket.socket] | None = None) -> None:
    await super().startup(sockets)
    self._on_start()

  def handle_exit(self, sig: int, frame: types.FrameType | None) -> None:
    del sig, frame
    self.force_exit = self.should_exit  # the second one does not wait
    self.should_exit = True


def make(app: ASGIApp, limits: Limits, on_start: Callable[[], None]) -> uvicorn.Server:
  """Returns a server that is not running yet.

  Args:
    app: the application.
    limits: an end waits for answers as long as they may take.
    on_start: called once requests are accepted.
  """
  longest = limits.upload_seconds + limits.answer_seconds + _MARGIN
  config = uvicorn.Config(
      app, loop='asyncio', http='h11', ws='none', lifespan='off', log_config=None,
      access_log=False, server_header=False, proxy_headers=False, backlog=_BACKLOG,
      timeout_graceful_shutdown=math.ceil(longest))
  return _Server(config, on_start)


def run(server: uvicorn.Server, bound: socket.socket) -> None:
  """Answers requests until a signal.

  Args:
    server: of `make`.
    bound: of `bind`.

  Raises:
    UserError: the address was taken since.
  """
  host, port = bound.getsockname()[:2]
  try:
    bound.listen(_BACKLOG)
  except OSError as e:
    raise _not_possible(e, host, port) from e
  server.run(sockets=[bound])
