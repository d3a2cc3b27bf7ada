"""A server around a model that is made up, and requests to it."""

import contextlib
import http.client
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from PIL import Image

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.serving.http import formats
from tf_maskformer.serving.http.batching import Batcher
from tf_maskformer.serving.http.formats import Answer
from tf_maskformer.serving.http.limits import Limits
from tf_maskformer.serving.http.metrics import Metrics
from tf_maskformer.serving.result import Result

_REASON = "needs the extra: pip install 'tf-maskformer[serve]'"
app = pytest.importorskip('tf_maskformer.serving.http.app', reason=_REASON)
server = pytest.importorskip('tf_maskformer.serving.http.server', reason=_REASON)
service = pytest.importorskip('tf_maskformer.serving.http.service', reason=_REASON)

DATA_SET = catalog.get('shapes_panoptic')


def result_of(image: np.ndarray) -> Result:
  """Returns two segments: the left half is the first class, what is light of the rest the last."""
  height, width = image.shape[:2]
  id_map = np.zeros([height, width], np.int32)
  is_right = np.arange(width) >= width // 2
  id_map[:, ~is_right] = 1
  id_map[(image[..., 0] > 127) & is_right] = 2
  last = len(DATA_SET.classes) - 1
  segments = [{'id': 1, 'category_id': 0, 'isthing': DATA_SET.classes[0].isthing, 'score': 0.75}]
  if (id_map == 2).any():
    segments.append({'id': 2, 'category_id': last, 'isthing': DATA_SET.classes[last].isthing,
                     'score': 0.5})
  return Result('image', image, id_map, segments, DATA_SET, 'panoptic')


class Model:
  """A model that is made up.

  Attributes:
    batches: shapes of the images that it was given, a list a call.
    gate: while it is not set, nothing is answered.
  """

  def __init__(self):
    self.batches: list[list[tuple[int, ...]]] = []
    self.gate = threading.Event()
    self.gate.set()

  def predict(self, images: Sequence[np.ndarray]) -> Iterator[Answer]:
    self.batches.append([image.shape for image in images])
    assert self.gate.wait(60)
    for image in images:
      if image[0, 0, 0] == 66 and len(images) > 1:
        raise RuntimeError('not in a batch')
      if image[0, 0, 0] == 99:
        raise RuntimeError('never')
      yield Answer(result_of(image))


class Running:
  """A server that runs.

  Attributes:
    model: that it asks.
    metrics: of it.
    port: on 127.0.0.1.
  """

  def __init__(self, model: Model, metrics: Metrics, port: int, stop: Callable[[], None]):
    self.model = model
    self.metrics = metrics
    self.port = port
    self.stop = stop  # begins the end, as SIGTERM does

  def ask(self, method: str, path: str, body=None, headers=None):
    """Returns status, headers and body of an answer."""
    connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
    with contextlib.closing(connection):
      connection.request(method, path, body, headers or {})
      answer = connection.getresponse()
      return answer.status, answer.headers, answer.read()

  def refused(self, method: str, path: str, body=None, headers=None) -> tuple[int, str]:
    """Returns the status and the error of an answer, which must be one line of JSON."""
    status, kind, content = self.ask(method, path, body, headers)
    assert kind['Content-Type'] == 'application/json', content
    error = json.loads(content)
    assert list(error) == ['error'] and '\n' not in error['error'] and b'\n' not in content
    return status, error['error']

  def predict(self, image: np.ndarray, path='/predict', **headers):
    """Returns status, headers and body of an image's answer."""
    return self.ask('POST', path, png(image), headers)


@contextlib.contextmanager
def running(limits: Limits | None = None, batch_size: int = 4, routes=lambda api: (),
            known=formats.FORMATS, predict=None, thresholds=None) -> Iterator[Running]:
  """Yields a server; its end must come within seconds, and leave nothing unanswered."""
  limits = limits or Limits()
  model = Model()
  metrics = Metrics()
  batcher = Batcher(predict or model.predict, batch_size, metrics)
  batcher.start()
  facts = service.about('runs/made_up', 'panoptic', DATA_SET, limits, thresholds)
  api = app.Api(batcher, batch_size, facts, limits, metrics, known)
  started = threading.Event()
  made = server.make(app.build(api, routes(api)), limits, started.set)
  bound = server.bind('127.0.0.1', 0)
  thread = threading.Thread(target=server.run, args=(made, bound))
  thread.start()
  assert started.wait(30)

  def stop():
    made.should_exit = True

  try:
    yield Running(model, metrics, bound.getsockname()[1], stop)
  finally:
    model.gate.set()
    stop()
    thread.join(30)
    batcher.stop()
  assert not thread.is_alive()


def until(holds: Callable[[], bool]) -> None:
  """Waits until a condition holds."""
  for _ in range(1000):
    if holds():
      return
    time.sleep(0.01)
  pytest.fail('it does not come true')


def png(image: np.ndarray) -> bytes:
  """Returns an image as a PNG file."""
  return encoded(image, 'PNG')


def encoded(image: np.ndarray, file_format: str) -> bytes:
  """Returns an image as a file."""
  buffer = io.BytesIO()
  Image.fromarray(image).save(buffer, file_format)
  return buffer.getvalue()


def drawn(height: int = 30, width: int = 40, seed: int = 0) -> np.ndarray:
  """Returns an image, uint8 [height, width, 3]."""
  image = np.random.default_rng(seed).integers(0, 256, [height, width, 3], np.uint8)
  image[0, 0] = 0
  return image


def form(*files: tuple[str, bytes], boundary: str = 'b0undary') -> tuple[bytes, dict[str, str]]:
  """Returns the body and the headers of a form with files, by name of the field."""
  parts = [
      b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="a.png"\r\n\r\n%s\r\n' % (
          boundary.encode(), name.encode(), data) for name, data in files]
  body = b''.join(parts) + f'--{boundary}--\r\n'.encode()
  return body, {'Content-Type': f'multipart/form-data; boundary={boundary}'}
