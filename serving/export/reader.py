"""Runs an exported ONNX or OpenVINO model without TensorFlow: from an image to its segments.

    python run.py IMAGE [IMAGE ...] --output FOLDER

    import run
    model = run.open_model('.')
    answer = model.predict(image)       # image: uint8 [height, width, 3], RGB

Needs numpy, pillow, and onnxruntime or openvino. It belongs into a folder with the model, its
metadata.json and fitting.py.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from PIL import ImageOps

if __package__:
  from tf_maskformer.serving.export import fitting
else:  # a copy in an exported folder
  import fitting  # type: ignore

METADATA = 'metadata.json'
ONNX_FILE = 'model.onnx'
OPENVINO_FILE = 'model.xml'
SCRIPT = 'run.py'  # what this file is called in an exported folder
_SHOWN_ABOVE = 0.5  # score of instances in the id map and in the overlay
_OPACITY = 0.55  # of the colors in the overlay
_BYTE = 256  # values of 8 bits
_LOGITS = ('class_logits', 'mask_logits')


class Problem(Exception):
  """What the user can fix, in one line."""


class Model:
  """An exported model; `OnnxModel` and `OpenvinoModel` run it.

  Attributes:
    metadata: what the folder's metadata.json says.
  """

  def __init__(self, folder: str | os.PathLike):
    path = pathlib.Path(folder) / METADATA
    try:
      self.metadata: dict[str, Any] = json.loads(path.read_text('utf-8'))
      self.names: list[str] = list(self.metadata['outputs'])
    except OSError as e:
      raise Problem(f'{path} cannot be read ({e.strerror})') from e
    except (ValueError, KeyError, TypeError) as e:
      raise Problem(f'{path} is damaged; export the model again') from e

  def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the outputs by name of uint8 [height, width, 3]; of a fixed size if the model is."""
    raise NotImplementedError

  def logits(self, image: np.ndarray) -> dict[str, np.ndarray]:
    """Returns what the answer of uint8 [height, width, 3] is made from, see `run`."""
    return {name: value for name, value in self.run(image).items() if name in _LOGITS}

  def predict(self, image: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the answer of an image at its own size.

    Args:
      image: uint8 [H, W, 3], RGB, of any size; a model of a fixed size sees it scaled and padded.

    Returns:
      panoptic: id_map int32 [H, W], 0 = void; classes int32 [q] and scores float32 [q] of the
        segments 1, 2, …, of which there are `count`.
      semantic: labels int32 [H, W], classes counted from 0.
      instance: classes int32 [n], scores float32 [n], masks uint8 [n, H, W], 1 = inside.
      raw: padded_size and image_size, int32 [2]: of the network's input, and of the image in its
        upper left corner.
      Of all of them mask_logits float32 [q, h, w] and, of a model with queries, class_logits
      float32 [q, classes + 1], the last being no-object.
    """
    size = self.metadata['input_size']
    if not size:
      return self.run(image)
    fitted, inner = fitting.fit(image, (size[0], size[1]))
    found = fitting.restore(self.run(fitted), inner, (image.shape[0], image.shape[1]))
    if 'image_size' in found:
      found['image_size'] = np.array(inner, np.int32)
    return found


class OnnxModel(Model):
  """An exported folder with a model.onnx, run by onnxruntime."""

  def __init__(self, folder: str | os.PathLike):
    super().__init__(folder)
    import onnxruntime
    path = pathlib.Path(folder) / ONNX_FILE
    try:
      self._session = onnxruntime.InferenceSession(
          os.fspath(path), providers=['CPUExecutionProvider'])
    except Exception as e:  # pylint: disable=broad-except
      raise Problem(f'{path} cannot be loaded ({_first_line(e)}); export the model again') from e

  def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
    """See `Model.run`."""
    return dict(zip(self.names, self._session.run(self.names, {'image': image})))


class OpenvinoModel(Model):
  """An exported folder with a model.xml and a model.bin, run by OpenVINO."""

  def __init__(self, folder: str | os.PathLike):
    super().__init__(folder)
    import openvino
    path = pathlib.Path(folder) / OPENVINO_FILE
    # By itself OpenVINO computes in bfloat16 where the processor can, in which sampling places are
    # too coarse.
    is_half = self.metadata.get('precision') == 'bfloat16'
    try:
      self._compiled = openvino.Core().compile_model(
          os.fspath(path), 'CPU', {'INFERENCE_PRECISION_HINT': 'bf16' if is_half else 'f32'})
    except Exception as e:  # pylint: disable=broad-except
      raise Problem(f'{path} cannot be loaded ({_first_line(e)}); export the model again') from e

  def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
    """See `Model.run`."""
    found = self._compiled({'image': image})
    return {name: np.array(found[name]) for name in self.names}


def open_model(folder: str | os.PathLike) -> Model:
  """Returns the model of an exported folder.

  Raises:
    Problem: there is no ONNX or OpenVINO model in it, or it cannot be loaded.
  """
  kinds = ((ONNX_FILE, OnnxModel, 'onnxruntime'), (OPENVINO_FILE, OpenvinoModel, 'openvino'))
  for name, kind, package in kinds:
    if (pathlib.Path(folder) / name).is_file():
      try:
        return kind(folder)
      except ImportError as e:
        raise Problem(f'{package} is not installed; run: python -m pip install {package}') from e
  raise Problem(f'{folder} holds neither {ONNX_FILE} nor {OPENVINO_FILE}')


def read_image(path: str | os.PathLike) -> np.ndarray:
  """Returns an image file as uint8 [height, width, 3], RGB, upright.

  Raises:
    Problem: it is not an image of 8 bits per channel.
  """
  try:
    with Image.open(path) as image:
      if image.mode.startswith(('I', 'F')):
        raise Problem(f'{path} has more than 8 bits per channel; convert it to 8 bits')
      return np.asarray(ImageOps.exif_transpose(image).convert('RGB'))
  except FileNotFoundError as e:
    raise Problem(f'image {path} does not exist') from e
  except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as e:
    raise Problem(f'{path} cannot be read as an image ({_first_line(e)})') from e


def segments_of(answer: Mapping[str, np.ndarray], metadata: Mapping[str, Any]
                ) -> tuple[np.ndarray, list[dict]]:
  """Returns an answer as an id map and its segments.

  Args:
    answer: see `Model.predict`; of a panoptic, semantic or instance model.
    metadata: of the model.

  Returns:
    int32 [H, W], 0 = void, and one dict for each segment: id (its pixels in the map), category_id
    (the data set's), category_name, isthing, area in pixels, bbox [left, top, width, height], score
    (not of a semantic model), and of an instance segmentation: the complete mask as COCO's
    uncompressed run lengths, of which others may hide a part in the map.
  """
  if 'labels' in answer:
    id_map = answer['labels'] + 1
    numbers = [int(n) for n in np.unique(id_map) if n > 0]
    return id_map, [_segment(n, n - 1, id_map == n, metadata) for n in numbers]
  if 'id_map' in answer:
    id_map = answer['id_map']
    present = np.unique(id_map)  # a model of a fixed size may find segments in the padding
    return id_map, [
        {**_segment(i + 1, answer['classes'][i], id_map == i + 1, metadata),
         'score': round(float(answer['scores'][i]), 4)}
        for i in range(int(answer['count'])) if i + 1 in present]
  id_map = np.zeros(answer['masks'].shape[1:], np.int32)
  segments: list[dict] = []
  for i in np.argsort(answer['scores'], kind='stable'):  # the best is on top
    mask = answer['masks'][i] > 0
    if answer['scores'][i] <= _SHOWN_ABOVE or not mask.any():
      continue
    row = _segment(len(segments) + 1, answer['classes'][i], mask, metadata)
    segments.append({
        **row, 'score': round(float(answer['scores'][i]), 4), 'segmentation': run_lengths(mask)})
    id_map[mask] = row['id']
  return id_map, segments


def _segment(number: int, class_id: int, mask: np.ndarray, metadata: Mapping[str, Any]) -> dict:
  """Returns what is known of a segment without its score."""
  category = metadata['classes'][int(class_id)]
  rows = np.flatnonzero(mask.any(axis=1))
  columns = np.flatnonzero(mask.any(axis=0))
  box = [0, 0, 0, 0]
  if rows.size:
    box = [int(columns[0]), int(rows[0]), int(columns[-1] - columns[0]) + 1,
           int(rows[-1] - rows[0]) + 1]
  return {'id': number, 'category_id': category['id'], 'category_name': category['name'],
          'isthing': category['isthing'], 'area': int(mask.sum()), 'bbox': box}


def run_lengths(mask: np.ndarray) -> dict:
  """Returns a mask, bool [H, W], as COCO's uncompressed run lengths: size and counts.

  The counts are those of zeros and ones by turns, zeros first, column after column.
  """
  values = mask.ravel(order='F')
  borders = np.flatnonzero(values[1:] != values[:-1]) + 1
  ends = np.concatenate([[0], borders, [values.size]])
  counts = np.diff(ends).tolist()
  return {'size': list(mask.shape), 'counts': [0, *counts] if values[0] else counts}


def overlay(image: np.ndarray, id_map: np.ndarray, segments: list[dict],
            metadata: Mapping[str, Any]) -> np.ndarray:
  """Returns the image with its segments in the colors of their classes, uint8 [H, W, 3]."""
  colors = {category['id']: category['color'] for category in metadata['classes']}
  colored = image.astype(np.float32)
  for segment in segments:
    inside = id_map == segment['id']
    colored[inside] += _OPACITY * (np.array(colors[segment['category_id']]) - colored[inside])
  border = np.zeros(id_map.shape, bool)
  border[1:] |= id_map[1:] != id_map[:-1]
  border[:, 1:] |= id_map[:, 1:] != id_map[:, :-1]
  colored[border] = 255
  return colored.round().astype(np.uint8)


def save(answer: Mapping[str, np.ndarray], image: np.ndarray, metadata: Mapping[str, Any],
         folder: str | os.PathLike, name: str) -> list[dict]:
  """Writes an answer: NAME.png, NAME_overlay.png and NAME.json; of a raw model NAME.npz.

  NAME.png holds the ids of the segments (id = R + 256 G + 65536 B); of a semantic model the class
  of each pixel, counted from 0. NAME.json is {'annotations': [a row of COCO's panoptic format]}.

  Returns:
    The segments, see `segments_of`; of a raw model none.
  """
  folder = pathlib.Path(folder)
  if metadata['task'] == 'raw':
    arrays: dict[str, Any] = dict(answer)
    np.savez(folder / f'{name}.npz', **arrays)
    return []
  id_map, segments = segments_of(answer, metadata)
  if 'labels' in answer:
    is_small = len(metadata['classes']) <= _BYTE
    values = answer['labels'].astype(np.uint8 if is_small else np.uint16)
    rows = [{**segment, 'id': segment['id'] - 1} for segment in segments]
  else:
    values = np.stack([id_map // _BYTE**i % _BYTE for i in range(3)], axis=-1).astype(np.uint8)
    rows = segments
  Image.fromarray(values).save(folder / f'{name}.png')
  Image.fromarray(overlay(image, id_map, segments, metadata)).save(folder / f'{name}_overlay.png')
  row = {'image_id': name, 'file_name': f'{name}.png', 'segments_info': rows}
  (folder / f'{name}.json').write_text(json.dumps({'annotations': [row]}), 'utf-8')
  return rows


def put_into(folder: str | os.PathLike) -> None:
  """Copies this file and what it needs into an exported folder."""
  for source, name in ((__file__, SCRIPT), (fitting.__file__, 'fitting.py')):
    shutil.copyfile(source, pathlib.Path(folder) / name)


def _first_line(error: BaseException) -> str:
  lines = [line.strip() for line in str(error).splitlines() if line.strip()]
  return lines[0][:200] if lines else type(error).__name__


def _run(arguments: argparse.Namespace) -> None:
  """Predicts the images that were named and says what was found."""
  model = open_model(pathlib.Path(__file__).resolve().parent)
  output = pathlib.Path(arguments.output)
  names = [pathlib.Path(path).stem for path in arguments.images]
  for name in names:
    if names.count(name) > 1:
      raise Problem(f'two images are named {name}; their results would overwrite each other')
  output.mkdir(parents=True, exist_ok=True)
  for path, name in zip(arguments.images, names):
    image = read_image(path)
    found = save(model.predict(image), image, model.metadata, output, name)
    listed = ', '.join(
        f'{row["category_name"]} {row["score"]:.2f}' if 'score' in row else row['category_name']
        for row in found)
    print(f'{path}: {listed or "nothing found"}', flush=True)
  print(f'answers of {len(arguments.images)} image(s): {output}')


def main() -> int:
  """Runs the program and returns its exit code."""
  parser = argparse.ArgumentParser(
      description='Predicts images with the model in the folder of this file.')
  parser.add_argument('images', nargs='+', metavar='IMAGE', help='image files')
  parser.add_argument('--output', required=True, metavar='FOLDER',
                      help='where NAME.png, NAME_overlay.png and NAME.json are written')
  try:
    _run(parser.parse_args())
  except Problem as e:
    print(f'error: {e}', file=sys.stderr)
    return 2
  except OSError as e:
    name = e.filename or 'the output'
    print(f'error: {name} cannot be written ({e.strerror})', file=sys.stderr)
    return 2
  return 0


if __name__ == '__main__':
  sys.exit(main())
