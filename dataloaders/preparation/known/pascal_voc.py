"""Pascal VOC 2012 as its owners publish it: semantic, with background as a class, and instances.

Index k of SegmentationClass is a class, 0 background, 255 void: the borders of objects and what is
difficult. SegmentationObject numbers the objects of an image, with the same void.
"""

import dataclasses
import posixpath
from typing import Any

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.dataloaders.preparation.known import download
from tf_maskformer.dataloaders.preparation.known import numbered
from tf_maskformer.dataloaders.preparation.known.download import Listed
from tf_maskformer.dataloaders.preparation.known.download import Part
from tf_maskformer.dataloaders.preparation.known.download import Wanted
from tf_maskformer.dataloaders.preparation.known.numbered import Numbered
from tf_maskformer.dataloaders.preparation.semantic import SemanticFolders

_BELOW = ('VOC2012', 'VOCdevkit/VOC2012', 'VOCtrainval_11-May-2012/VOCdevkit/VOC2012')
_IMAGES = 'JPEGImages'
_CLASSES = 'SegmentationClass'
_OBJECTS = 'SegmentationObject'
_LISTS = 'ImageSets/Segmentation'
_OWN_LISTS = ('train', 'val', 'trainval')
_ORIGIN = 'VOCtrainval_11-May-2012.tar of host.robots.ox.ac.uk/pascal/VOC/voc2012'
_MORE_CLASSES = 'SegmentationClassAug'  # the labels of SBD, as PNGs like VOC's
_SBD_ORIGIN = (
    "the lists of SBD need its labels as PNGs of VOC's classes in SegmentationClassAug, and have "
    'no instances')
_VOID = 255


@dataclasses.dataclass(frozen=True)
class VocSemantic(Listed, SemanticFolders):
  """One split of 21 classes."""


@dataclasses.dataclass(frozen=True)
class VocInstances(Listed):
  """One split of 20 things; the labels are SegmentationObject.

  Attributes:
    classes: folder SegmentationClass.
    skip_empty: whether images without an instance are left out.
  """
  classes: str = ''
  skip_empty: bool = False

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`."""
    file = image_files.read(self.image_path(row))
    objects = label_images.read(self.label_path(row), file.size)
    classes = label_images.read(posixpath.join(self.classes, row['label']), file.size)
    data_set = catalog.get(self.data_set)
    found, num_mixed = _objects(objects, classes, data_set, row['label'])
    if self.skip_empty and not found:
      raise UnusableImage(source.NOTHING_TO_TRAIN_ON)
    instances = [numbered.as_coco(i, data_set.classes[i.class_id].id) for i in found]
    if num_mixed:
      remark = f'{num_mixed} objects of several classes, taken for the one of most pixels'
      file.remarks.append(remark)
    return coco_instances.record_of({**row, 'instances': instances}, file, self.data_set)

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return super().annotations_state() + source.folder_state(self.classes)


def _objects(objects: np.ndarray, classes: np.ndarray, data_set: DataSet, name: str
             ) -> tuple[list[Numbered], int]:
  """Returns the objects of an image, and how many have pixels of several classes.

  Args:
    objects: numbers, [height, width].
    classes: ids of classes, [height, width].
    data_set: of the things.
    name: of the label, for messages.

  Raises:
    UnusableImage: an object has no class.
  """
  found = []
  num_mixed = 0
  for number in np.unique(objects).tolist():
    if number in (0, _VOID):
      continue
    mask = objects == number
    ids, counts = np.unique(classes[mask], return_counts=True)
    is_thing = np.isin(ids, list(data_set.contiguous_ids))
    if not is_thing.any():
      raise UnusableImage(f'{name}: object {number} has no class in {_CLASSES}')
    most = int(ids[is_thing][counts[is_thing].argmax()])
    num_mixed += int(is_thing.sum() > 1)
    found.append(Numbered(number, data_set.contiguous_ids[most], mask))
  return found, num_mixed


def sources(wanted: Wanted) -> dict[str, Listed]:
  """Returns the source of each split.

  Args:
    wanted: the root is the folder VOC2012, or one that holds it, or VOCdevkit; lists are those of
      ImageSets/Segmentation.

  Raises:
    UserError: a part of the download is missing.
  """
  root = download.locate(wanted.root, _IMAGES, _BELOW)
  folders = [_IMAGES, _CLASSES]
  if wanted.task == 'instance':
    folders.append(_OBJECTS)
  download.require(root, [Part(folder, _ORIGIN) for folder in folders])
  return {split: _source(root, split, wanted) for split in wanted.splits}


def _source(root: str, split: str, wanted: Wanted) -> Listed:
  list_name = wanted.lists.get(split, split)
  is_own = list_name in _OWN_LISTS
  origin = _ORIGIN if is_own else f'SBD (it is not part of VOC itself: {_SBD_ORIGIN})'
  list_file = f'{_LISTS}/{list_name}.txt'
  download.require(root, [Part(list_file, origin)])

  def below(folder: str) -> str:
    return posixpath.join(root, folder)

  fields = {
      'images': below(_IMAGES),
      'data_set': wanted.data_set,
      'list_file': below(list_file),
      'label_origin': f'they come from {_ORIGIN}' if is_own else _SBD_ORIGIN,
  }
  if wanted.task == 'instance':
    return VocInstances(
        labels=below(_OBJECTS), classes=below(_CLASSES), skip_empty=split == 'train', **fields)
  has_more = not is_own and tf.io.gfile.isdir(below(_MORE_CLASSES))
  return VocSemantic(labels=below(_MORE_CLASSES if has_more else _CLASSES), **fields)
