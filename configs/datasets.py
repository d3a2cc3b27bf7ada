"""Facts of the data sets: one row each. Nothing else asks for a data set's name."""

import dataclasses
import functools
import json
import pathlib

from tf_maskformer import errors

_LABEL_MAPS = pathlib.Path(__file__).parent / 'label_maps'


@dataclasses.dataclass(frozen=True)
class Class:
  """One class: its id in the annotation files, name, whether a thing, color (R, G, B)."""
  id: int
  name: str
  isthing: bool
  color: tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class DataSet:
  """A data set.

  Attributes:
    name: the row's name.
    classes: in contiguous order, index = the model's class.
    train_examples: images in the published training split; 0 where it varies.
    validation_examples: images in the published validation split; 0 where it varies.
    label_rule: what a pixel of a semantic label is: 'index' of the class, 'index + 1', or its 'id'.
    void_labels: values of pixels that belong to no class.
    instance_rule: by whose rules AP is computed, 'coco' or 'cityscapes'.
    semantic_rule: by whose rules mIoU is computed, 'detectron2' or 'cityscapes'.
    semantic_truth: what the published mIoU of panoptic models is measured against: the panoptic
      'segments', or the 'labels', an image per image whose pixels are classes.
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

  @property
  def num_classes(self) -> int:
    return len(self.classes)

  @property
  def thing_classes(self) -> frozenset[int]:
    return frozenset(i for i, c in enumerate(self.classes) if c.isthing)

  @functools.cached_property
  def class_of_label(self) -> dict[int, int]:
    """From a pixel of a semantic label to the model's class, -1 where it is void."""
    value = {'index': lambda i, c: i, 'index + 1': lambda i, c: i + 1, 'id': lambda i, c: c.id}[self.label_rule]
    return dict.fromkeys(self.void_labels, -1) | {value(i, c): i for i, c in enumerate(self.classes)}

  @functools.cached_property
  def contiguous_ids(self) -> dict[int, int]:
    """From a category id of the annotation files to the model's class."""
    return {c.id: i for i, c in enumerate(self.classes)}


# Facts of each row, fields of `DataSet`; classes are in label_maps/<name>.json, or are the things of another row.
_ROWS = {
    'ade20k': dict(  # annotations/ as published
        train_examples=20210, validation_examples=2000, label_rule='index + 1', void_labels=(0,),
        semantic_truth='labels'),
    'ade20k_full': dict(  # as MaskFormer's preparation writes them
        train_examples=25574, validation_examples=2000, void_labels=(65535,)),
    'ade20k_instance': dict(things_of='ade20k', train_examples=20210, validation_examples=2000),
    'cityscapes': dict(  # *_labelIds.png; what is no class is void
        train_examples=2975, validation_examples=500, label_rule='id', void_labels=(*range(34), 255),
        instance_rule='cityscapes', semantic_rule='cityscapes'),
    'cityscapes_instance': dict(
        things_of='cityscapes', train_examples=2975, validation_examples=500, instance_rule='cityscapes'),
    'coco_instance': dict(things_of='coco_panoptic', train_examples=118287, validation_examples=5000),
    'coco_panoptic': dict(train_examples=118287, validation_examples=5000),
    'coco_stuff10k': dict(train_examples=9000, validation_examples=1000),  # as MaskFormer's preparation writes them
    'mapillary': dict(  # labels/ as published
        train_examples=18000, validation_examples=2000, void_labels=(65,), semantic_truth='labels'),
    'shapes_instance': dict(things_of='shapes_panoptic'),
    'shapes_panoptic': dict(),
}


def names() -> list[str]:
  """Returns the names of all data sets."""
  return sorted(_ROWS)


@functools.cache
def get(name: str) -> DataSet:
  """Returns a data set's row.

  Raises:
    UserError: the name is unknown.
  """
  if name not in _ROWS:
    raise errors.unknown('data set', name, _ROWS)
  facts = dict(_ROWS[name])
  whole = facts.pop('things_of', None)
  if whole:
    return DataSet(name, tuple(c for c in get(whole).classes if c.isthing), **facts)
  rows = json.loads((_LABEL_MAPS / f'{name}.json').read_text())
  classes = tuple(Class(r['id'], r['name'], bool(r['isthing']), tuple(r['color'])) for r in rows)
  return DataSet(name, classes, **facts)
