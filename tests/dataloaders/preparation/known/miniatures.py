"""Small data sets in their owners' layouts, and what each pixel is by the official tables.

An image is a grid of cells in a random order. A cell's row in a table is what the owner's files
hold there, and what is expected of it: the class, and the number of the instance.
"""

import json
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import h5py
import numpy as np
import scipy.io
from PIL import Image

from tf_maskformer.configs.datasets import catalog

SIZE = (48, 64)  # height, width
_GRID = (3, 4)
_CELL = 16
VOID = -1
NAMES_1_0 = 172  # of COCO-Stuff-10k


class Drawn(NamedTuple):
  """An image that was drawn.

  Attributes:
    split: 'train' or 'val'.
    id: of the image in the records.
    classes: expected classes, integers [height, width], `VOID` where void.
    numbers: of the expected instances, integers [height, width], 0 where none is.
  """
  split: str
  id: str
  classes: np.ndarray
  numbers: np.ndarray


class _Grid:
  """An order of cells, in which the columns of a table are painted."""

  def __init__(self, seed: int, num_cells: int = _GRID[0] * _GRID[1]):
    self._order = np.random.default_rng(seed).permutation(num_cells)

  def paint(self, column: Sequence[int]) -> np.ndarray:
    """Returns a column of a table, a value per cell, as int64 [height, width]."""
    cells = np.array(column)[self._order].reshape(_GRID)
    return cells.repeat(_CELL, 0).repeat(_CELL, 1)


def _columns(table: Sequence[Sequence[int]], seed: int) -> list[np.ndarray]:
  """Returns the painted columns of a table of 12 rows."""
  grid = _Grid(seed)
  return [grid.paint(column) for column in zip(*table)]


def _save_image(path: pathlib.Path, seed: int) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  pixels = np.random.default_rng(seed).integers(0, 256, [*SIZE, 3], np.uint8)
  Image.fromarray(pixels).save(path)


def _save_label(path: pathlib.Path, label: np.ndarray, palette: bool = False) -> None:
  """Saves a label: one channel of 8 or 16 bits, or three; with a palette as owners add one."""
  path.parent.mkdir(parents=True, exist_ok=True)
  image = Image.fromarray(label.astype(np.uint16 if label.max() > 255 else np.uint8))
  if palette:
    image.putpalette([channel for k in range(256) for channel in (k, 255 - k, 7 * k % 256)])
  image.save(path)


# Value of annotations/, red and green of annotations_instance/; class of the 150 by
# prepare_ade20k_sem_seg.py, by prepare_ade20k_pan_seg.py, and among the 100 things.
_ADE20K = [
    (1, 0, 0, 0, 0, VOID), (1, 0, 0, 0, 0, VOID), (3, 0, 0, 2, 2, VOID),
    (0, 0, 0, VOID, VOID, VOID), (14, 0, 0, 13, 13, VOID),
    (8, 0, 0, 7, VOID, VOID),  # a bed that is no instance
    (8, 1, 1, 7, 7, 0), (8, 1, 2, 7, 7, 0),
    (0, 4, 3, VOID, 12, 3), (13, 4, 3, 12, 12, 3),  # a person, partly unlabeled
    (150, 100, 4, 149, 149, 99), (9, 2, 250, 8, 8, 1)]
ADE20K_PAINTED_OVER = (1, 4, 5, 0, 12, 3)  # a person on what the semantic label calls wall


def ade20k(root: pathlib.Path, task: str) -> list[Drawn]:
  """Writes ADEChallengeData2016; in the training image a thing is painted over stuff."""
  drawn = []
  for seed, (split, folder, name) in enumerate((
      ('train', 'training', 'ADE_train_00000001'), ('val', 'validation', 'ADE_val_00000001'),
      ('val', 'validation', 'ADE_val_00000002'))):
    table = _ADE20K if split == 'val' else [ADE20K_PAINTED_OVER, *_ADE20K[1:]]
    label, red, green, *classes = _columns(table, seed)
    _save_image(root / f'images/{folder}/{name}.jpg', seed)
    _save_label(root / f'annotations/{folder}/{name}.png', label)
    blue = (red + green) // 2  # as in the challenge, of no meaning
    _save_label(
        root / f'annotations_instance/{folder}/{name}.png', np.stack([red, green, blue], -1))
    of_task = classes[('semantic', 'panoptic', 'instance').index(task)]
    drawn.append(Drawn(split, name, of_task, green))
  (root / 'objectInfo150.txt').write_text('Idx\tRatio\tTrain\tVal\tName\n')
  return drawn


