"""The file that describes a data set: YAML, of built-in data sets and of a user's alike.

    name: pets                    # default: that of the file, or of its folder
    classes:                      # a list of names is enough; ids then count from 0
    - {id: 1, name: cat, isthing: true, color: [220, 20, 60]}
    - {id: 2, name: dog, labels: [2, 3], aliases: [puppy]}
    - {id: 3, name: grass, isthing: false}
    void_labels: [255]
    ignored: [toy]
    splits:                       # where the data are; relative to the file
      train: {images: images/train, annotations: train.json}
      val: {images: images/val, annotations: val.json}

Imports no TensorFlow.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import yaml

from tf_maskformer import errors
from tf_maskformer.configs import limits
from tf_maskformer.configs import yaml_text
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet

NAME = 'data_set.yaml'  # of the copy next to records and in a run's folder
LARGEST = 2**23  # bytes; a class has about 80
_NODES = 10 * limits.SEGMENTS
_LARGEST_LABEL = 2**32 - 1  # of label images of 32 bits
_LONGEST_NAME = 200  # characters
_FIELDS = {field.name for field in dataclasses.fields(DataSet)}
_KEYS = _FIELDS | {'things_of', 'splits', 'task'}
_CLASS_KEYS = ('id', 'name', 'isthing', 'color', 'labels', 'aliases')
_SPLIT_KEYS = ('images', 'annotations')
TASKS = ('instance', 'panoptic', 'semantic')


class Lot(NamedTuple):
  """Where images and their annotations are.

  Attributes:
    images: folder; '': the annotations say it.
    annotations: file or folder.
  """
  images: str
  annotations: str


@dataclasses.dataclass(frozen=True)
class Description:
  """What a file says.

  Attributes:
    data_set: the classes and rules.
    task: what it is annotated for, one of `TASKS`, or ''.
    splits: where the data are, by split; empty where the file does not say.
  """
  data_set: DataSet
  task: str = ''
  splits: Mapping[str, Lot] = dataclasses.field(default_factory=dict)


def parse(text: str, path: str, get: Callable[[str], DataSet]) -> Description:
  """Returns what the text of a file says.

  Args:
    text: YAML.
    path: of the file, for messages; its stem is the name of a data set without one.
    get: returns the data set that `things_of` names.

  Raises:
    UserError: it is not YAML, a key is unknown, or a value is not what it must be.
  """
  try:
    content = yaml_text.load(text, _NODES)
  except yaml.YAMLError as e:
    mark = getattr(e, 'problem_mark', None)
    place = f', line {mark.line + 1}' if mark else ''
    problem = errors.one_line(str(getattr(e, 'problem', None) or e))
    raise errors.UserError(f'{path}{place}: not a YAML file of a data set: {problem}') from e
  if not isinstance(content, dict):
    raise errors.UserError(f'{path} does not describe a data set; it needs "classes: [...]"')
  for key in content:
    if key not in _KEYS:
      raise errors.unknown(f'{path}: key', str(key), sorted(_KEYS))
  data_set = _data_set(content, path, get)
  task = content.get('task', '')
  errors.require(
      task in ('', *TASKS),
      f'{path}: task is {errors.quoted(task)}; it is one of {", ".join(TASKS)}')
  return Description(data_set, task, _splits(content.get('splits'), path))


def is_description(path: str) -> bool:
  """Whether a file is YAML with classes: a description of a data set, not another tool's file."""
  if not path.endswith(('.yaml', '.yml')):
    return False
  from tf_maskformer.configs import override_files  # loads TensorFlow
  try:
    content = yaml_text.load(override_files.read_text(path, LARGEST, 'data set'), _NODES)
  except yaml.YAMLError:
    return False  # whoever reads it says why
  return isinstance(content, dict) and ('classes' in content or 'things_of' in content)


def _data_set(content: Mapping[str, Any], path: str, get: Callable[[str], DataSet]) -> DataSet:
  fields = {key: value for key, value in content.items() if key in _FIELDS}
  fields.setdefault('name', _default_name(path))
  _require_text(fields['name'], f'{path}: name')
  for key in ('train_examples', 'validation_examples'):
    errors.require(
        _is_whole(fields.get(key, 0), limits.INT32), f'{path}: {key} is not a whole number')
  if 'void_labels' in fields:
    fields['void_labels'] = _labels(fields['void_labels'], f'{path}: void_labels')
  elif fields.get('label_form') == 'colors':
    fields['void_labels'] = ()
  fields['ignored'] = _names(fields.get('ignored', []), f'{path}: ignored')
  things_of = content.get('things_of')
  if things_of is None:
    fields['classes'] = classes_of(content.get('classes'), path)
  else:
    errors.require('classes' not in fields, f'{path}: give classes or things_of, not both')
    _require_text(things_of, f'{path}: things_of')
    fields['classes'] = tuple(c for c in get(things_of).classes if c.isthing)
  return DataSet(**fields)


def _default_name(path: str) -> str:
  file = pathlib.PurePath(path)
  name = file.parent.name if file.name == NAME else file.stem
  return name[:_LONGEST_NAME] or 'data_set'


