"""Damaged and hostile annotations: folders of images of which one, or the file, is damaged."""

import functools
import json
import pathlib
import shutil
import tempfile

import numpy as np
import tensorflow as tf
from PIL import Image

from tests.dataloaders import small_coco
from tests.faults import hostile
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import cityscapes
from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import semantic
from tf_maskformer.dataloaders.preparation.source import Source
from tf_maskformer.errors import UserError

KINDS = ('panoptic', 'instances', 'panoptic with instances', 'polygons', 'labels')
_DATA_SETS = {'panoptic': 'coco_panoptic', 'instances': 'coco_instance',
              'panoptic with instances': 'coco_panoptic', 'polygons': 'cityscapes_instance',
              'labels': 'ade20k'}
_OBJECTS = [
    {'label': 'car', 'polygon': [[5, 5], [40, 5], [40, 30], [5, 30]]},
    {'label': 'persongroup', 'polygon': [[30, 10], [60, 12], [45, 35]]},
    {'label': 'person', 'polygon': [[20.5, 3], [33, 9], [25, 38]]}]
_CITY_SIZE = (40, 64)


@functools.cache
def _good(kind: str) -> pathlib.Path:
  """Returns a folder with a good data set of this kind, made once per process."""
  root = pathlib.Path(tempfile.mkdtemp(prefix='good-'))
  if kind in ('polygons', 'labels'):
    return write_folders(root, kind)
  small_coco.SIZE = 64
  return small_coco.write(root / 'coco')


def write_folders(root: pathlib.Path, kind: str) -> pathlib.Path:
  """Writes three images and their labels, 'polygons' or 'labels', and returns the folder."""
  names = ('a', 'b', 'c')
  polygons = {'imgHeight': _CITY_SIZE[0], 'imgWidth': _CITY_SIZE[1], 'objects': _OBJECTS}
  for name in names:
    if kind == 'polygons':
      image = root / 'leftImg8bit/train/x' / f'{name}_leftImg8bit.png'
      label = root / 'gtFine/train/x' / f'{name}_gtFine_polygons.json'
    else:
      image = root / 'images' / f'{name}.png'
      label = root / 'labels' / f'{name}.png'
    image.parent.mkdir(parents=True, exist_ok=True)
    label.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros([*_CITY_SIZE, 3], np.uint8)).save(image)
    if kind == 'polygons':
      label.write_text(json.dumps(polygons))
    else:
      Image.fromarray(np.ones(_CITY_SIZE, np.uint8)).save(label)
  return root


def source_of(kind: str, root: pathlib.Path) -> Source:
  """Returns the source of a data set of this kind in a folder."""
  if kind == 'polygons':
    return cityscapes.splits(str(root), 'cityscapes_instance')['train']
  if kind == 'labels':
    return semantic.SemanticFolders(
        f'{root}/images', f'{root}/labels', 'ade20k', image_suffix='.png')
  if kind == 'instances':
    return coco_instances.coco_splits(str(root), 'coco_instance')['val']
  split = 'train' if kind == 'panoptic' else 'val'
  return coco_panoptic.coco_splits(str(root), 'coco_panoptic')[split]


def damaged_file(kind: str, root: pathlib.Path, rng: np.random.Generator) -> pathlib.Path:
  """Returns the annotation file that a case damages."""
  if kind == 'polygons':
    return next((root / 'gtFine/train/x').glob('b_*'))
  if kind == 'labels':
    return root / 'labels/b.png'
  if kind == 'instances' or (kind != 'panoptic' and rng.random() < 0.7):
    return root / 'annotations/instances_val2017.json'
  # The training file is a link to it.
  return root / 'annotations/panoptic_val2017.json'


def check(kind: str, folder: pathlib.Path, rng: np.random.Generator) -> str:
  """Damages one file of a data set and converts all images; returns what did not hold, or ''."""
  root = folder / 'data'
  shutil.copytree(_good(kind), root, symlinks=True)
  panoptic = 'annotations/panoptic_train2017'
  for name in ('train2017', panoptic, f'{panoptic}.json'):
    link = root / name
    if link.is_symlink():
      link.unlink()
      link.symlink_to(root / name.replace('train', 'val'))
  path = damaged_file(kind, root, rng)
  good = path.read_bytes()
  is_one_value = kind != 'labels' and rng.random() < 0.7
  if kind == 'labels':
    done, data = 'label', hostile.other_image(rng)
  elif is_one_value:
    done, data = hostile.json_value(good, rng)
  else:
    done, data = hostile.json_file(good, rng)
  path.write_bytes(data)
  usable = 2 if kind in ('polygons', 'labels') else len(small_coco.IMAGE_IDS) - 1
  if kind not in ('polygons', 'labels') and not is_one_value:
    usable = 0  # the file of all images is damaged
  return _convert_all(kind, source_of(kind, root), done, usable)


def _convert_all(kind: str, source: Source, done: str, usable: int) -> str:
  """Returns what did not hold; `usable` images must be, unless the annotations are refused."""
  try:
    rows = source.rows()
  except UserError:
    return ''
  decode = decoder.function(_DATA_SETS[kind])
  good = 0
  for row in rows:
    if not isinstance(row['file_name'], str):
      return f'{done}: the row of {row["file_name"]!r} has no name'
    try:
      record = source.convert_image(row).record
    except UnusableImage:
      continue
    try:
      decode(tf.constant(record))
    except decoder.ERRORS as e:
      return f'{done}: a record that was written cannot be read: {decoder.explain(e)}'
    good += 1
  return '' if good >= usable else f'{done}: only {good} images of {len(rows)} can be used'