# Object of the release, class of the 847 by prepare_ade20k_full_sem_seg.py.
_ADE20K_FULL = [
    (2978, 0), (2978, 0), (312, 1), (3148, 846), (1831, 11), (165, 7), (0, VOID), (1, VOID),
    (2420, 2), (2131, 4), (3179, VOID), (447, 6)]


def ade20k_full(root: pathlib.Path, task: str) -> list[Drawn]:
  """Writes ADE20K_2021_17_01."""
  del task
  drawn = []
  for seed, (split, place) in enumerate((
      ('train', 'training/urban/street/ADE_train_00000001'),
      ('val', 'validation/cultural/art_gallery__indoor/ADE_val_00000001'),
      ('val', 'validation/urban/street/ADE_val_00000002'))):
    objects, classes = _columns(_ADE20K_FULL, seed)
    red = objects // 256 * 10 + np.arange(SIZE[1]) % 10  # the last digit means nothing
    colors = np.stack([red, objects % 256, np.full(SIZE, 77)], -1)
    path = root / 'images/ADE' / place
    _save_image(path.with_suffix('.jpg'), seed)
    _save_label(path.with_name(f'{path.name}_seg.png'), colors)
    _save_label(path.with_name(f'{path.name}_parts_1.png'), colors)  # of no interest here
    drawn.append(Drawn(split, place.partition('/')[2], classes, np.zeros(SIZE, int)))
  return drawn


# Value in version 1.1, in version 1.0, class of the 171.
_COCO_STUFF10K = [
    (0, 1, VOID), (1, 2, 0), (1, 2, 0), (13, 13, 11), (90, 81, 79), (92, 82, 80), (182, 172, 170),
    (11, 12, 10), (2, 3, 1), (91 + 20, 101, 99), (157, 147, 145), (0, 1, VOID)]


def coco_stuff10k(root: pathlib.Path, task: str, version: str = '1.1') -> list[Drawn]:
  """Writes COCO-Stuff-10k; one image is in no list."""
  del task
  drawn = []
  lists: dict[str, list[str]] = {'train': [], 'val': []}
  for seed, split in enumerate(('train', 'val', 'val', '')):
    name = f'COCO_train2014_{seed:012d}'
    of_1_1, of_1_0, classes = _columns(_COCO_STUFF10K, seed)
    _save_image(root / f'images/{name}.jpg', seed)
    path = root / f'annotations/{name}.mat'
    path.parent.mkdir(exist_ok=True)
    if version == '1.1':
      names = np.array([f'name {k}' for k in range(1, 183)], object)
      scipy.io.savemat(path, {'S': of_1_1.astype(np.uint8), 'names': names, 'captions': 'a'})
    else:
      _write_1_0(path, of_1_0)
    if split:
      lists[split].append(name)
      drawn.append(Drawn(split, name, classes, np.zeros(SIZE, int)))
  (root / 'imageLists').mkdir()
  for split, list_name in (('train', 'train'), ('val', 'test')):
    (root / f'imageLists/{list_name}.txt').write_text('\n'.join(lists[split]) + '\n')
  return drawn


def _write_1_0(path: pathlib.Path, label: np.ndarray) -> None:
  """Writes a file as MATLAB 7.3 does: HDF5 behind a text, arrays transposed and compressed."""
  with h5py.File(path, 'w', userblock_size=512) as file:
    file.create_dataset('S', data=label.T.astype(np.uint8), compression='gzip')
    name = file.create_dataset('#refs#/a', data=np.zeros(3, np.uint16))
    names = file.create_dataset('names', [1, NAMES_1_0], h5py.ref_dtype)
    names[0, 0] = name.ref
  with open(path, 'r+b') as file:
    file.write(b'MATLAB 7.3 MAT-file')


# Value of labels/, which is the class; the number of the thing.
_MAPILLARY = [
    (0, 1), (13, 0), (13, 0), (27, 0), (55, 2), (55, 3), (64, 0), (65, 0), (19, 4), (30, 0),
    (33, 5), (65, 0)]


