"""Pascal VOC's layout with classes of one's own, also as CVAT exports it (labelmap.txt).

JPEGImages, SegmentationClass (indices or colors of classes), SegmentationObject (the objects of an
image) and the lists of ImageSets/Segmentation.
"""

import dataclasses
import os
import posixpath
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs import override_files
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation import semantic
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.dataloaders.preparation.custom import label_meaning
from tf_maskformer.dataloaders.preparation.custom import label_scan
from tf_maskformer.dataloaders.preparation.custom import numbered
from tf_maskformer.dataloaders.preparation.custom import pairs
from tf_maskformer.dataloaders.preparation.custom import splits
from tf_maskformer.dataloaders.preparation.custom.found import WHOLE
from tf_maskformer.dataloaders.preparation.custom.found import Found
from tf_maskformer.dataloaders.preparation.custom.found import Request
from tf_maskformer.dataloaders.preparation.custom.label_meaning import Meaning
from tf_maskformer.dataloaders.preparation.custom.label_scan import Scan
from tf_maskformer.dataloaders.preparation.custom.numbered import Kind
from tf_maskformer.errors import UserError

_IMAGES = 'JPEGImages'
_CLASSES = 'SegmentationClass'
_OBJECTS = 'SegmentationObject'
_LISTS = 'ImageSets/Segmentation'
_LABEL_MAP = 'labelmap.txt'
_LARGEST = 2**20  # bytes of the label map
_BORDER = (224, 224, 192)  # VOC's color of void
_VOID = 255  # VOC's index of void


