"""COCO's instance layout: images and one JSON of polygons and run lengths, which may overlap."""

import dataclasses
import posixpath
from typing import Any

import numpy as np

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import annotations
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders import packing
from tf_maskformer.dataloaders import polygons
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import coco_images
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
    crowds_are_instances: whether what is marked as a crowd is an instance like any other, as CVAT
      marks every mask.
  """
  images: str
  annotations: str
  data_set: str = 'coco_instance'
  skip_empty: bool = False
  crowds_are_instances: bool = False

  def rows(self) -> list[dict[str, Any]]:
    """See `annotations.read_instances` and `annotations.settle_crowds`."""
    rows = annotations.read_instances(self.annotations, self.data_set)
    annotations.settle_crowds(rows, self.annotations, self.crowds_are_instances)
    return rows

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`."""
    row, file = coco_images.read(self.images, row)
    if self.skip_empty and all(instance['iscrowd'] for instance in row['instances']):
      raise UnusableImage(source.NOTHING_TO_TRAIN_ON)
    num_without_area = sum(instance['area'] is None for instance in row['instances'])
    if num_without_area:
      remark = f'{num_without_area} instances without a usable area; it is that of the mask'
      file = file._replace(remarks=[*file.remarks, remark])
    return record_of(row, file, self.data_set)

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return source.file_state(self.annotations)


def record_of(row: dict[str, Any], file: ImageFile, data_set: str) -> source.Converted:
  """Returns the record of an image with its instances.

  Args:
    row: 'id', 'file_name' and 'instances', annotations in COCO's form; an area that is None is
      that of the mask.
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
  annotations.check_instances(instances, classes, file_name)
  masks = (instance_masks.rasterize(instance, file.size, file_name) for instance in instances)
  id_maps, planes = packing.pack(masks, file.size)
  # A mask has all of its pixels in its own id map.
  counts = [np.bincount(id_map.ravel(), minlength=len(instances) + 1) for id_map in id_maps]
  pixels = np.sum(counts, axis=0)[1:]
  segments = [
      _segment(instance, classes, plane, count)
      for instance, plane, count in zip(instances, planes, pixels.tolist())]
  polygons.require_drawable([outline for segment in segments for outline in segment.polygons])
  num_empty = int((pixels == 0).sum())
  remarks = [f'{num_empty} instances without pixels'] if num_empty else []
  return source.converted(file, row, id_maps, segments, remarks)


def _segment(instance: dict[str, Any], classes: dict[int, int], plane: int, pixels: int
             ) -> schema.Segment:
  """A crowd is not a target, so the polygons that a crowd may have are not kept."""
  is_crowd = bool(instance['iscrowd'])
  segmentation = instance['segmentation']
  outlines: tuple[np.ndarray, ...] = ()
  if isinstance(segmentation, list) and not is_crowd:
    outlines = tuple(instance_masks.outlines(segmentation))
  return schema.Segment(
      class_id=classes[instance['category_id']],
      is_crowd=is_crowd,
      plane=plane,
      area=instance_masks.integer_area(instance_masks.area_of(instance, pixels)),
      id=instance['id'],
      polygons=outlines)


def coco_splits(root: str, data_set: str, crowds_are_instances: bool = False
                ) -> dict[str, CocoInstances]:
  """Returns the sources of 'train' and 'val' in COCO's official folder layout.

  Args:
    root: holds train2017, val2017 and annotations.
    data_set: see `catalog.get`.
    crowds_are_instances: see `CocoInstances`.
  """
  return {
      split: CocoInstances(
          images=posixpath.join(root, f'{split}2017'),
          annotations=posixpath.join(root, 'annotations', f'instances_{split}2017.json'),
          data_set=data_set,
          skip_empty=split == 'train',
          crowds_are_instances=crowds_are_instances)
      for split in ('train', 'val')}
