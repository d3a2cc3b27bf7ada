"""A model behind an address, from the first image to the last."""

import pathlib
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from starlette.routing import BaseRoute

import tf_maskformer
from tf_maskformer import errors
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import images
from tf_maskformer.serving.http import app
from tf_maskformer.serving.http import formats
from tf_maskformer.serving.http import server
from tf_maskformer.serving.http.app import Api
from tf_maskformer.serving.http.batching import Batcher
from tf_maskformer.serving.http.batching import Predict
from tf_maskformer.serving.http.formats import Format
from tf_maskformer.serving.http.limits import Limits
from tf_maskformer.serving.http.metrics import Metrics

_WARM_UP = (64, 96, 3)  # shape of the first image


def about(source: str, task: str, data_set: DataSet, limits: Limits,
          thresholds: Mapping[str, float] | None = None) -> dict[str, Any]:
  """Returns what /model answers.

  Args:
    source: where the model is from.
    task: 'panoptic', 'instance' or 'semantic'.
    data_set: name and classes.
    limits: of requests.
    thresholds: that requests can set, with their defaults.
  """
  return {
      'version': tf_maskformer.__version__,
      'model': pathlib.PurePath(source).name or source,
      'task': task,
      'data_set': data_set.name,
      'classes': [
          {'id': c.id, 'name': c.name, 'isthing': c.isthing, 'color': list(c.color)}
          for c in data_set.classes],
      'limits': {'bytes': limits.body_bytes, 'pixels': images.max_pixels(),
                 'requests': limits.requests},
      'thresholds': dict(thresholds or {})}


def run(bound: socket.socket, predict: Predict, batch_size: int, facts: Mapping[str, Any],
        limits: Limits, known: Mapping[str, Format] = formats.FORMATS,
        routes: Callable[[Api], Sequence[BaseRoute]] = lambda api: ()) -> None:
  """Serves a model until a signal; what is accepted then is still answered.

  Args:
    bound: the address, of `server.bind`.
    predict: takes images and yields an `Answer` for each; see `Batcher`.
    batch_size: the largest number of images that it is given.
    facts: of `about`.
    limits: of requests.
    known: forms of answers.
    routes: more that is answered.

  Raises:
    UserError: the address was taken since.
  """
  metrics = Metrics()
  batcher = Batcher(predict, batch_size, metrics)
  batcher.start()
  try:
    batcher.submit(np.full(_WARM_UP, 128, np.uint8)).result()
    api = Api(batcher, batch_size, facts, limits, metrics, known)
    application = app.build(api, routes(api))
    where = server.url(bound)

    def say_where() -> None:
      errors.say(f'{where} is ready; Ctrl-C ends it')

    server.run(server.make(application, limits, say_where), bound)
  finally:
    batcher.stop()
  errors.say(f'ended; {metrics.requests.total()} requests were answered')
