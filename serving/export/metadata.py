"""What an exported folder says about itself, `metadata.json`, and where such a folder is.

Imports no TensorFlow.
"""

import os
import pathlib
import zlib
from typing import Any

import tf_maskformer
from tf_maskformer import files
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.errors import UserError
from tf_maskformer.serving.export.plan import FORMATS
from tf_maskformer.serving.export.plan import TASKS
from tf_maskformer.serving.export.plan import Plan

NAME = 'metadata.json'
SAVED_MODEL_IN_TRITON = 'model.savedmodel'
_LIBRARY = 'tf_maskformer'  # the key of the version, by which the file is recognized
_KINDS = TASKS[:3]
_BLOCK = 2**20  # bytes that are read at a time


def classes_of(data_set: DataSet) -> list[dict[str, Any]]:
  """Returns the classes by contiguous number: dicts of id, name, isthing and color (RGB)."""
  return [{'id': c.id, 'name': c.name, 'isthing': c.isthing, 'color': list(c.color)}
          for c in data_set.classes]


def make(road: Any, plan: Plan, kind: str) -> dict[str, Any]:
  """Returns the content of an export's `metadata.json`.

  Args:
    road: a `road.Road`.
    plan: of the export.
    kind: what the experiment predicts, by which the logits of a 'raw' export are answered.
  """
  evaluation = road.loaded.experiment.task.evaluation
  size = road.input_size
  height, width = size or (None, None)
  can = plan.capability
  images = [None if can.answers_batches else 1] if can.has_batch_axis else []
  return {
      _LIBRARY: tf_maskformer.__version__,
      'experiment': road.loaded.name,
      'data_set': road.loaded.data_set.name,
      'format': plan.format,
      'task': plan.task,
      'kind': kind if plan.task == 'raw' else plan.task,
      'precision': plan.precision,
      'input': {
          'name': 'image', 'dtype': 'uint8', 'channels': 'RGB',
          'shape': [*images, height, width, 3], 'has_batch_axis': can.has_batch_axis},
      'input_size': list(size) if size else None,
      'resize': {'short_edge': road.short_edge, 'long_edge_limit': road.long_edge_limit},
      'size_divisor': road.divisor,
      'thresholds': {
          'object_mask_threshold': evaluation.object_mask_threshold,
          'overlap_threshold': evaluation.overlap_threshold,
          'confident_pixels_only': evaluation.confident_pixels_only,
          'instances_per_image': evaluation.instances_per_image},
      'has_class_logits': road.has_class_logits,
      'outputs': list(road.outputs),
      'outputs_have_batch_axis': can.answers_batches,
      'classes': classes_of(road.loaded.data_set),
  }


def find(source: str | os.PathLike) -> pathlib.Path | None:
  """Returns the exported folder that a path means; None where it is none.

  Args:
    source: the folder itself, or that of a model in the layout of TensorFlow Serving or Triton, of
      which the newest version is taken.
  """
  try:
    folder = pathlib.Path(source)
    if '://' in os.fspath(source) or not folder.is_dir():
      return None
    versions = sorted(
        (p for p in folder.iterdir() if p.name.isascii() and p.name.isdigit() and p.is_dir()),
        key=lambda p: int(p.name), reverse=True)
  except (OSError, ValueError):  # ValueError: a NUL in the path, or what is no UTF-8
    return None
  for place in (folder, *versions[:1]):
    for candidate in (place, place / SAVED_MODEL_IN_TRITON):
      if (candidate / NAME).is_file() and _is_ours(candidate / NAME):
        return candidate
  return None


def _is_ours(path: pathlib.Path) -> bool:
  """Whether a metadata.json is an export's; one that is damaged counts as one."""
  try:
    content = files.read_json(path)
  except UserError:
    return True
  return isinstance(content, dict) and _LIBRARY in content


def seal(folder: str | os.PathLike) -> None:
  """Notes size and checksum of every file of an export in its `metadata.json`.

  A file of weights that is cut off would end a process that maps it into its memory.
  """
  folder = pathlib.Path(folder)
  content = files.read_json(folder / NAME)
  assert isinstance(content, dict)
  found = {path.relative_to(folder).as_posix(): _checksum(path)
           for path in sorted(folder.rglob('*')) if path.is_file() and path.name != NAME}
  files.write_json(folder / NAME, {**content, 'files': found})


