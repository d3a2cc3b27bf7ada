"""The truth that predictions are scored against: annotation files, label images, or records."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import annotations
from tf_maskformer.dataloaders import coco_categories
from tf_maskformer.dataloaders import coco_json
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders import record_files
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.tasks.offline import id_maps
from tf_maskformer.tasks.offline import label_folder

PANOPTIC = 'panoptic'
INSTANCE = 'instance'
SEMANTIC = 'semantic'

IdMap = tuple[np.ndarray, list[dict[str, Any]]]  # and its segments


class Truth:
  """The annotations of some images.

  Attributes:
    data_set: the classes and rules.
    name: by which `catalog.get` knows them.
    description: what it is, for people.
    tasks: of `PANOPTIC`, `INSTANCE` and `SEMANTIC`, those that it is annotated for.
    images: (id as text, file name or '') of each image.
  """
  data_set: DataSet
  name: str
  description: str
  tasks: Sequence[str] = ()
  images: list[tuple[str, str]]

  def panoptic(self, key: str) -> IdMap:
    """Returns id map and segments of an image, as `PanopticQuality.update` takes them.

    Args:
      key: id of the image; so of the other methods.

    Raises:
      UnusableImage: the annotation cannot be used; so do the other methods.
      UserError: it cannot be read.
    """
    raise NotImplementedError

  def instances(self, key: str) -> tuple[tuple[int, int], list[dict[str, Any]]]:
    """Returns (height, width) and instances of an image, as `InstanceAP.update` takes them."""
    raise NotImplementedError

  def labels(self, key: str) -> np.ndarray:
    """Returns the classes of an image, integers [height, width], -1 = void."""
    raise NotImplementedError

  def instance_values(self, key: str) -> IdMap:
    """Returns instance map and values of an image, as `CityscapesIoU.update` takes them."""
    return np.zeros(self.labels(key).shape, np.int32), []

  def void(self, key: str) -> np.ndarray:
    """Returns the pixels that Cityscapes' AP does not count, bool [height, width]."""
    raise errors.UserError(
        f"{self.description}: Cityscapes' AP needs to know which pixels are void, which only "
        'records say; convert with tf-maskformer prepare cityscapes and give them as --truth')


class PanopticTruth(Truth):
  """A panoptic JSON and its PNGs."""
  tasks = (PANOPTIC, SEMANTIC)

  def __init__(self, path: str, data_set: str):
    self.name = data_set
    self.data_set = catalog.get(data_set)
    self._rows = _by_id(annotations.read_panoptic(path, data_set), path)
    self.images = [(key, row['file_name']) for key, row in self._rows.items()]
    first: dict[str, Any] = next(iter(self._rows.values()), {})
    self._folder = id_maps.folder_of(path, first.get('png'))
    self.description = f'COCO panoptic JSON {path}, PNGs in {self._folder}'

  def panoptic(self, key):
    """See `Truth`."""
    row = self._rows[key]
    annotations.require_usable(row)
    path = id_maps.path_in(self._folder, row['png'])
    return id_maps.segments(id_maps.read(path), row, self.data_set.contiguous_ids, path)

  def labels(self, key):
    """See `Truth`; of a pixel's segment, whether it is a crowd or not."""
    return _labels(*self.panoptic(key))


class InstanceTruth(Truth):
  """An instances JSON."""
  tasks = (INSTANCE,)

  def __init__(self, path: str, data_set: str, crowds_are_instances: bool):
    self.name = data_set
    self.data_set = catalog.get(data_set)
    self._path = path
    rows = annotations.read_instances(path, data_set)
    annotations.settle_crowds(rows, path, crowds_are_instances)
    self._rows = _by_id(rows, path)
    self.images = [(key, row['file_name']) for key, row in self._rows.items()]
    self.description = f'COCO instances JSON {path}'

  def instances(self, key):
    """See `Truth`."""
    row = self._rows[key]
    annotations.require_usable(row)
    size = (row['height'], row['width'])
    if None in size:
      raise UnusableImage('the JSON states no size of the image; add height and width')
    classes = self.data_set.contiguous_ids
    kept = [one for one in row['instances'] if one['category_id'] is not None]
    schema.require_masks_fit(len(kept), size)
    annotations.check_instances(kept, classes, row['file_name'])
    found = []
    for one in kept:
      mask = instance_masks.rasterize(one, size, self._path)
      found.append({
          'category_id': classes[one['category_id']],
          'iscrowd': bool(one['iscrowd']),
          'area': instance_masks.area_of(one, int(mask.sum())),
          'mask': mask,
      })
    return size, found


class LabelTruth(Truth):
  """A folder of label images."""
  tasks = (SEMANTIC,)

  def __init__(self, folder: str, data_set: str, suffix: str):
    self.name = data_set
    self.data_set = catalog.get(data_set)
    self._paths = label_folder.find(folder, suffix, '--truth')
    self.images = [(name, f'{name}.png') for name in self._paths]
    self.description = f'folder of label images {folder}'

  def labels(self, key):
    """See `Truth`."""
    return label_folder.read(self._paths[key], self.name)