def classes_of(rows: object, source: str) -> tuple[Class, ...]:
  """Returns the classes of a list, in their order.

  Args:
    rows: names, or groups of `Class`'s fields, of which only the name must be given; not checked
      yet.
    source: the file, for messages.

  Raises:
    UserError: they are not such rows.
  """
  if not isinstance(rows, list) or not 0 < len(rows) <= limits.SEGMENTS:
    raise errors.UserError(
        f'{source}: classes is not a list of 1 to {limits.SEGMENTS} classes, names or groups')
  return tuple(_class_of(row, i, f'{source}, class {i}') for i, row in enumerate(rows))


def _class_of(row: Any, place: int, where: str) -> Class:
  """Returns the class of a row; `where` is for the message."""
  if isinstance(row, (str, int)) and not isinstance(row, bool):
    row = {'name': str(row)}
  if not isinstance(row, dict):
    raise errors.UserError(f'{where} is neither a name nor a group with a name')
  for key in row:
    if key not in _CLASS_KEYS:
      raise errors.unknown(f'{where}: key', str(key), _CLASS_KEYS)
  number: Any = row.get('id', place)
  isthing: Any = row.get('isthing', True)
  color: Any = row.get('color', list(descriptor.color(place, str(row.get('name')))))
  errors.require(
      _is_whole(number, limits.INT32), f'{where}: id is not a whole number in 0 .. {limits.INT32}')
  _require_text(row.get('name'), f'{where}: name')
  errors.require(
      isinstance(isthing, (bool, int)) and isthing in (0, 1),
      f'{where}: isthing is neither true nor false')
  errors.require(
      _is_color(color), f'{where}: color is not [red, green, blue], each in 0 .. 255')
  return Class(
      id=number,
      name=row['name'],
      isthing=bool(isthing),
      color=tuple(color),
      labels=_labels(row.get('labels', []), f'{where}: labels'),
      aliases=_names(row.get('aliases', []), f'{where}: aliases'))


def _labels(values: Any, where: str) -> tuple[int, ...]:
  """Returns values of label images; a color [red, green, blue] becomes one number."""
  errors.require(isinstance(values, list), f'{where} is not a list')
  found = []
  for value in values:
    if _is_color(value):
      value = value[0] + 256 * value[1] + 65536 * value[2]
    errors.require(
        _is_whole(value, _LARGEST_LABEL),
        f'{where} holds something that is neither a whole number in 0 .. {_LARGEST_LABEL} nor '
        '[red, green, blue]')
    found.append(value)
  return tuple(found)


def _names(values: Any, where: str) -> tuple[str, ...]:
  errors.require(isinstance(values, list), f'{where} is not a list of names')
  for value in values:
    _require_text(value, where)
  return tuple(values)


def _splits(content: Any, path: str) -> dict[str, Lot]:
  """Returns where the data are; paths that are not absolute become relative to the file."""
  if content is None:
    return {}
  errors.require(
      isinstance(content, dict) and content != {},
      f'{path}: splits is not a group such as train: {{images: ..., annotations: ...}}')
  folder = path.rpartition('/')[0]
  lots = {}
  for name, places in content.items():
    where = f'{path}: splits.{name}'
    errors.require(
        isinstance(places, dict) and set(places) == set(_SPLIT_KEYS),
        f'{where} is not a group of images and annotations')
    for key in _SPLIT_KEYS:
      _require_text(places[key], f'{where}.{key}', limits.PATH)
    lots[name] = Lot(*(_below(folder, places[key]) for key in _SPLIT_KEYS))
  return lots


def _below(folder: str, path: str) -> str:
  is_absolute = path.startswith('/') or '://' in path
  return path if is_absolute or not folder else f'{folder}/{path}'


def _require_text(value: Any, where: str, longest: int = _LONGEST_NAME) -> None:
  errors.require(
      isinstance(value, str) and 0 < len(value) <= longest,
      f'{where} is not text of 1 to {longest} characters')


def _is_color(value: Any) -> bool:
  return isinstance(value, list) and len(value) == 3 and all(_is_whole(c, 255) for c in value)


def _is_whole(value: object, highest: int) -> bool:
  return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest


def text_of(data_set: DataSet, task: str = '') -> str:
  """Returns the text of a file that `parse` turns into this data set, all fields written out."""
  lines = []
  for field in dataclasses.fields(data_set):
    value = getattr(data_set, field.name)
    if field.name != 'classes':
      lines.append(f'{field.name}: {_flow(list(value) if isinstance(value, tuple) else value)}')
  if task:
    lines.append(f'task: {task}')
  lines.append('classes:')
  lines += [f'- {_flow(_row_of(c))}' for c in data_set.classes]
  return '\n'.join(lines) + '\n'


def _row_of(c: Class) -> dict[str, Any]:
  row: dict[str, Any] = {'id': c.id, 'name': c.name, 'isthing': c.isthing, 'color': list(c.color)}
  if c.labels:
    row['labels'] = list(c.labels)
  if c.aliases:
    row['aliases'] = list(c.aliases)
  return row


def _flow(value: Any) -> str:
  """Returns a value as YAML on one line."""
  text = yaml.safe_dump(
      value, default_flow_style=True, sort_keys=False, width=float('inf'), allow_unicode=True)
  return text.strip().removesuffix('...').strip()
