"""The application: what each path answers.

The event loop only moves bytes. Images are decoded and answers encoded in a few threads; the model
has a thread of its own (`batching`).
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Mount
from starlette.routing import Route
from starlette.types import ASGIApp

from tf_maskformer import errors
from tf_maskformer.serving.http import formats
from tf_maskformer.serving.http import parameters
from tf_maskformer.serving.http import uploads
from tf_maskformer.serving.http.batching import Batcher
from tf_maskformer.serving.http.envelope import Envelope
from tf_maskformer.serving.http.formats import Answer
from tf_maskformer.serving.http.formats import Format
from tf_maskformer.serving.http.limits import Limits
from tf_maskformer.serving.http.limits import Refused
from tf_maskformer.serving.http.limits import Seats
from tf_maskformer.serving.http.metrics import MEDIA_TYPE
from tf_maskformer.serving.http.metrics import Metrics

_THREADS = 4  # that decode and encode
_LONGEST_RETRY = 60  # seconds
_CLIENT_IS_GONE = 499  # nobody reads it; it is counted
_JSON = 'application/json'

T = TypeVar('T')


class Api:
  """Answers requests for predictions, and about the server.

  Attributes:
    metrics: what is counted.
  """

  def __init__(self, batcher: Batcher, batch_size: int, about: Mapping[str, Any], limits: Limits,
               metrics: Metrics, known: Mapping[str, Format] = formats.FORMATS):
    """Makes the API.

    Args:
      batcher: runs the model; its answers are `Answer`.
      batch_size: of the batcher; twice as many images are decoded at a time.
      about: what /model answers.
      limits: of requests.
      metrics: where they are counted.
      known: forms of answers.
    """
    self.metrics = metrics
    self._batcher = batcher
    self._about = formats.as_json(about)
    self._limits = limits
    self._known = known
    self._seats = Seats(limits.requests)
    self._decoded = asyncio.Semaphore(2 * batch_size)
    self._pool: Executor = ThreadPoolExecutor(_THREADS, thread_name_prefix='codec')
    metrics.watch('accepted', 'Requests that are accepted and not answered yet.',
                  lambda: self._seats.taken)
    metrics.watch('waiting', 'Images that wait for the model.', lambda: batcher.num_waiting)

  def routes(self) -> list[BaseRoute]:
    """Returns what is answered where."""
    return [
        Route('/predict', self.predict, methods=['POST']),
        Route('/health', self.health),
        Route('/metrics', self.counted),
        Route('/model', self.model)]

  async def predict(self, request: Request) -> Response:
    """Answers an image with its segments."""
    start = time.monotonic()
    try:
      form = formats.wanted(
          request.query_params.get('format'), request.headers.get('accept'), self._known)
      threshold = parameters.share(request, 'threshold', None)
      with self._seats.one(self._retry_after()):
        data = await uploads.read(request, self._limits)
        return await self.within_time(request, self._predicted(data, form, threshold))
    finally:
      self.metrics.request_seconds.observe(time.monotonic() - start)

  async def _predicted(self, data: bytes, form: Format, threshold: float | None) -> Response:
    async with self._decoded:
      image = await self.in_thread(uploads.decode, data)
      answer = await asyncio.wrap_future(self._batcher.submit(image))
    if threshold is not None:
      answer = await self.in_thread(formats.above, answer, threshold)
    return await self.encoded(answer, form)

  async def answered(self, request: Request, answer: Callable[[], Answer]) -> Response:
    """Returns the response of an answer that takes no turn of the model, within all limits.

    Args:
      request: that it is for.
      answer: computes it; called in a thread.
    """
    form = formats.wanted(
        request.query_params.get('format'), request.headers.get('accept'), self._known)

    async def respond() -> Response:
      return await self.encoded(await self.in_thread(answer), form)

    with self._seats.one(self._retry_after()):
      return await self.within_time(request, respond())

  async def encoded(self, answer: Answer, form: Format) -> Response:
    """Returns an answer in a form."""
    content = await self.in_thread(form.encode, answer)
    return Response(content, media_type=form.media_type)

  async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
    """Calls a function in one of the threads that decode and encode."""
    return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

  async def within_time(self, request: Request, response: Awaitable[Response]) -> Response:
    """Waits for a response, until the client leaves or the time is over.

    Args:
      request: whose body was read.
      response: is cancelled where nobody needs it any more.

    Raises:
      Refused: the time is over.
      ClientDisconnect: the client is gone.
    """
    answering = asyncio.ensure_future(response)
    leaving = asyncio.ensure_future(_left(request))
    try:
      await asyncio.wait(
          {answering, leaving}, timeout=self._limits.answer_seconds,
          return_when=asyncio.FIRST_COMPLETED)
      if answering.done():
        return answering.result()
      if leaving.done():
        raise ClientDisconnect
      raise Refused(
          504, f'there is no answer after {self._limits.answer_seconds:g} s; send a smaller image '
          'or try again', self._retry_after())
    finally:
      answering.cancel()
      leaving.cancel()

  def _retry_after(self) -> int:
    """Returns in how many seconds about half of those that wait are answered, 1 .. 60."""
    seconds = self._batcher.seconds_per_image * self._seats.taken / 2
    return min(max(math.ceil(seconds), 1), _LONGEST_RETRY)

  async def health(self, request: Request) -> Response:
    """Answers 200 while images are answered."""
    del request
    if not self._batcher.is_alive:
      return _json({'status': 'failed'}, 503)
    return _json({'status': 'ok'})

  async def counted(self, request: Request) -> Response:
    """Answers with the metrics."""
    del request
    return Response(self.metrics.text(), media_type=MEDIA_TYPE)

  async def model(self, request: Request) -> Response:
    """Answers with what the model is."""
    del request
    return Response(self._about, media_type=_JSON)


def build(api: Api, more: Sequence[BaseRoute] = ()) -> ASGIApp:
  """Returns the application.

  Args:
    api: of the model.
    more: other things that are answered, by path.
  """
  routes = [*api.routes(), *more]
  paths = [route.path for route in routes if isinstance(route, (Mount, Route))]

  async def unknown(request: Request, error: Exception) -> Response:
    del error
    path = errors.quoted(request.url.path)
    return _error(404, f'there is nothing at {path}; known: {", ".join(paths)}')

  application = Starlette(routes=routes, exception_handlers={
      Refused: _refused, ClientDisconnect: _gone, 404: unknown, HTTPException: _refused_by_path,
      Exception: _failed})
  return Envelope(application, api.metrics, paths)


async def _left(request: Request) -> None:
  """Returns once the client is gone."""
  while True:
    message = await request.receive()
    if message['type'] == 'http.disconnect':
      return


async def _refused(request: Request, error: Exception) -> Response:
  del request
  assert isinstance(error, Refused)
  response = _error(error.status, str(error))
  if error.retry_after is not None:
    response.headers['Retry-After'] = str(error.retry_after)
  return response


async def _gone(request: Request, error: Exception) -> Response:
  del request, error
  return _error(_CLIENT_IS_GONE, 'the client is gone')


async def _refused_by_path(request: Request, error: Exception) -> Response:
  assert isinstance(error, HTTPException)
  response = _error(error.status_code, f'{request.method} is not possible here: {error.detail}')
  response.headers.update(error.headers or {})
  return response


async def _failed(request: Request, error: Exception) -> Response:
  """Answers what no one expected; its trace is in the server's output."""
  del request
  return _error(500, f'the server failed ({type(error).__name__}); its output has the trace')


def _error(status: int, message: str) -> Response:
  return _json({'error': message}, status)


def _json(content: Any, status: int = 200) -> Response:
  return Response(formats.as_json(content), status, media_type=_JSON)
