"""Around every answer: the headers that all have, and a count of them."""

from collections.abc import Collection

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp
from starlette.types import Message
from starlette.types import Receive
from starlette.types import Scope
from starlette.types import Send

from tf_maskformer.serving.http.metrics import Metrics

# The page loads what this server has and nothing else, runs no script within HTML, and cannot be
# part of another page.
_HEADERS = {
    'Content-Security-Policy': (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
}
_OTHER = 'other'  # paths that are not known; anyone could make up any number of them


class Envelope:
  """ASGI middleware that adds headers and counts answers by path and status."""

  def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str]):
    """Wraps an application.

    Args:
      app: the application.
      metrics: where answers are counted, by the first part of their path.
      paths: that the application knows.
    """
    self._app = app
    self._metrics = metrics
    self._known = frozenset(_first_part(path) for path in paths)

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return
    first = _first_part(scope['path'])
    path = first if first in self._known else _OTHER

    async def send_and_count(message: Message) -> None:
      if message['type'] == 'http.response.start':
        MutableHeaders(scope=message).update(_HEADERS)
        self._metrics.requests.add(path, str(message['status']))
      await send(message)

    await self._app(scope, receive, send_and_count)


def _first_part(path: str) -> str:
  return '/' + path.strip('/').partition('/')[0]
