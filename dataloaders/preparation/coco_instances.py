"""COCO's instance layout: images and one JSON of polygons and run lengths, which may overlap."""

import dataclasses
import posixpath
from typing import Any

import numpy as np

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import annotations
from tf_maskformer.dataloaders import packing
from tf_maskformer.dataloaders import polygons
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.dataloaders.preparation.image_files import ImageFile


@dataclasses.dataclass(frozen=True)
class CocoInstances(source.Source):
  """One split in COCO's instance layout.

  Attributes:
    images: folder of images.
    annotations: instances JSON.
    data_set: see `catalog.get`.
    skip_empty: whether images without an instance to train on are left out (detectron2's
      FILTER_EMPTY_ANNOTATIONS).
  """
  images: str
  annotations: str
  data_set: str = 'coco_instance'
  skip_empty: bool = False

  def rows(self) -> list[dict[str, Any]]:
    """See `annotations.read_instances`."""
    return annotations.read_instances(self.annotations, self.data_set)

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`."""
    annotations.require_usable(row)
    path = posixpath.join(self.images, row['file_name'])
    file = image_files.read(path)
    image_files.require_size(file, (row['height'], row['width']), path)
    if self.skip_empty and all(instance['iscrowd'] for instance in row['instances']):
      raise UnusableImage(source.NOTHING_TO_TRAIN_ON)
    return record_of(row, file, self.data_set)

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return source.file_state(self.annotations)


def record_of(row: dict[str, Any], file: ImageFile, data_set: str) -> source.Converted:
  """Returns the record of an image with its instances.

  Args:
    row: 'id', 'file_name' and 'instances', annotations in COCO's form.
    file: the image.
    data_set: see `catalog.get`.

  Raises:
    UnusableImage: an instance is damaged or has no mask, or there are too many.
  """
  instances = row['instances']
  file_name = row['file_name']
  if len(instances) > schema.MAX_SEGMENTS:
    raise UnusableImage(f'{file_name} has more than {schema.MAX_SEGMENTS} instances')
  classes = catalog.get(data_set).contiguous_ids
  for instance in instances:
    annotations.check_instance(instance, classes, file_name)
  masks = (annotations.rasterize(instance, file.size, file_name) for instance in instances)
  id_maps, planes = packing.pack(masks, file.size)
  values = [set(np.unique(id_map).tolist()) for id_map in id_maps]
  segments = [_segment(instance, classes, plane) for instance, plane in zip(instances, planes)]
  polygons.require_drawable([outline for segment in segments for outline in segment.polygons])
  remarks = []
  # A mask that has pixels has them all in its own id map.
  num_empty = sum(k + 1 not in values[plane] for k, plane in enumerate(planes))
  if num_empty:
    remarks.append(f'{num_empty} instances without pixels')
  return source.converted(file, row, id_maps, segments, remarks)


def _segment(instance: dict[str, Any], classes: dict[int, int], plane: int) -> schema.Segment:
  """A crowd is not a target, so the polygons that a crowd may have are not kept."""
  is_crowd = bool(instance['iscrowd'])
  segmentation = instance['segmentation']
  outlines: tuple[np.ndarray, ...] = ()
  if isinstance(segmentation, list) and not is_crowd:
    outlines = tuple(annotations.outlines(segmentation))
  return schema.Segment(
      class_id=classes[instance['category_id']],
      is_crowd=is_crowd,
      plane=plane,
      area=annotations.integer_area(instance['area']),
      id=instance['id'],
      polygons=outlines)


def coco_splits(root: str, data_set: str) -> dict[str, CocoInstances]:
  """Returns the sources of 'train' and 'val' in COCO's official folder layout.

  Args:
    root: holds train2017, val2017 and annotations.
    data_set: see `catalog.get`.
  """
  return {
      split: CocoInstances(
          images=posixpath.join(root, f'{split}2017'),
          annotations=posixpath.join(root, 'annotations', f'instances_{split}2017.json'),
          data_set=data_set,
          skip_empty=split == 'train')
      for split in ('train', 'val')}