def check_files(folder: str | os.PathLike, content: dict[str, Any]) -> None:
  """Checks that the files of an export are those that were written.

  Raises:
    UserError: one is missing, cannot be read, or is another.
  """
  for name, expected in content['files'].items():
    path = pathlib.Path(folder) / name
    with files.reading(str(path)):
      found = _checksum(path)
    if found != expected:
      raise UserError(f'{path} is damaged; copy the folder again or export the model again')


def _checksum(path: pathlib.Path) -> list[int]:
  """Returns bytes and CRC-32 of a file."""
  checksum = 0
  with path.open('rb') as file:
    while block := file.read(_BLOCK):
      checksum = zlib.crc32(block, checksum)
  return [path.stat().st_size, checksum]


def read(folder: str | os.PathLike) -> dict[str, Any]:
  """Returns what an exported folder says about itself.

  Raises:
    UserError: the file cannot be read, or a value is missing or wrong.
  """
  path = pathlib.Path(folder) / NAME
  content = files.read_json(path)
  try:
    return _checked(content)
  except (KeyError, TypeError, ValueError) as e:
    raise UserError(
        f'{path} is damaged ({_why(e)}); export the model again') from e


def _why(error: Exception) -> str:
  return f'{error.args[0]!r} is missing' if isinstance(error, KeyError) else str(error)


def _checked(content: Any) -> dict[str, Any]:
  """Returns the content if its values are of the right kind.

  Raises:
    KeyError, TypeError, ValueError: they are not.
  """
  _require(isinstance(content, dict), 'it is not a JSON object')
  _require(content['format'] in FORMATS, f'format {content["format"]!r} is unknown')
  _require(content['task'] in TASKS, f'task {content["task"]!r} is unknown')
  _require(content['kind'] in _KINDS, f'kind {content["kind"]!r} is unknown')
  size = content['input_size']
  _require(size is None or _are_whole(size, 2), 'input_size is not a size')
  _require(_are_whole([content['resize'][k] for k in ('short_edge', 'long_edge_limit')], 2),
           'resize is not a pair of sizes')
  for key in ('object_mask_threshold', 'overlap_threshold'):
    _require(isinstance(content['thresholds'][key], (int, float)), f'{key} is not a number')
  _require(_are_whole([content['thresholds']['instances_per_image']], 1),
           'instances_per_image is not a number')
  _require(isinstance(content['thresholds']['confident_pixels_only'], bool),
           'confident_pixels_only is not true or false')
  _require(isinstance(content['data_set'], str), 'data_set is not a name')
  _require(isinstance(content['files'], dict), 'files is not a table')
  for name, row in content['files'].items():
    is_inside = not pathlib.PurePath(name).is_absolute() and '..' not in name.split('/')
    _require(is_inside and _are_whole(row, 2), 'a file of it is wrong')
  data_set_of(content)
  return content


def data_set_of(content: dict[str, Any]) -> DataSet:
  """Returns the data set with the classes that an export knows."""
  classes = []
  for row in content['classes']:
    red, green, blue = row['color']
    _require(_are_whole([row['id'], red, green, blue], 4), 'a class is not a row of numbers')
    _require(max(red, green, blue) < 256 and isinstance(row['name'], str), 'a class is wrong')
    classes.append(Class(row['id'], row['name'], bool(row['isthing']), (red, green, blue)))
  _require(bool(classes), 'there are no classes')
  try:
    return DataSet(content['data_set'], tuple(classes), label_rule='index')
  except UserError as e:
    raise ValueError(str(e)) from e


def _are_whole(values: Any, count: int) -> bool:
  """Whether these are so many whole numbers, 0 or more."""
  return isinstance(values, list) and len(values) == count and all(
      type(value) is int and value >= 0 for value in values)


def _require(holds: bool, message: str) -> None:
  if not holds:
    raise ValueError(message)
