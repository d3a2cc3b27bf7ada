"""COCO's instance layout: images and one JSON of polygons and run lengths, which may overlap."""

import dataclasses
import json
import posixpath

import numpy as np
import tensorflow as tf
from pycocotools import mask as mask_tools

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import packing
from tf_maskformer.dataloaders import polygons
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError


def whole_area(area: float) -> int:
  """Returns an area as a whole number that COCO's AP finds small, medium or large as the area itself.

  Its bounds count on both sides, so only an area that is exactly one may become it.
  """
  whole = int(area)
  return whole + (whole in (32**2, 96**2) and area > whole)


@dataclasses.dataclass(frozen=True)
class Source:
  """One split.

  Attributes:
    images: folder of images.
    annotations: instance JSON.
    data_set: row of configs/datasets/catalog.py.
    trains: whether images without an instance to train on are left out (detectron2's FILTER_EMPTY_ANNOTATIONS).
  """
  images: str
  annotations: str
  data_set: str = 'coco_instance'
  trains: bool = False

  def rows(self) -> list[dict]:
    """Reads the JSON into one dict an image: the image's fields and 'instances'; sorted by id.

    Raises:
      UserError: the file is missing, no JSON, holds no instances, or names categories that the data set lacks.
    """
    if not tf.io.gfile.exists(self.annotations):
      raise UserError(f'annotations {self.annotations} do not exist; give the instances JSON')
    try:
      with tf.io.gfile.GFile(self.annotations) as file:
        content = json.load(file)
      rows = {image['id']: {**image, 'instances': []} for image in content['images']}
      for annotation in content['annotations']:
        rows[annotation['image_id']]['instances'].append(
            {key: annotation[key] for key in ('id', 'category_id', 'iscrowd', 'area', 'segmentation')})
    except json.JSONDecodeError as e:
      raise UserError(f'annotations {self.annotations} are no JSON ({e})') from e
    except (KeyError, TypeError) as e:
      raise UserError(f"annotations {self.annotations} are not in COCO's instance form: {e!r} is missing; "
                      'give instances_*.json, not panoptic_*.json') from e
    used = {row['category_id'] for image in rows.values() for row in image['instances']}
    unknown = used - set(catalog.get(self.data_set).contiguous_ids)
    if unknown:
      raise UserError(f'annotations {self.annotations} have categories that data set {self.data_set} lacks: '
                      f'{sorted(unknown)[:5]}; choose --data_set')
    return sorted(rows.values(), key=lambda row: str(row['id']))

  def convert_image(self, row: dict) -> tuple[bytes, str]:
    """Checks one image against its annotation and returns (record, remark or '').

    Raises:
      Refused: it cannot be used.
    """
    path, size = posixpath.join(self.images, row['file_name']), (row['height'], row['width'])
    image, data, kind, remarks = shards.image(path)
    if image.size[::-1] != size:
      raise shards.Refused(f'{path} is {image.height}x{image.width}, the JSON says {size[0]}x{size[1]}')
    if self.trains and all(instance['iscrowd'] for instance in row['instances']):
      raise shards.Refused(shards.NOTHING_TO_TRAIN_ON)
    record, more = record_of(row, data, kind, self.data_set)
    return record, '; '.join(remarks + more)

  def annotations_state(self) -> list:
    stat = tf.io.gfile.stat(self.annotations)
    return [stat.length, stat.mtime_nsec]


def record_of(row: dict, data: bytes, kind: str, data_set: str) -> tuple[bytes, list[str]]:
  """Returns the record of an image with its instances, and remarks.

  Args:
    row: 'id', 'file_name', 'height', 'width' and 'instances': annotations in COCO's form.
    data: the encoded image.
    kind: 'jpeg' or 'png'.
    data_set: row of configs/datasets/catalog.py.

  Raises:
    Refused: an instance has no mask, or there are too many.
  """
  instances, size = row['instances'], (row['height'], row['width'])
  if len(instances) > schema.MAX_SEGMENTS:
    raise shards.Refused(f'{row["file_name"]} has more than {schema.MAX_SEGMENTS} instances')
  masks = [rasterize(instance, size, row['file_name']) for instance in instances]
  empty = sum(not mask.any() for mask in masks)
  id_maps, layers = packing.pack(masks, size)
  classes = catalog.get(data_set).contiguous_ids
  segments = [_segment(instance, classes, layer) for instance, layer in zip(instances, layers)]
  record = schema.write(data, kind, size, str(row['id']), row['file_name'], id_maps, segments)
  return record, [f'{empty} instances without pixels'] if empty else []


def _segment(instance: dict, classes: dict[int, int], layer: int) -> schema.Segment:
  """A crowd is no target, so the polygons that a crowd may have are not kept."""
  is_crowd, segmentation = bool(instance['iscrowd']), instance['segmentation']
  outlines = ()
  if isinstance(segmentation, list) and not is_crowd:
    outlines = tuple(polygons.corners_of(segmentation))
  return schema.Segment(
      classes[instance['category_id']], is_crowd, layer, whole_area(instance['area']),
      instance['id'], outlines)


def rasterize(instance: dict, size: tuple[int, int], path: str) -> np.ndarray:
  """Rasterizes an annotation's polygons as COCO does, or decodes its run lengths.

  Args:
    instance: with 'id' and 'segmentation'.
    size: (height, width) of the image.
    path: of the file, for messages.

  Returns:
    bool [height, width].

  Raises:
    Refused: it has neither, or of another size.
  """
  segmentation = instance['segmentation']
  try:
    if isinstance(segmentation, list):
      polygons = [p for p in segmentation if len(p) >= 6]
      if not polygons:
        return np.zeros(size, bool)
      runs = mask_tools.merge(mask_tools.frPyObjects(polygons, *size))
    else:
      runs = mask_tools.frPyObjects(segmentation, *size) if isinstance(segmentation['counts'], list) else segmentation
    mask = mask_tools.decode(runs).astype(bool)
  except (TypeError, ValueError, KeyError) as e:
    raise shards.Refused(f'{path}: instance {instance["id"]} has no polygons or run lengths ({e})') from e
  if mask.shape != size:
    raise shards.Refused(f'{path}: instance {instance["id"]} has a mask of {mask.shape[0]}x{mask.shape[1]}')
  return mask


def coco_splits(root: str, data_set: str) -> dict[str, Source]:
  """Returns the sources of 'train' and 'val' in COCO's official folder layout below `root`."""
  return {split: Source(
      images=posixpath.join(root, f'{split}2017'),
      annotations=posixpath.join(root, 'annotations', f'instances_{split}2017.json'),
      data_set=data_set, trains=split == 'train') for split in ('train', 'val')}