class RecordTruth(Truth):
  """This project's records."""
  tasks = (PANOPTIC, INSTANCE, SEMANTIC)

  def __init__(self, pattern: str, data_set: str):
    self.name = data_set
    self.data_set = catalog.get(data_set)
    self._truth = GroundTruth(pattern, data_set)
    self._example_of = {self._truth.source_id(one): one for one in self._truth.example_ids}
    self.images = [(key, self._truth.file_name(one)) for key, one in self._example_of.items()]
    self.description = f'records {pattern}'

  def panoptic(self, key):
    """See `Truth`."""
    return self._truth[self._example_of[key]]

  def instances(self, key):
    """See `Truth`."""
    example_id = self._example_of[key]
    things = self.data_set.thing_classes
    rows = [row for row in self._truth.instances(example_id) if row['category_id'] in things]
    return self._truth.size(example_id), rows

  def labels(self, key):
    """See `Truth`."""
    return _labels(*self.panoptic(key))

  def instance_values(self, key):
    """See `Truth`."""
    example_id = self._example_of[key]
    return self._truth[example_id][0], self._truth.cityscapes_values(example_id)

  def void(self, key):
    """See `Truth`."""
    return self._truth.void(self._example_of[key])


def open_truth(path: str, data_set: str | None, suffix: str, crowds_are_instances: bool) -> Truth:
  """Returns the truth at a path.

  Args:
    path: a JSON file, a folder of label images, or a pattern of records.
    data_set: see `catalog.get`; None: the categories of the JSON, or the description next to the
      records.
    suffix: end of the names of label images.
    crowds_are_instances: whether instances marked as crowds are like any other.

  Raises:
    UserError: it is none of these, or its classes are not known.
  """
  if os.path.isdir(path):
    if data_set is None:
      raise errors.UserError(_no_classes(path, suffix))
    return LabelTruth(path, data_set, suffix)
  if not path.endswith('.json'):
    paths = record_files.match(path, '--truth')
    return RecordTruth(path, data_set or _description_next_to(paths[0]))
  content = coco_json.load(path, 'truth')
  rows = content.get('annotations') if isinstance(content, dict) else None
  is_panoptic = isinstance(rows, list) and any(
      isinstance(row, dict) and 'segments_info' in row for row in rows)
  data_set = data_set or catalog.add(_own_classes(content, path, is_panoptic)).name
  truth: Truth
  if is_panoptic:
    truth = PanopticTruth(path, data_set)
  else:
    truth = InstanceTruth(path, data_set, crowds_are_instances)
  if not truth.images:
    raise errors.UserError(f'--truth {path} holds no image')
  return truth


def _own_classes(content: Any, path: str, is_panoptic: bool) -> DataSet:
  """Returns a data set of the categories of a JSON, called by its path."""
  form = annotations.PANOPTIC_FORM if is_panoptic else annotations.INSTANCE_FORM
  if not isinstance(content, dict):
    raise coco_json.wrong_form('it is not an object with images and annotations', path, form)
  names = coco_categories.declared(content, path, form)
  is_thing = {row['id']: row.get('isthing') != 0 for row in content['categories']}
  classes = []
  for number, (category_id, name) in enumerate(names.items()):
    classes.append(Class(
        id=category_id,
        name=name or f'category {category_id}',
        isthing=not is_panoptic or is_thing.get(category_id, True),
        color=descriptor.color(number)))
  if not classes:
    raise coco_json.wrong_form("'categories' is empty", path, form)
  return DataSet(f'categories of {path}', tuple(classes))


def _description_next_to(path: str) -> str:
  """Returns the path of the description of a data set next to a file of records."""
  description = pathlib.Path(path).with_name(descriptor_file.NAME)
  if not description.is_file():
    raise errors.UserError(
        f'there is no {descriptor_file.NAME} next to {path}, so the classes of the records are '
        'not known; name the data set with --data_set')
  return str(description)


def _no_classes(folder: str, suffix: str) -> str:
  """Returns the message about a folder of labels whose classes are not named."""
  values = label_folder.values_in(folder, suffix, '--truth')
  shown = ', '.join(map(str, values[:12])) + (', …' if len(values) > 12 else '')
  return (f'--truth {folder} holds label images (values of the first ones: {shown}), which do not '
          'name their classes; give --data_set, a name or a YAML file such as '
          '"classes: [background, crack]"')


def _by_id(rows: list[dict[str, Any]], path: str) -> dict[str, dict[str, Any]]:
  """Returns the images of a JSON by id; raises UserError where an annotation is of none."""
  found = {}
  for row in rows:
    if 'height' not in row:
      raise errors.UserError(f'--truth {path}: {row["fault"]}; correct the JSON')
    found[coco_json.key_of(row['id'])] = row
  return found


def _labels(id_map: np.ndarray, segments: list[dict[str, Any]]) -> np.ndarray:
  """Returns the class of each pixel, -1 where there is no segment."""
  ids, inverse = np.unique(id_map, return_inverse=True)
  class_of = {segment['id']: segment['category_id'] for segment in segments}
  classes = np.array([class_of.get(int(one), -1) for one in ids])
  return classes[inverse].reshape(id_map.shape)
