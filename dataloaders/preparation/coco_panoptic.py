"""COCO's panoptic layout: images, PNGs with ids as colors, one JSON."""

import dataclasses
import json
import posixpath

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation import shards
from tf_maskformer.errors import UserError


def _id_map(png: np.ndarray, infos: list[dict], path: str) -> np.ndarray:
  """Turns the PNG's colors into positions in `infos`, from 1; every id must be known."""
  ids = png.astype(np.int64) @ np.array([1, 256, 65536])
  found, inverse = np.unique(ids, return_inverse=True)
  order = {info['id']: k + 1 for k, info in enumerate(infos)}
  strange = [int(i) for i in found if i and int(i) not in order]
  if strange:
    raise shards.Refused(f'{path} has ids that are not in the JSON: {strange[:5]}')
  return np.array([order.get(int(i), 0) for i in found])[inverse].reshape(ids.shape)


@dataclasses.dataclass(frozen=True)
class Source:
  """One split of a data set in COCO's panoptic layout: folders, JSON, and the row of configs/datasets/catalog.py."""
  images: str
  annotations: str
  panoptic: str
  data_set: str = 'coco_panoptic'

  def rows(self) -> list[dict]:
    """Reads the JSON into one dict an image: the image's fields, 'png' and 'segments_info'; sorted by id.

    Raises:
      UserError: the file is missing, no JSON, not panoptic, or names categories that the data set lacks.
    """
    if not tf.io.gfile.exists(self.annotations):
      raise UserError(f'annotations {self.annotations} do not exist; give the panoptic JSON')
    try:
      with tf.io.gfile.GFile(self.annotations) as file:
        content = json.load(file)
      images = {image['id']: image for image in content['images']}
      categories = {category['id'] for category in content['categories']}
      rows = [{**images[a['image_id']], 'png': a['file_name'], 'segments_info': a['segments_info']}
              for a in content['annotations']]
    except json.JSONDecodeError as e:
      raise UserError(f'annotations {self.annotations} are no JSON ({e})') from e
    except (KeyError, TypeError) as e:
      raise UserError(f"annotations {self.annotations} are not in COCO's panoptic form: {e!r} is missing; "
                      'give panoptic_*.json, not instances_*.json') from e
    known = catalog.get(self.data_set).contiguous_ids
    if categories - set(known):
      raise UserError(f'annotations {self.annotations} have categories that data set {self.data_set} lacks: '
                      f'{sorted(categories - set(known))[:5]}; choose --data_set')
    return sorted(rows, key=lambda row: str(row['id']))

  def convert_image(self, row: dict) -> tuple[bytes, str]:
    """Checks one image against its annotation and returns (record, remark or '').

    Raises:
      Refused: it cannot be used.
    """
    image_path = posixpath.join(self.images, row['file_name'])
    png_path = posixpath.join(self.panoptic, row['png'])
    image, data, kind, remarks = shards.image(image_path)
    size = (row['height'], row['width'])
    if image.size[::-1] != size:
      raise shards.Refused(f'{image_path} is {image.height}x{image.width}, the JSON says {size[0]}x{size[1]}')
    png = np.asarray(shards.decode(shards.load(png_path), png_path).convert('RGB'))
    if png.shape[:2] != size:
      raise shards.Refused(f'{png_path} is {png.shape[0]}x{png.shape[1]}, the JSON says {size[0]}x{size[1]}')
    infos = row['segments_info']
    if len({info['id'] for info in infos}) != len(infos):
      raise shards.Refused(f'{row["file_name"]} has two segments with one id in the JSON')
    if len(infos) > schema.MAX_SEGMENTS:
      raise shards.Refused(f'{row["file_name"]} has more than {schema.MAX_SEGMENTS} segments')
    classes = catalog.get(self.data_set).contiguous_ids
    unknown = [info['category_id'] for info in infos if info['category_id'] not in classes]
    if unknown:
      raise shards.Refused(f'{row["file_name"]} has unknown category ids {unknown[:5]}')
    id_map = _id_map(png, infos, png_path)
    pixels = np.bincount(id_map.ravel(), minlength=len(infos) + 1)[1:]
    if (pixels == 0).any():
      remarks.append(f'{int((pixels == 0).sum())} segments without pixels')
    wrong = sum(int(info.get('area', n)) != n for info, n in zip(infos, pixels))
    if wrong:
      remarks.append(f'{wrong} areas differ from the PNG')
    segments = [schema.Segment(classes[info['category_id']], bool(info.get('iscrowd', 0)), 0,
                               int(info.get('area', n)), info['id']) for info, n in zip(infos, pixels)]
    record = schema.write(data, kind, size, str(row['id']), row['file_name'], [id_map], segments,
                          instances=self.instances_of(row))
    return record, '; '.join(remarks)

  def instances_of(self, row: dict) -> list[schema.Instance] | None:
    """Returns the instances for the record of a row, None where they are not known."""
    del row
    return None

  def annotations_state(self) -> list:
    stat = tf.io.gfile.stat(self.annotations)
    return [stat.length, stat.mtime_nsec, *shards.folder_state(self.panoptic)]


@dataclasses.dataclass(frozen=True)
class SourceWithInstances(Source):
  """A split whose records also hold the instances, which the published AP is measured against.

  A class of its own, so that a conversion with them and one without never count as the same.

  Attributes:
    instances: instances JSON of the same images.
  """
  instances: str = ''

  def rows(self) -> list[dict]:
    """Returns the rows of `Source.rows` with 'instances' of `coco_instances.Source.rows`.

    Raises:
      UserError: of either JSON, or the instances JSON lacks images of the panoptic one.
    """
    rows = super().rows()
    found = coco_instances.Source('', self.instances, self.data_set).rows()
    instances_of = {str(row['id']): row['instances'] for row in found}
    missing = {str(row['id']) for row in rows} - set(instances_of)
    if missing:
      raise UserError(
          f'instances {self.instances} lack {len(missing)} images of {self.annotations}, '
          f'{min(missing)} for one; give the instances JSON of the same split')
    return [{**row, 'instances': instances_of[str(row['id'])]} for row in rows]

  def instances_of(self, row: dict) -> list[schema.Instance]:
    classes, size = catalog.get(self.data_set).contiguous_ids, (row['height'], row['width'])
    return [
        schema.Instance(
            classes[i['category_id']], bool(i['iscrowd']), coco_instances.whole_area(i['area']),
            i['id'], coco_instances.rasterize(i, size, self.instances))
        for i in row['instances']]

  def annotations_state(self) -> list:
    stat = tf.io.gfile.stat(self.instances)
    return [*super().annotations_state(), stat.length, stat.mtime_nsec]


def coco_splits(root: str, data_set: str) -> dict[str, Source]:
  """Returns the sources of 'train' and 'val' in COCO's official folder layout below `root`.

  'val' is with instances where annotations/instances_val2017.json is there; nothing reads those of
  'train'.
  """
  folder = posixpath.join(root, 'annotations')
  sources = {split: Source(
      images=posixpath.join(root, f'{split}2017'),
      annotations=posixpath.join(folder, f'panoptic_{split}2017.json'),
      panoptic=posixpath.join(folder, f'panoptic_{split}2017'),
      data_set=data_set) for split in ('train', 'val')}
  instances = posixpath.join(folder, 'instances_val2017.json')
  if tf.io.gfile.exists(instances):
    sources['val'] = SourceWithInstances(**vars(sources['val']), instances=instances)
  return sources
