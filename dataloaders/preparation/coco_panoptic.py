"""COCO's panoptic layout: images, PNGs with ids as colors, one JSON."""

import dataclasses
import posixpath
from typing import Any

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import annotations
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import coco_images
from tf_maskformer.dataloaders.preparation import image_index
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.errors import UserError

_ID_OF_COLOR = np.array([1, 256, 256**2])  # what red, green and blue contribute to an id


@dataclasses.dataclass(frozen=True)
class CocoPanoptic(source.Source):
  """One split in COCO's panoptic layout.

  Attributes:
    images: folder of images.
    annotations: panoptic JSON.
    panoptic: folder of the PNGs.
    data_set: see `catalog.get`.
  """
  images: str
  annotations: str
  panoptic: str
  data_set: str = 'coco_panoptic'

  def rows(self) -> list[dict[str, Any]]:
    """See `annotations.read_panoptic`."""
    return annotations.read_panoptic(self.annotations, self.data_set)

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`."""
    row, file = coco_images.read(self.images, row)
    infos = row['segments_info']
    class_of = catalog.get(self.data_set).contiguous_ids
    annotations.check_segments(infos, class_of, row['file_name'])
    png = posixpath.join(self.panoptic, image_index.find(self.panoptic, row['png']))
    id_map = _read_id_map(png, infos, file.size)
    infos, id_map, num_ignored = _without_ignored(infos, id_map)
    pixels = np.bincount(id_map.ravel(), minlength=len(infos) + 1)[1:]
    segments = [
        schema.Segment(
            class_id=class_of[info['category_id']],
            is_crowd=bool(info['iscrowd']),
            plane=0,
            area=int(instance_masks.area_of(info, count)),
            id=info['id'])
        for info, count in zip(infos, pixels)]
    remarks = _remarks(infos, pixels)
    if num_ignored:
      remarks.append(f'{num_ignored} segments of ignored categories are void')
    return source.converted(
        file, row, [id_map], segments, remarks, instances=self.instances_of(row))

  def instances_of(self, row: dict[str, Any]) -> list[schema.Instance] | None:
    """Returns the instances for the record of a row, None where they are not known."""
    del row
    return None

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return source.file_state(self.annotations) + source.folder_state(self.panoptic)


@dataclasses.dataclass(frozen=True)
class CocoPanopticWithInstances(CocoPanoptic):
  """A split whose records also hold the instances, which the published AP is measured against.

  A class of its own, so that a conversion with them and one without never count as the same.

  Attributes:
    instances: instances JSON of the same images.
  """
  instances: str = ''

  def rows(self) -> list[dict[str, Any]]:
    """Returns the rows of `CocoPanoptic.rows` with 'instances' of `annotations.read_instances`.

    Raises:
      UserError: of either JSON, or the instances JSON is missing images of the panoptic one.
    """
    rows = super().rows()
    annotated = annotations.read_instances(self.instances, self.data_set)
    # What is annotated without being among the images has no 'instances'.
    instances_of = {str(row['id']): row for row in annotated if 'instances' in row}
    missing = {str(row['id']) for row in rows if not row['fault']} - set(instances_of)
    if missing:
      raise UserError(
          f'instances {self.instances} do not have {len(missing)} images of {self.annotations}, '
          f'{min(missing)} for one; give the instances JSON of the same split')
    return [_with_instances(row, instances_of.get(str(row['id']), {})) for row in rows]

  def instances_of(self, row: dict[str, Any]) -> list[schema.Instance]:
    """Returns the instances for the record of a row, whose size is that of the image.

    Raises:
      UnusableImage: an instance is damaged or has no mask.
    """
    classes = catalog.get(self.data_set).contiguous_ids
    size = (row['height'], row['width'])
    schema.require_masks_fit(len(row['instances']), size)
    annotations.check_instances(row['instances'], classes, row['file_name'])
    return [self._instance(instance, classes, size) for instance in row['instances']]

  def _instance(self, instance: dict[str, Any], classes: dict[int, int], size: tuple[int, int]
                ) -> schema.Instance:
    mask = instance_masks.rasterize(instance, size, self.instances)
    area = instance_masks.area_of(instance, int(mask.sum()))
    return schema.Instance(
        class_id=classes[instance['category_id']],
        is_crowd=bool(instance['iscrowd']),
        area=instance_masks.integer_area(area),
        id=instance['id'],
        mask=mask)

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return super().annotations_state() + source.file_state(self.instances)


def _with_instances(row: dict[str, Any], annotated: dict[str, Any]) -> dict[str, Any]:
  """Returns the row of an image with what the instances JSON says of it."""
  return {
      **row,
      'instances': annotated.get('instances', []),
      'fault': row['fault'] or annotated.get('fault', ''),
      'remarks': list(dict.fromkeys([*row['remarks'], *annotated.get('remarks', [])])),
  }


def _without_ignored(infos: list[dict[str, Any]], id_map: np.ndarray
                     ) -> tuple[list[dict[str, Any]], np.ndarray, int]:
  """Makes the segments of ignored categories void.

  Args:
    infos: the image's segments.
    id_map: positions in `infos`, counted from 1, int [height, width].

  Returns:
    the segments and the id map without them, and how many they are.
  """
  is_kept = [info['category_id'] is not None for info in infos]
  kept = [info for info, keep in zip(infos, is_kept) if keep]
  if len(kept) == len(infos):
    return infos, id_map, 0
  new_position = np.concatenate([[0], np.where(is_kept, np.cumsum(is_kept), 0)])
  return kept, new_position[id_map], len(infos) - len(kept)


def _read_id_map(path: str, infos: list[dict[str, Any]], size: tuple[int, int]) -> np.ndarray:
  """Turns a PNG's colors into positions in `infos`, counted from 1; 0 is void.

  Args:
    path: of the PNG.
    infos: the image's segments in the JSON.
    size: (height, width) that the PNG must have.

  Returns:
    int64 [height, width].

  Raises:
    UnusableImage: the PNG cannot be read, has another size, or ids that are not in the JSON.
  """
  image = images.decode(images.load(path), path)
  with images.refusing(path):
    colors = np.asarray(image.convert('RGB'))
  height, width = colors.shape[:2]
  if (height, width) != size:
    raise UnusableImage(f'{path} is {height}x{width}, its image {size[0]}x{size[1]}')
  ids = colors.astype(np.int64) @ _ID_OF_COLOR
  found, inverse = np.unique(ids, return_inverse=True)
  position_of = {info['id']: k + 1 for k, info in enumerate(infos)}
  unknown = [int(i) for i in found if i and int(i) not in position_of]
  if unknown:
    raise UnusableImage(f'{path} has ids that are not in the JSON: {unknown[:5]}')
  positions = np.array([position_of.get(int(i), 0) for i in found])
  return positions[inverse].reshape(ids.shape)


def _remarks(infos: list[dict[str, Any]], pixels: np.ndarray) -> list[str]:
  """Returns what is odd about segments, whose pixels in the PNG were counted."""
  remarks = []
  num_empty = int((pixels == 0).sum())
  if num_empty:
    remarks.append(f'{num_empty} segments without pixels')
  num_wrong = sum(
      info['area'] is not None and int(info['area']) != count
      for info, count in zip(infos, pixels))
  if num_wrong:
    remarks.append(f'{num_wrong} areas differ from the PNG')
  return remarks


def coco_splits(root: str, data_set: str) -> dict[str, CocoPanoptic]:
  """Returns the sources of 'train' and 'val' in COCO's official folder layout.

  'val' is with instances where annotations/instances_val2017.json exists; nothing reads those of
  'train'.

  Args:
    root: holds train2017, val2017 and annotations.
    data_set: see `catalog.get`.
  """
  folder = posixpath.join(root, 'annotations')
  sources = {
      split: CocoPanoptic(
          images=posixpath.join(root, f'{split}2017'),
          annotations=posixpath.join(folder, f'panoptic_{split}2017.json'),
          panoptic=posixpath.join(folder, f'panoptic_{split}2017'),
          data_set=data_set)
      for split in ('train', 'val')}
  instances = posixpath.join(folder, 'instances_val2017.json')
  if tf.io.gfile.exists(instances):
    fields = dataclasses.asdict(sources['val'])
    sources['val'] = CocoPanopticWithInstances(**fields, instances=instances)
  return sources
