"""What workers send each other in an evaluation, as bytes: NumPy's npz, JSON, no pickles."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tf_maskformer.evaluation import contributions
from tf_maskformer.tasks.sums import Counted

_IDS = 'example_ids'
_LOSSES = 'losses'
_DRAWN = 'drawn.'  # and the position of the image in the list
_SEPARATOR = '/'  # between the positions of evaluator and metric, and the name of an array
# Parts of a result that are not JSON.
_IMAGES = 'images'
_FILES = 'files'
_TEXT = 'text'


def pack_images(images: Sequence[Counted]) -> bytes:
  """Returns what images add."""
  arrays = {
      _IDS: np.array([image.example_id for image in images], np.int64),
      _LOSSES: np.array([image.loss for image in images], np.float64),
  }
  for k, image in enumerate(images):
    if image.drawn is not None:
      arrays[f'{_DRAWN}{k}'] = image.drawn
  of_first = images[0].contributions if images else []
  for e, of_evaluator in enumerate(of_first):
    for m in range(len(of_evaluator)):
      joined = contributions.join([image.contributions[e][m] for image in images])
      for name, values in joined.items():
        arrays[_SEPARATOR.join((str(e), str(m), name))] = values
  return _npz(arrays)


def unpack_images(data: bytes) -> list[Counted]:
  """Returns the images that `pack_images` was called with."""
  arrays = _arrays(data)
  ids = arrays[_IDS].tolist()
  losses = arrays[_LOSSES].tolist()
  by_metric: dict[tuple[int, int], dict[str, np.ndarray]] = {}
  for key, values in arrays.items():
    if _SEPARATOR in key:
      e, m, name = key.split(_SEPARATOR)
      by_metric.setdefault((int(e), int(m)), {})[name] = values
  columns = {place: contributions.split(joined) for place, joined in by_metric.items()}
  count = 1 + max((e for e, _ in columns), default=-1)
  images = []
  for k, (example_id, loss) in enumerate(zip(ids, losses)):
    of_evaluators = [[columns[place][k] for place in sorted(columns) if place[0] == e]
                     for e in range(count)]
    images.append(Counted(example_id, loss, of_evaluators, arrays.get(f'{_DRAWN}{k}')))
  return images


def pack_result(result: Mapping[str, Any]) -> bytes:
  """Returns the result of an evaluation, see `Scores.result`."""
  plain = {name: value for name, value in result.items() if name not in (_IMAGES, _FILES)}
  arrays = {_TEXT: np.frombuffer(json.dumps(plain).encode(), np.uint8)}
  for name, image in result[_IMAGES].items():
    arrays[_IMAGES + _SEPARATOR + name] = image
  for name, content in result[_FILES].items():
    arrays[_FILES + _SEPARATOR + name] = np.frombuffer(content, np.uint8)
  return _npz(arrays)


def unpack_result(data: bytes) -> dict[str, Any]:
  """Returns the result that `pack_result` was called with."""
  arrays = _arrays(data)
  result = json.loads(arrays.pop(_TEXT).tobytes())
  images = {}
  files = {}
  for key, values in arrays.items():
    kind, _, name = key.partition(_SEPARATOR)
    if kind == _IMAGES:
      images[name] = values
    else:
      files[name] = values.tobytes()
  return {**result, _IMAGES: images, _FILES: files}


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
  buffer = io.BytesIO()
  np.savez(buffer, **arrays)
  return buffer.getvalue()


def _arrays(data: bytes) -> dict[str, np.ndarray]:
  with np.load(io.BytesIO(data), allow_pickle=False) as file:
    return {name: file[name] for name in file.files}
