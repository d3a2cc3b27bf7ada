"""Cityscapes' layout: what gtFine's instance label images hold, panoptic or instances alone.

Instances alone are trained on as polygons, as published, or as these pixels; they are always scored as pixels.
"""

import dataclasses
import posixpath

import numpy as np

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.preparation import cityscapes_polygons
from tf_maskformer.dataloaders.preparation import semantic
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError

_PER_CLASS = 1000  # a pixel is its class's id, or 1000 * id + the number of the instance


@dataclasses.dataclass(frozen=True)
class Source(semantic.Source):
  """One split; the labels are `*_gtFine_instanceIds.png`. Classes that the data set lacks are void.

  Attributes:
    trains: whether, of a data set of things alone, images without one to train on are left out.
  """
  trains: bool = False

  def convert_image(self, row: dict) -> tuple[bytes, str]:
    """Checks one image against its label and returns (record, remark or '').

    Things without a number are a group that was not told apart: a crowd (cityscapesscripts, createPanopticImgs.py).

    Raises:
      Refused: it cannot be used.
    """
    data, kind, label, remarks = self.read(row)
    data_set = catalog.get(self.data_set)
    id_map, segments = np.zeros(label.shape, np.int32), []
    values, areas = np.unique(label, return_counts=True)
    for value, area in zip(values.tolist(), areas.tolist()):
      class_id = data_set.contiguous_ids.get(value if value < _PER_CLASS else value // _PER_CLASS)
      if class_id is not None:
        is_crowd = value < _PER_CLASS and class_id in data_set.thing_classes
        segments.append(schema.Segment(class_id, is_crowd, 0, area, value))
        id_map[label == value] = len(segments)
    if self.trains and len(data_set.thing_classes) == data_set.num_classes and all(s.is_crowd for s in segments):
      raise shards.Refused(shards.NOTHING_TO_TRAIN_ON)
    # Labels that are not evaluated; instances of them (a caravan with a number) are none of these in Cityscapes' AP.
    class_of = catalog.get('cityscapes').class_of_label
    void = np.isin(label, [value for value in values if class_of.get(int(value)) == -1])
    if not segments:
      remarks.append('nothing but void')
    record = schema.write(data, kind, label.shape, row['id'], row['file_name'], [id_map], segments, void)
    return record, '; '.join(remarks)


def splits(root: str, data_set: str, targets: str | None = None) -> dict[str, semantic.Source]:
  """Returns the sources of 'train' and 'val' in Cityscapes' official folder layout below `root`.

  Args:
    root: holds leftImg8bit and gtFine.
    data_set: row of configs/datasets/catalog.py.
    targets: what is trained on, 'polygons' or 'pixels'; None: as published, polygons of a data set of things alone.

  Raises:
    UserError: polygons of a data set that has stuff too.
  """
  row = catalog.get(data_set)
  things_alone = len(row.thing_classes) == row.num_classes
  if targets == 'polygons' and not things_alone:
    raise UserError(f'--targets polygons holds instances alone, but data set {data_set} has stuff; give --data_set '
                    'cityscapes_instance, or --targets pixels')
  def folders(split):
    return {
        'images': posixpath.join(root, 'leftImg8bit', split), 'labels': posixpath.join(root, 'gtFine', split),
        'data_set': data_set, 'image_suffix': '_leftImg8bit.png'}
  pixels = {split: Source(**folders(split), label_suffix='_gtFine_instanceIds.png', trains=split == 'train')
            for split in ('train', 'val')}
  if targets == 'pixels' or not things_alone:
    return pixels
  train = cityscapes_polygons.Source(**folders('train'), label_suffix='_gtFine_polygons.json')
  return {'train': train, 'val': pixels['val']}
