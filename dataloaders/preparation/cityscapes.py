"""Cityscapes' layout: what gtFine's instance label images hold, panoptic or instances alone.

Instances alone are trained on as polygons, as published, or as these pixels; they are always scored
as pixels.
"""

import dataclasses
import posixpath
from typing import Any

import numpy as np

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.dataloaders.preparation.cityscapes_polygons import CityscapesPolygons
from tf_maskformer.dataloaders.preparation.labeled_folders import LabeledFolders
from tf_maskformer.errors import UserError

_PER_CLASS = 1000  # a pixel is its class's id, or 1000 * id + the number of the instance


@dataclasses.dataclass(frozen=True)
class CityscapesPixels(LabeledFolders):
  """One split; the labels are `*_gtFine_instanceIds.png`.

  Classes that the data set does not have are void.

  Attributes:
    skip_empty: whether, of a data set of things alone, images without one to train on are left out.
  """
  skip_empty: bool = False

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`."""
    file = image_files.read(self.image_path(row))
    label = label_images.read(self.label_path(row), file.size)
    id_map, segments = self._segments(label)
    skips = self.skip_empty and catalog.get(self.data_set).has_things_alone
    if skips and all(segment.is_crowd for segment in segments):
      raise UnusableImage(source.NOTHING_TO_TRAIN_ON)
    remarks = [] if segments else ['nothing but void']
    return source.converted(file, row, [id_map], segments, remarks, void=_void(label))

  def _segments(self, label: np.ndarray) -> tuple[np.ndarray, list[schema.Segment]]:
    """Returns the id map of a label, int32 [height, width], and its segments.

    Things without a number are a group that was not told apart: a crowd (cityscapesscripts,
    createPanopticImgs.py).
    """
    data_set = catalog.get(self.data_set)
    segments: list[schema.Segment] = []
    values, inverse, areas = np.unique(label, return_inverse=True, return_counts=True)
    position_of = np.zeros(len(values), np.int32)
    for k, (value, area) in enumerate(zip(values.tolist(), areas.tolist())):
      has_number = value >= _PER_CLASS
      class_id = data_set.contiguous_ids.get(value // _PER_CLASS if has_number else value)
      if class_id is None:
        continue
      is_crowd = not has_number and class_id in data_set.thing_classes
      segments.append(
          schema.Segment(class_id=class_id, is_crowd=is_crowd, plane=0, area=area, id=value))
      position_of[k] = len(segments)
    return position_of[inverse].reshape(label.shape), segments


def _void(label: np.ndarray) -> np.ndarray:
  """Returns the pixels of labels that are not evaluated, bool [height, width].

  Instances of such a label (a caravan with a number) are not among them in Cityscapes' AP.
  """
  class_of = catalog.get('cityscapes').class_of_label
  void_values = [value for value in np.unique(label) if class_of.get(int(value)) == -1]
  return np.isin(label, void_values)


def splits(root: str, data_set: str, targets: str | None = None) -> dict[str, LabeledFolders]:
  """Returns the sources of 'train' and 'val' in Cityscapes' official folder layout.

  Args:
    root: holds leftImg8bit and gtFine.
    data_set: see `catalog.get`.
    targets: what is trained on, 'polygons' or 'pixels'; None: as published, polygons of a data set
      of things alone.

  Raises:
    UserError: polygons of a data set that has stuff too.
  """
  things_alone = catalog.get(data_set).has_things_alone
  if targets == 'polygons' and not things_alone:
    raise UserError(
        f'--targets polygons is for instances alone, but data set {data_set} has stuff; give '
        '--data_set cityscapes_instance, or --targets pixels')
  sources: dict[str, LabeledFolders] = {
      split: CityscapesPixels(
          **_folders(root, split, data_set),
          label_suffix='_gtFine_instanceIds.png',
          skip_empty=split == 'train')
      for split in ('train', 'val')}
  if things_alone and targets != 'pixels':
    sources['train'] = CityscapesPolygons(
        **_folders(root, 'train', data_set), label_suffix='_gtFine_polygons.json')
  return sources


def _folders(root: str, split: str, data_set: str) -> dict[str, str]:
  """Returns the fields of a split's source that are not about its labels' kind."""
  return {
      'images': posixpath.join(root, 'leftImg8bit', split),
      'labels': posixpath.join(root, 'gtFine', split),
      'data_set': data_set,
      'image_suffix': '_leftImg8bit.png',
  }
