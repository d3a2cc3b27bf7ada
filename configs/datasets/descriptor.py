"""What a data set is: its classes and the rules by which it is read and scored."""

import dataclasses
import functools
import json
import pathlib
from typing import Any

from tf_maskformer import errors
from tf_maskformer.configs import limits

# How a pixel of a semantic label names a class.
LABEL_RULES = ('index', 'index + 1', 'id')


@dataclasses.dataclass(frozen=True)
class Class:
  """One class.

  Attributes:
    id: in the annotation files.
    name: for people.
    isthing: whether its instances are told apart.
    color: red, green, blue, 0 .. 255 each.
  """
  id: int
  name: str
  isthing: bool
  color: tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class DataSet:
  """A data set.

  Attributes:
    name: of the catalog's row.
    classes: in contiguous order, index = the model's class.
    train_examples: images in the published training split; 0 where it varies.
    validation_examples: images in the published validation split; 0 where it varies.
    label_rule: what a pixel of a semantic label is: 'index' of the class, 'index + 1', or its 'id'.
    void_labels: values of pixels that belong to no class.
    instance_rule: by whose rules AP is computed, 'coco' or 'cityscapes'.
    semantic_rule: by whose rules mIoU is computed, 'detectron2' or 'cityscapes'.
    semantic_truth: what the published mIoU of panoptic models is measured against: the panoptic
      'segments', or the 'labels', one label image per image whose pixels are classes.
  """
  name: str
  classes: tuple[Class, ...]
  train_examples: int = 0
  validation_examples: int = 0
  label_rule: str = 'index'
  void_labels: tuple[int, ...] = (255,)
  instance_rule: str = 'coco'
  semantic_rule: str = 'detectron2'
  semantic_truth: str = 'segments'

  def __post_init__(self):
    if self.label_rule not in LABEL_RULES:
      raise errors.UserError(f'data set {self.name}: label_rule={self.label_rule!r} is unknown; '
                      f'choose one of {", ".join(map(repr, LABEL_RULES))}')

  @property
  def num_classes(self) -> int:
    """Number of classes."""
    return len(self.classes)

  @functools.cached_property
  def thing_classes(self) -> frozenset[int]:
    """The model's classes that are things."""
    return frozenset(i for i, c in enumerate(self.classes) if c.isthing)

  @property
  def has_things_alone(self) -> bool:
    """Whether every class is a thing."""
    return len(self.thing_classes) == self.num_classes

  @functools.cached_property
  def class_of_label(self) -> dict[int, int]:
    """From a pixel of a semantic label to the model's class, -1 where it is void."""
    class_of = dict.fromkeys(self.void_labels, -1)
    for i, c in enumerate(self.classes):
      value = {'index': i, 'index + 1': i + 1, 'id': c.id}[self.label_rule]
      class_of[value] = i
    return class_of

  @functools.cached_property
  def contiguous_ids(self) -> dict[int, int]:
    """From a category id of the annotation files to the model's class."""
    return {c.id: i for i, c in enumerate(self.classes)}


def read_label_map(path: pathlib.Path) -> tuple[Class, ...]:
  """Returns the classes of a label map, in their order.

  Args:
    path: JSON, a list of {"id", "name", "isthing" (0 or 1), "color" ([red, green, blue])}.
  """
  return classes_of(json.loads(path.read_text(encoding='utf-8')), str(path))


def classes_of(rows: object, source: str) -> tuple[Class, ...]:
  """Returns the classes of the rows of a label map, in their order.

  Args:
    rows: see `read_label_map`; not checked yet.
    source: the file, for messages.

  Raises:
    UserError: they are not such rows, or two have the same id.
  """
  if not isinstance(rows, list) or not 0 < len(rows) <= limits.SEGMENTS:
    raise errors.UserError(
        f'{source} is not a label map: a list of 1 to {limits.SEGMENTS} classes')
  classes = []
  seen: set[int] = set()
  for place, row in enumerate(rows):
    one = _class_of(row, f'{source}, class {place}')
    if one.id in seen:
      raise errors.UserError(f'{source}, class {place}: id {one.id} is given twice')
    seen.add(one.id)
    classes.append(one)
  return tuple(classes)


def _class_of(row: Any, where: str) -> Class:
  """Returns the class of a row; `where` is for the message."""
  if not isinstance(row, dict):
    raise errors.UserError(f'{where} is not a group with id, name, isthing and color')
  values: list[Any] = [row.get(key) for key in ('id', 'name', 'isthing', 'color')]
  number, name, isthing, color = values
  errors.require(
      _is_whole(number, limits.INT32), f'{where}: id is not a whole number in 0 .. {limits.INT32}')
  errors.require(isinstance(name, str) and name != '', f'{where}: name is not text')
  errors.require(isthing in (0, 1), f'{where}: isthing is neither 0 nor 1')
  is_color = isinstance(color, list) and len(color) == 3 and all(_is_whole(c, 255) for c in color)
  errors.require(is_color, f'{where}: color is not [red, green, blue], each in 0 .. 255')
  return Class(number, name, bool(isthing), tuple(color))


def _is_whole(value: object, highest: int) -> bool:
  return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest
