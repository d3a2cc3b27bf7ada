"""What a data set is: its classes and the rules by which it is read and scored."""

import dataclasses
import functools
import json
import pathlib

from tf_maskformer.errors import UserError

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
      raise UserError(f'data set {self.name}: label_rule={self.label_rule!r} is unknown; '
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
  return classes_of(json.loads(path.read_text(encoding='utf-8')))


def classes_of(rows: list[dict]) -> tuple[Class, ...]:
  """Returns the classes of the rows of a label map, in their order; see `read_label_map`."""
  return tuple(
      Class(row['id'], row['name'], bool(row['isthing']), tuple(row['color'])) for row in rows)
