"""The forms of an answer: JSON, PNGs, COCO's results."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tf_maskformer.dataloaders import images
from tf_maskformer.errors import UserError
from tf_maskformer.serving import encoding
from tf_maskformer.serving.http.limits import Refused
from tf_maskformer.serving.result import Result

_JSON = 'application/json'
_PNG = 'image/png'
_IMAGE_ID = 'image'  # of COCO's results; a client knows its own


@dataclasses.dataclass(frozen=True)
class Answer:
  """What was predicted of an image.

  Attributes:
    result: the prediction.
    token: by which it can be asked for again; '': it is not kept.
  """
  result: Result
  token: str = ''


@dataclasses.dataclass(frozen=True)
class Format:
  """A form of answers.

  Attributes:
    media_type: of the bytes.
    encode: makes them.
  """
  media_type: str
  encode: Callable[[Answer], bytes]


def above(answer: Answer, threshold: float) -> Answer:
  """Returns an answer without the segments whose score is not above a threshold.

  Raises:
    Refused: its segments have no scores.
  """
  try:
    return dataclasses.replace(answer, result=answer.result.only(threshold=threshold))
  except UserError as e:
    raise Refused(400, str(e)) from e


def segments(result: Result) -> list[dict[str, Any]]:
  """Returns the segments of a result, in the terms of COCO's panoptic format and its results.

  Returns:
    Dicts of id (of the pixels in the id map), category_id (the data set's), category_name, isthing,
    score (None where there is none), area, bbox (left, top, width, height) and segmentation (size
    and counts, COCO's compressed run lengths).
  """
  return [
      {'id': s.id, 'category_id': s.category_id, 'category_name': s.label, 'isthing': s.is_thing,
       'score': s.score, 'area': s.area, 'bbox': list(s.box),
       'segmentation': encoding.runs_as_text(s.runs)}
      for s in result.segments]


def as_json(content: Any) -> bytes:
  """Returns the bytes of a JSON answer."""
  return json.dumps(content, separators=(',', ':'), ensure_ascii=False).encode('utf-8')


def _segments(answer: Answer) -> bytes:
  height, width = answer.result.size
  return as_json({'task': answer.result.task, 'height': height, 'width': width,
                  'segments': segments(answer.result)})


def _ids(answer: Answer) -> bytes:
  return images.encode(encoding.id_image(answer.result.id_map), 'PNG')


def _labels(answer: Answer) -> bytes:
  result = answer.result
  with_void = result.task != 'semantic'
  labels = encoding.label_image(result.labels, len(result.classes), with_void)
  if labels.dtype != np.uint8:
    return images.encode(labels, 'PNG')
  return encoding.palette_png(labels, {i: c.color for i, c in enumerate(result.classes)})


def _overlay(answer: Answer) -> bytes:
  return images.encode(np.asarray(answer.result.draw()), 'PNG')


def _coco(answer: Answer) -> bytes:
  return as_json(answer.result.to_coco(_IMAGE_ID))


FORMATS: dict[str, Format] = {
    'json': Format(_JSON, _segments),
    'ids': Format(_PNG, _ids),
    'labels': Format(_PNG, _labels),
    'overlay': Format(_PNG, _overlay),
    'coco': Format(_JSON, _coco),
}
_OF_MEDIA_TYPE = {_JSON: 'json', 'application/*': 'json', '*/*': 'json', _PNG: 'ids',
                  'image/*': 'ids'}


def wanted(name: str | None, accept: str | None, known: Mapping[str, Format]) -> Format:
  """Returns the form that a request asks for.

  Args:
    name: its parameter `format`, which comes first.
    accept: its header Accept; image/png means `ids`. Of several, that of the largest weight.
    known: all forms.

  Raises:
    Refused: it asks for another one.
  """
  if name is not None:
    if name not in known:
      raise Refused(400, f'format {name!r} is unknown; known: {", ".join(known)}')
    return known[name]
  best = max(_accepted(accept or '*/*'), default=None)
  if best is None:
    raise Refused(406, f'Accept {accept!r} means none of {_JSON} and {_PNG}; or name a format: '
                  f'{", ".join(known)}')
  return known[best[-1]]


def _accepted(accept: str) -> list[tuple[float, int, str]]:
  """Returns the forms that a header Accept names: weight, place from the end, name."""
  found = []
  for place, part in enumerate(accept.split(',')):
    media_type, _, parameters = part.partition(';')
    name = _OF_MEDIA_TYPE.get(media_type.strip().lower())
    weight = _weight(parameters)
    if name and weight > 0:
      found.append((weight, -place, name))
  return found


def _weight(parameters: str) -> float:
  """Returns the q among the parameters of a media type, 1 where it is missing or no number."""
  for parameter in parameters.split(';'):
    key, _, value = parameter.partition('=')
    if key.strip().lower() == 'q':
      try:
        return float(value)
      except ValueError:
        return 1.0
  return 1.0