@dataclasses.dataclass(frozen=True)
class VocPairs(source.Source):
  """One split, semantic.

  Attributes:
    images: folder.
    labels: folder SegmentationClass.
    data_set: see `catalog.get`.
    names: list of the images' names without ending; '': all.
  """
  images: str
  labels: str
  data_set: str
  names: str = ''

  def rows(self) -> list[dict[str, Any]]:
    """Returns dicts of 'id', 'file_name' and 'label'; of the list, those that have a label."""
    found = pairs.find(self.images, self.labels).pairs
    listed = set(splits.read_list(self.names)) if self.names else set()
    return [
        {'id': pair.id, 'file_name': pair.image, 'label': pair.label} for pair in found
        if not self.names or not listed.isdisjoint(_names_of(pair.id))]

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`."""
    file = image_files.read(posixpath.join(self.images, row['file_name']))
    form = catalog.get(self.data_set).label_form
    label = label_images.read(posixpath.join(self.labels, row['label']), file.size, form)
    classes = label_images.classes_of(label, self.data_set, row['label'])
    return semantic.of_classes(file, row, classes)

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    state = source.folder_state(self.labels)
    return state + source.file_state(self.names) if self.names else state


@dataclasses.dataclass(frozen=True)
class VocObjects(VocPairs):
  """One split of instances.

  Attributes:
    objects: folder SegmentationObject; a value, or a color, is an object of an image.
  """
  objects: str = ''

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`.

    An object is of the class that most of its pixels have; pixels of a class without an object are
    a group that is not told apart.
    """
    file = image_files.read(posixpath.join(self.images, row['file_name']))
    data_set = catalog.get(self.data_set)
    label = label_images.read(
        posixpath.join(self.labels, row['label']), file.size, data_set.label_form)
    objects = _object_numbers(posixpath.join(self.objects, row['label']), file.size)
    classes = np.full(label.shape, -1, np.int64)
    for value in np.unique(label).tolist():
      classes[label == value] = data_set.class_of_label.get(value, -1)
    numbers, kind_of = _numbers(objects, classes)
    void = np.isin(label, data_set.void_labels)
    return numbered.of_numbers(file, row, numbers, kind_of, void)

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return super().annotations_state() + source.folder_state(self.objects)


def _object_numbers(path: str, size: tuple[int, int]) -> np.ndarray:
  """Returns the objects of an image, integers [height, width], 0 where there is none."""
  try:
    objects = label_images.read(path, size)
    return np.where(objects == _VOID, 0, objects)
  except label_images.HasColors:
    objects = label_images.read(path, size, 'colors')
    return np.where(objects == _number_of(_BORDER), 0, objects)


def _numbers(objects: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, dict[int, Kind]]:
  """Returns a number per instance or group, 0 where there is none, and what each number is.

  Args:
    objects: [height, width], 0 where there is none.
    classes: of the same pixels, contiguous; -1 where there is none.
  """
  numbers = np.zeros(objects.shape, np.int64)
  kind_of = {}
  for value in np.unique(objects[objects > 0]).tolist():
    mask = objects == value
    votes = np.bincount(classes[mask & (classes >= 0)])
    if votes.size:
      numbers[mask] = value
      kind_of[value] = Kind(int(votes.argmax()))
  alone = (objects == 0) & (classes >= 0)
  for class_id in np.unique(classes[alone]).tolist():
    numbers[alone & (classes == class_id)] = -1 - class_id
    kind_of[-1 - class_id] = Kind(class_id, is_crowd=True)
  return numbers, kind_of


def recognize(request: Request) -> Found | None:
  """Returns what a folder in VOC's layout holds; None where it is not one.

  Raises:
    UserError: a part is missing, or it is not clear what a value means.
  """
  root = request.annotations.rstrip('/')
  if posixpath.basename(root) == _CLASSES:
    root = posixpath.dirname(root)
  labels = posixpath.join(root, _CLASSES)
  objects = posixpath.join(root, _OBJECTS)
  if not tf.io.gfile.isdir(labels):
    return None
  if request.task == 'panoptic':
    raise UserError(f"{root} has VOC's layout, which is not panoptic; give --task semantic or "
                    'instance')
  images = _images(request, root)
  if request.task == 'instance' and not tf.io.gfile.isdir(objects):
    raise UserError(f'{root} has no {_OBJECTS}, so that instances are not told apart; give --task '
                    'semantic')
  found = pairs.find(images, labels)
  names = [pair.label for pair in found.pairs]
  scan, meaning = _meaning(request, root, labels, names)
  classes = meaning.classes
  if request.task == 'instance':
    classes = tuple(dataclasses.replace(c, isthing=True) for c in classes if not _is_background(c))
    errors.require(bool(classes), f'{root} has no class but background')
  data_set = DataSet('voc', classes, label_form=scan.form, void_labels=meaning.void)
  lists = _lists(root)

  def source_of(names: str) -> Callable[[str], source.Source]:
    if request.task == 'instance':
      return lambda path: VocObjects(images, labels, path, names, objects)
    return lambda path: VocPairs(images, labels, path, names)

  said = [*found.said(), *meaning.said]
  known = {name for pair in found.pairs for name in _names_of(pair.id)}
  for split, path in lists.items():
    if path:
      missing = [name for name in splits.read_list(path) if name not in known]
      alone = f'; {len(missing)} of them have no label ({missing[0]})' if missing else ''
      said.append(f'{split}: the images of {path}{alone}')
  return Found(
      "Pascal VOC's layout", request.task or 'semantic', data_set,
      {split: source_of(names) for split, names in lists.items()}, tuple(said))


def _names_of(pair_id: str) -> tuple[str, str]:
  """Returns the names by which a list may call an image."""
  return pair_id, posixpath.basename(pair_id)


def _images(request: Request, root: str) -> str:
  """Returns the folder of images."""
  given = request.images.rstrip('/')
  if given not in ('', root, request.annotations.rstrip('/')):
    below = posixpath.join(given, _IMAGES)
    return below if tf.io.gfile.isdir(below) else given
  images = posixpath.join(root, _IMAGES)
  if not tf.io.gfile.isdir(images):
    raise UserError(f"{root} has VOC's layout, but no {_IMAGES}; give --images, the folder of the "
                    'images')
  return images


def _lists(root: str) -> dict[str, str]:
  """Returns the path of the list of each split; of images that are not split one list, or ''."""
  found = {}
  for path in sorted(tf.io.gfile.glob(posixpath.join(root, _LISTS, '*.txt'))):
    name = os.path.splitext(posixpath.basename(path))[0]
    if tf.io.gfile.stat(path).length:
      found[pairs.split_of(f'{name.lower()}/')] = path
  found.pop('', None)
  if 'train' in found and len(found) > 1:
    return found
  return {WHOLE: ''}


def _meaning(request: Request, root: str, labels: str, names: list[str]) -> tuple[Scan, Meaning]:
  """Returns what the values or colors of SegmentationClass mean."""
  label_map = posixpath.join(root, _LABEL_MAP)
  if request.classes or request.binary or not tf.io.gfile.exists(label_map):
    scan = label_scan.scan(labels, names, request.label_form, workers=request.workers)
    return scan, label_meaning.of(scan, request)
  classes = _read_label_map(label_map)
  scan = label_scan.scan(labels, names, 'colors', workers=request.workers)
  void = set(request.void)
  known = {label for c in classes for label in c.labels}
  if scan.values.keys() <= known | {_number_of(_BORDER)}:
    void |= {_number_of(_BORDER)} - known
  elif not known & scan.values.keys() - {0}:  # indices, as Datumaro writes them on demand
    classes = [dataclasses.replace(c, labels=()) for c in classes]
    scan = label_scan.scan(labels, names, 'values', workers=request.workers)
  asked = dataclasses.replace(
      request, classes=tuple(classes), void=tuple(sorted(void)), annotations=labels)
  meaning = label_meaning.of(scan, asked)
  said = (f'classes and their colors are those of {label_map}', *meaning.said)
  return scan, meaning._replace(said=said)


def _read_label_map(path: str) -> list[Class]:
  """Returns the classes of a file of lines `name:red,green,blue:parts:actions`."""
  classes: list[Class] = []
  for i, line in enumerate(override_files.read_text(path, _LARGEST, 'label map').splitlines()):
    text = line.strip()
    if not text or text.startswith('#'):
      continue
    name, _, rest = text.partition(':')
    channels = rest.partition(':')[0].split(',')
    is_color = len(channels) == 3 and all(
        channel.strip().isdecimal() and int(channel) <= 255 for channel in channels)
    errors.require(
        bool(name) and is_color,
        f'{path}, line {i + 1}: not name:red,green,blue with 0 .. 255 each')
    red, green, blue = (int(channel) for channel in channels)
    color = (red, green, blue)
    is_thing = descriptor.plain(name) != label_meaning.BACKGROUND
    classes.append(Class(len(classes), name, is_thing, color, labels=(_number_of(color),)))
  errors.require(bool(classes), f'{path} names no class')
  return classes


def _number_of(color: tuple[int, int, int]) -> int:
  red, green, blue = color
  return red + 256 * green + 65536 * blue


def _is_background(c: Class) -> bool:
  return descriptor.plain(c.name) == label_meaning.BACKGROUND or 0 in c.labels
