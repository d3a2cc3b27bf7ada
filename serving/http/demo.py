"""What the page asks for beyond the API: its own files, samples, answers at other thresholds."""

import dataclasses
import mimetypes
import pathlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Mount
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from tf_maskformer.evaluation import drawing
from tf_maskformer.serving.http import formats
from tf_maskformer.serving.http import parameters
from tf_maskformer.serving.http.app import Api
from tf_maskformer.serving.http.formats import Answer
from tf_maskformer.serving.http.formats import Format
from tf_maskformer.serving.http.limits import Refused
from tf_maskformer.serving.http.thresholds import Thresholds

FOLDER = pathlib.Path(__file__).resolve().parent / 'page'
_JSON = 'application/json'


@dataclasses.dataclass(frozen=True)
class Sample:
  """An image to choose.

  Attributes:
    name: of its file.
    data: the file's bytes.
  """
  name: str
  data: bytes


class Keeper(Protocol):
  """Keeps what answers are made from, as `network.Network` does.

  Attributes:
    thresholds: of answers where a request does not say them.
  """
  thresholds: Thresholds

  def again(self, token: str, thresholds: Thresholds) -> Answer | None:
    """Returns an answer at other thresholds; None where it is no longer kept."""


def runs(id_map: np.ndarray) -> dict[str, list[int]]:
  """Returns an id map as runs of equal ids, row after row.

  A browser reads them exactly; the pixels of a PNG it may change, for privacy.

  Args:
    id_map: integers [height, width].

  Returns:
    ids and lengths, as many of each.
  """
  flat = id_map.ravel()
  starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
  lengths = np.diff(starts, append=flat.size)
  return {'ids': flat[starts].tolist(), 'lengths': lengths.tolist()}


def _for_page(answer: Answer) -> bytes:
  result = answer.result
  height, width = result.size
  rows = formats.segments(result)
  for row, color in zip(rows, drawing.colors_of(result.shown, result.classes)):
    row['color'] = color
    del row['segmentation']
  return formats.as_json({
      'token': answer.token, 'task': result.task, 'height': height, 'width': width,
      'segments': rows, 'runs': runs(result.id_map)})


FORMATS: dict[str, Format] = {**formats.FORMATS, 'page': Format(_JSON, _for_page)}


class Demo:
  """Answers what the page asks for."""

  def __init__(self, api: Api, keeper: Keeper, samples: Sequence[Sample]):
    """Makes the demo.

    Args:
      api: whose answers keep tokens.
      keeper: that they are of.
      samples: images to choose.
    """
    self._api = api
    self._keeper = keeper
    self._samples = samples

  def routes(self) -> list[BaseRoute]:
    """Returns what is answered where."""
    return [
        Route('/', self.page),
        Route('/kept/{token}', self.again),
        Route('/samples', self.samples),
        Route('/samples/{number:int}', self.sample),
        Mount('/page', StaticFiles(directory=FOLDER))]

  async def page(self, request: Request) -> Response:
    """Answers with the page."""
    del request
    return FileResponse(FOLDER / 'index.html')

  async def again(self, request: Request) -> Response:
    """Answers an earlier image at the thresholds `score` and `overlap`."""
    token = request.path_params['token']
    defaults = self._keeper.thresholds
    thresholds = Thresholds(
        parameters.share(request, 'score', defaults.score),
        parameters.share(request, 'overlap', defaults.overlap))

    def answer() -> Answer:
      found = self._keeper.again(token, thresholds)
      if found is None:
        raise Refused(410, 'the server has dropped this image for newer ones; send it again')
      return found

    return await self._api.answered(request, answer)

  async def samples(self, request: Request) -> Response:
    """Answers with the names of the samples and where they are."""
    del request
    rows: list[dict[str, Any]] = [
        {'name': sample.name, 'url': f'samples/{number}'}
        for number, sample in enumerate(self._samples)]
    return Response(formats.as_json(rows), media_type=_JSON)

  async def sample(self, request: Request) -> Response:
    """Answers with a sample's file."""
    number = request.path_params['number']
    if number >= len(self._samples):
      raise Refused(404, f'there are {len(self._samples)} samples, counted from 0')
    sample = self._samples[number]
    media_type = mimetypes.guess_type(sample.name)[0] or 'application/octet-stream'
    return Response(sample.data, media_type=media_type)
