"""ADE20K-150 as the scene parsing challenge publishes it: semantic, panoptic, instances.

Things are numbered in annotations_instance/, of the challenge of 2017: red is the thing's number
among the 100, counted from 1, green the instance's number in the image, 0 where there is none.
Source: Mask2Former, datasets/prepare_ade20k_{sem,pan,ins}_seg.py.
"""

import dataclasses
import posixpath
from typing import Any

import numpy as np

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.dataloaders.preparation.known import color_labels
from tf_maskformer.dataloaders.preparation.known import download
from tf_maskformer.dataloaders.preparation.known import numbered
from tf_maskformer.dataloaders.preparation.known.download import Part
from tf_maskformer.dataloaders.preparation.known.download import Wanted
from tf_maskformer.dataloaders.preparation.known.numbered import Numbered
from tf_maskformer.dataloaders.preparation.labeled_folders import LabeledFolders
from tf_maskformer.dataloaders.preparation.semantic import SemanticFolders

_FOLDER_OF = {'train': 'training', 'val': 'validation'}
_SITE = 'sceneparsing.csail.mit.edu'
_ORIGIN = f'ADEChallengeData2016.zip of {_SITE}'
_INSTANCE_ORIGIN = (
    f'annotations_instance.tar of {_SITE} (data/ChallengeData2017), to be unpacked next to '
    'annotations')


def read_instances(path: str, size: tuple[int, int], data_set: DataSet) -> list[Numbered]:
  """Returns the instances of a PNG of annotations_instance/, by number.

  Args:
    path: of the PNG.
    size: (height, width) of its image.
    data_set: whose things, in their order, are the 100 of the challenge.

  Raises:
    UnusableImage: the PNG cannot be read, has another size or other numbers, or an instance has
      several classes.
  """
  pixels = color_labels.read(path, size)
  things = sorted(data_set.thing_classes)
  things_of_pixels = pixels[:, :, 0]
  numbers = pixels[:, :, 1]
  found = []
  for number in np.unique(numbers[numbers > 0]).tolist():
    mask = numbers == number
    values = np.unique(things_of_pixels[mask]).tolist()
    if len(values) > 1:
      raise UnusableImage(f'{path}: instance {number} has several classes, {values[:5]}')
    if not 1 <= values[0] <= len(things):
      raise UnusableImage(
          f'{path}: instance {number} has the class {values[0]}, outside 1 to {len(things)}')
    found.append(Numbered(number, things[values[0] - 1], mask))
  return found


@dataclasses.dataclass(frozen=True)
class Ade20kInstances(LabeledFolders):
  """One split of the 100 things; the labels are annotations_instance/.

  Attributes:
    skip_empty: whether images without an instance are left out, as in the official training.
  """
  skip_empty: bool = False

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`."""
    file = image_files.read(self.image_path(row))
    data_set = catalog.get(self.data_set)
    found = read_instances(self.label_path(row), file.size, data_set)
    if self.skip_empty and not found:
      raise UnusableImage(source.NOTHING_TO_TRAIN_ON)
    instances = [numbered.as_coco(i, data_set.classes[i.class_id].id) for i in found]
    return coco_instances.record_of({**row, 'instances': instances}, file, self.data_set)


@dataclasses.dataclass(frozen=True)
class Ade20kPanoptic(LabeledFolders):
  """One split: stuff from annotations/, things from annotations_instance/, painted over it.

  Things without an instance are void. As in the official annotations, the area of stuff is that
  before things were painted over it; PQ counts with it.

  Attributes:
    instances: folder annotations_instance/.
    with_instances: whether the records also hold the instances, which AP is measured against.
  """
  instances: str = ''
  with_instances: bool = False

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`."""
    file = image_files.read(self.image_path(row))
    data_set = catalog.get(self.data_set)
    label = label_images.read(self.label_path(row), file.size)
    classes = label_images.classes_of(label, self.data_set, row['label'])
    things = read_instances(
        posixpath.join(self.instances, row['label']), file.size, data_set)
    id_map, segments = _panoptic(classes, things, data_set)
    remarks = [] if segments else ['nothing but void']
    instances = _instances(things) if self.with_instances else None
    return source.converted(file, row, [id_map], segments, remarks, instances=instances)

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return super().annotations_state() + source.folder_state(self.instances)


def _panoptic(classes: np.ndarray, things: list[Numbered], data_set: DataSet
              ) -> tuple[np.ndarray, list[schema.Segment]]:
  """Returns the id map of an image, int32 [height, width], and its segments."""
  id_map = np.zeros(classes.shape, np.int32)
  stuff = [c for c in np.unique(classes).tolist() if c >= 0 and c not in data_set.thing_classes]
  masks = [(c, classes == c) for c in stuff]
  masks += [(thing.class_id, thing.mask) for thing in things]
  segments = []
  for k, (class_id, mask) in enumerate(masks):
    id_map[mask] = k + 1
    segments.append(schema.Segment(
        class_id=class_id, is_crowd=False, plane=0, area=int(mask.sum()), id=k + 1))
  return id_map, segments


def _instances(things: list[Numbered]) -> list[schema.Instance]:
  return [
      schema.Instance(
          class_id=thing.class_id, is_crowd=False, area=int(thing.mask.sum()), id=thing.number,
          mask=thing.mask)
      for thing in things]


def sources(wanted: Wanted) -> dict[str, LabeledFolders]:
  """Returns the source of each split.

  Args:
    wanted: the root is the folder ADEChallengeData2016, or one that holds it.

  Raises:
    UserError: a part of the download is missing.
  """
  root = download.locate(wanted.root, 'images', ['ADEChallengeData2016'])
  origins = {'images': _ORIGIN}
  if wanted.task != 'instance':
    origins['annotations'] = _ORIGIN
  if wanted.task != 'semantic':
    origins['annotations_instance'] = _INSTANCE_ORIGIN
  for folder, origin in origins.items():
    paths = [posixpath.join(folder, _FOLDER_OF[split]) for split in wanted.splits]
    download.require(root, [Part(path, origin) for path in paths])
  return {
      split: _source(root, split, wanted.task, wanted.data_set) for split in wanted.splits}


def _source(root: str, split: str, task: str, data_set: str) -> LabeledFolders:
  def below(folder: str) -> str:
    return posixpath.join(root, folder, _FOLDER_OF[split])

  if task == 'instance':
    return Ade20kInstances(
        below('images'), below('annotations_instance'), data_set, skip_empty=split == 'train')
  if task == 'semantic':
    return SemanticFolders(below('images'), below('annotations'), data_set)
  return Ade20kPanoptic(
      below('images'), below('annotations'), data_set, instances=below('annotations_instance'),
      with_instances=split == 'val')
