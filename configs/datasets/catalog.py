"""The known data sets, one row each. Nothing else asks for a data set's name."""

import functools
import pathlib

from tf_maskformer import errors
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets.descriptor import DataSet

_LABEL_MAPS = pathlib.Path(__file__).parent / 'label_maps'

# Fields of `DataSet` by row; the classes are in label_maps/<name>.json, or are the things of
# another row.
_ROWS: dict[str, dict] = {
    'ade20k': {  # annotations/ as published
        'train_examples': 20210,
        'validation_examples': 2000,
        'label_rule': 'index + 1',
        'void_labels': (0,),
        'semantic_truth': 'labels',
    },
    'ade20k_full': {  # as MaskFormer's preparation writes them
        'train_examples': 25574,
        'validation_examples': 2000,
        'void_labels': (65535,),
    },
    'ade20k_instance': {
        'things_of': 'ade20k',
        'train_examples': 20210,
        'validation_examples': 2000,
    },
    'cityscapes': {  # *_labelIds.png; what is not a class is void
        'train_examples': 2975,
        'validation_examples': 500,
        'label_rule': 'id',
        'void_labels': (*range(34), 255),
        'instance_rule': 'cityscapes',
        'semantic_rule': 'cityscapes',
    },
    'cityscapes_instance': {
        'things_of': 'cityscapes',
        'train_examples': 2975,
        'validation_examples': 500,
        'instance_rule': 'cityscapes',
    },
    'coco_instance': {
        'things_of': 'coco_panoptic',
        'train_examples': 118287,
        'validation_examples': 5000,
    },
    'coco_panoptic': {
        'train_examples': 118287,
        'validation_examples': 5000,
    },
    'coco_stuff10k': {  # as MaskFormer's preparation writes them
        'train_examples': 9000,
        'validation_examples': 1000,
    },
    'mapillary': {  # labels/ as published
        'train_examples': 18000,
        'validation_examples': 2000,
        'void_labels': (65,),
        'semantic_truth': 'labels',
    },
    'pascal_voc': {  # SegmentationClass as published, background as a class
        'train_examples': 1464,
        'validation_examples': 1449,
    },
    'pascal_voc_instance': {
        'things_of': 'pascal_voc',
        'train_examples': 1464,
        'validation_examples': 1449,
    },
    'shapes_instance': {
        'things_of': 'shapes_panoptic',
    },
    'shapes_panoptic': {},
}


# Data sets that a checkpoint brought along, by name.
_added: dict[str, DataSet] = {}


def names() -> list[str]:
  """Returns the names of the built-in data sets, sorted."""
  return sorted(_ROWS)


def add(data_set: DataSet) -> DataSet:
  """Makes a data set known under its name until the process ends, and returns it.

  Raises:
    UserError: the name is that of another data set.
  """
  if data_set.name in _ROWS or _added.get(data_set.name, data_set) != data_set:
    raise errors.UserError(
        f'data set {data_set.name} is known with other classes; give the new one another name')
  _added[data_set.name] = data_set
  return data_set


def get(name: str) -> DataSet:
  """Returns a data set.

  Args:
    name: of its row, or of one that was added.

  Raises:
    UserError: the name is unknown.
  """
  if name in _added:
    return _added[name]
  return _built_in(name)


@functools.cache
def _built_in(name: str) -> DataSet:
  if name not in _ROWS:
    raise errors.unknown('data set', name, _ROWS)
  fields = dict(_ROWS[name])
  things_of = fields.pop('things_of', None)
  if things_of:
    classes = tuple(c for c in _built_in(things_of).classes if c.isthing)
  else:
    classes = descriptor.read_label_map(_LABEL_MAPS / f'{name}.json')
  return DataSet(name, classes, **fields)