def mapillary(root: pathlib.Path, task: str) -> list[Drawn]:
  """Writes Mapillary Vistas 1.2; what is unlabeled is a segment in the training image alone."""
  drawn = []
  for split, folder in (('train', 'training'), ('val', 'validation')):
    rows, panoptic = [], []
    unlabeled = 66000 if split == 'train' else 0
    for seed in range(1 if split == 'train' else 2):
      name = f'{folder}-{seed}'
      label, numbers = _columns(_MAPILLARY, 10 * len(folder) + seed)
      classes = np.where(label == 65, VOID, label)
      _save_image(root / f'{folder}/images/{name}.jpg', seed)
      _save_label(root / f'{folder}/labels/{name}.png', label, palette=True)
      ids = np.where(label == 65, unlabeled, 1000 * (label + 1) + numbers)
      _save_label(
          root / f'{folder}/panoptic/{name}.png',
          np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1))
      segments = [
          {'id': i, 'category_id': i // 1000, 'iscrowd': 0, 'area': int((ids == i).sum())}
          for i in np.unique(ids).tolist() if i]
      rows.append(
          {'id': name, 'file_name': f'{name}.jpg', 'height': SIZE[0], 'width': SIZE[1]})
      panoptic.append({'image_id': name, 'file_name': f'{name}.png', 'segments_info': segments})
      drawn.append(Drawn(split, name, classes, numbers))
    categories = [
        {'id': c.id, 'name': c.name, 'isthing': int(c.isthing)}
        for c in catalog.get('mapillary').classes]
    categories.append({'id': 66, 'name': 'Unlabeled', 'isthing': 0})
    (root / folder / 'panoptic/panoptic_2018.json').write_text(
        json.dumps({'images': rows, 'annotations': panoptic, 'categories': categories}))
  return drawn


# Values of SegmentationClass and SegmentationObject; class of the 21.
_PASCAL_VOC = [
    (0, 0, 0), (0, 0, 0), (0, 0, 0), (255, 255, VOID), (15, 1, 15), (15, 2, 15), (15, 2, 15),
    (1, 3, 1), (20, 4, 20), (255, 255, VOID), (12, 5, 12), (0, 0, 0)]


def pascal_voc(root: pathlib.Path, task: str) -> list[Drawn]:
  """Writes VOCdevkit/VOC2012; one image is in the list of SBD alone, without labels of VOC."""
  folder = root / 'VOCdevkit/VOC2012'
  drawn = []
  for seed, (split, name) in enumerate((
      ('train', '2007_000032'), ('val', '2007_000033'), ('val', '2007_000042'),
      ('', '2008_000002'))):
    label, objects, classes = _columns(_PASCAL_VOC, seed)
    _save_image(folder / f'JPEGImages/{name}.jpg', seed)
    if split:
      _save_label(folder / f'SegmentationClass/{name}.png', label, palette=True)
      _save_label(folder / f'SegmentationObject/{name}.png', objects, palette=True)
      if task == 'instance':
        classes = np.where(classes > 0, classes - 1, VOID)
      drawn.append(Drawn(split, name, classes, np.where(objects == 255, 0, objects)))
  lists = folder / 'ImageSets/Segmentation'
  lists.mkdir(parents=True)
  for split in ('train', 'val'):
    names = [one.id for one in drawn if one.split == split]
    (lists / f'{split}.txt').write_text('\r\n'.join(names) + '\r\n')
  return drawn


# Value of *_instanceIds.png; class of the 19 by createPanopticImgs.py; number of the instance.
_CITYSCAPES = [
    (7, 0, 0), (7, 0, 0), (8, 1, 0), (1, VOID, 0), (3, VOID, 0), (26000, 13, 26000),
    (26001, 13, 26001), (24000, 11, 24000), (33005, 18, 33005), (29000, VOID, 0), (23, 10, 0),
    (11, 2, 0)]
_THINGS = (11, 12, 13, 14, 15, 16, 17, 18)


def cityscapes(root: pathlib.Path, task: str) -> list[Drawn]:
  """Writes leftImg8bit and gtFine."""
  drawn = []
  for seed, (split, city) in enumerate((('train', 'ulm'), ('val', 'lindau'), ('val', 'munster'))):
    name = f'{city}_000000_000019'
    label, classes, numbers = _columns(_CITYSCAPES, seed)
    _save_image(root / f'leftImg8bit/{split}/{city}/{name}_leftImg8bit.png', seed)
    _save_label(root / f'gtFine/{split}/{city}/{name}_gtFine_instanceIds.png', label)
    if task == 'instance':
      classes = np.where(np.isin(classes, _THINGS), classes - _THINGS[0], VOID)
    drawn.append(Drawn(split, f'{city}/{name}', classes, numbers))
  return drawn


WRITERS = {
    'ade20k': ade20k,
    'ade20k_full': ade20k_full,
    'cityscapes': cityscapes,
    'coco_stuff10k': coco_stuff10k,
    'mapillary': mapillary,
    'pascal_voc': pascal_voc,
}
