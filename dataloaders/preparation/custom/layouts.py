"""Finds the images and the annotations in a folder of a user's, by the names that people give."""

import os
from typing import NamedTuple

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.dataloaders.preparation.custom import yolo_files

_IMAGES = ('images', 'image', 'imgs', 'img', 'img_dir', 'JPEGImages', 'leftImg8bit')
_ANNOTATIONS = (
    'annotations', 'annotation', 'labels', 'label', 'masks', 'mask', 'ann_dir', 'gt', 'gtFine',
    'annots', 'ground_truth', 'groundtruth', 'segmentation', 'segmentations', 'SegmentationClass',
    'targets')
# What follows the name of a split in that of the folder with its labels: trainannot, train_masks.
_OF_SPLIT = ('annot', 'annots', *_ANNOTATIONS)
_TRAIN = ('train', 'training')
_VALIDATION = ('val', 'valid', 'validation', 'test')
# What shows that a form knows by itself where its images are.
_COMPLETE = ('data.yaml', 'ImageSets', 'result.json')
_ROBOFLOW = '_annotations.coco.json'


class Lot(NamedTuple):
  """Where images and annotations are.

  Attributes:
    images: folder; '': the annotations say it.
    annotations: file or folder.
  """
  images: str
  annotations: str


def find(path: str) -> tuple[Lot, Lot | None]:
  """Returns where all or the training images are, and those for validation or None.

  Args:
    path: a folder, or a YAML file: of a data set with its splits, or of another tool.

  Raises:
    UserError: it does not exist, or nothing in it is called as images and annotations are.
  """
  if not tf.io.gfile.exists(path):
    raise errors.UserError(f'{path} does not exist; name a folder, or the YAML file of a data set')
  if not tf.io.gfile.isdir(path):
    return _of_file(path)
  names = {name.rstrip('/') for name in tf.io.gfile.listdir(path)}
  is_complete = names & set(_COMPLETE) or _has_roboflow(path, names)
  if is_complete or _has_data_yaml(path, names):
    return Lot('', path), None
  images = _below(path, names, _IMAGES)
  if images:
    return _beside(path, names, images)
  train = _below(path, names, _TRAIN)
  if train:
    return _of_splits(path, names, train, _below(path, names, _VALIDATION))
  return Lot('', path), None


def _of_splits(path: str, names: set[str], train: str, validation: str) -> tuple[Lot, Lot | None]:
  """Returns the lots of a folder with a folder for training, and one for validation or ''.

  The annotations are in those folders, or next to them.
  """
  annotations = _one_below(path, names, _ANNOTATIONS)
  lots = []
  for split, folder in ((_TRAIN, train), (_VALIDATION, validation)):
    labels = _labels_next_to(path, names, folder) or (
        _named(annotations, split) if annotations else '')
    lots.append(Lot(folder, labels) if labels and not _holds_annotations(folder) else None)
  first, second = lots
  if first and (second or not validation):
    return first, second
  if not validation:
    return (find(train)[0] if _holds_annotations(train) else Lot('', path)), None
  if annotations and not _holds_annotations(train):
    return Lot('', path), None
  return find(train)[0], find(validation)[0]


def _holds_annotations(folder: str) -> bool:
  """Whether there are annotations by their usual names, or a JSON, in a folder."""
  names = {name.rstrip('/') for name in tf.io.gfile.listdir(folder)} if folder else set()
  has_json = any(name.lower().endswith('.json') for name in names)
  return has_json or bool(_below(folder, names, _ANNOTATIONS))


def _labels_next_to(path: str, names: set[str], split: str) -> str:
  """Returns the folder of labels that is called after that of a split, train_masks; else ''."""
  name = os.path.basename(split)
  if not name:
    return ''
  known = [f'{name}{gap}{word}' for word in _OF_SPLIT for gap in ('', '_', '-')]
  return _one_below(path, names, tuple(known))


def _one_below(path: str, names: set[str], known: tuple[str, ...]) -> str:
  """Returns the path of the only folder with a known name, '' without one.

  Raises:
    UserError: there are several.
  """
  found = [name for name in (_below(path, names, (one,)) for one in known) if name]
  if len(found) > 1:
    raise errors.UserError(
        f'{" and ".join(found)} may be the annotations; name the right one with --images and '
        '--annotations')
  return found[0] if found else ''


def _of_file(path: str) -> tuple[Lot, Lot | None]:
  """Returns the lots of a description with splits; any other file is annotations by itself."""
  if not descriptor_file.is_description(path):
    return Lot('', path), None
  lots = catalog.describe(path).splits
  if not lots:
    raise errors.UserError(
        f'{path} does not say where the data are; add "splits: {{train: {{images: ..., '
        'annotations: ...}, val: {...}}"')
  if set(lots) != {'train', 'val'}:
    raise errors.UserError(f'{path}: splits are {", ".join(lots)}; they must be train and val')
  train, validation = lots['train'], lots['val']
  return (Lot(train.images, train.annotations), Lot(validation.images, validation.annotations))


def _has_roboflow(path: str, names: set[str]) -> bool:
  return any(
      tf.io.gfile.exists(os.path.join(path, name, _ROBOFLOW)) for name in names & {'train', '.'})


def _has_data_yaml(path: str, names: set[str]) -> bool:
  """Whether there is YOLO's data.yaml, by any name."""
  return any(
      yolo_files.is_data_yaml(os.path.join(path, name)) for name in sorted(names)
      if name.endswith(('.yaml', '.yml')))


def _below(path: str, names: set[str], known: tuple[str, ...]) -> str:
  """Returns the path of the first known name that is there, else ''."""
  by_lower = {name.lower(): name for name in names}
  for name in known:
    found = by_lower.get(name.lower())
    if found is not None and tf.io.gfile.isdir(os.path.join(path, found)):
      return os.path.join(path, found)
  return ''


def _beside(path: str, names: set[str], images: str) -> tuple[Lot, Lot | None]:
  """Returns the lots of a folder with a folder of images: annotations are next to that."""
  annotations = _one_below(path, names, _ANNOTATIONS)
  files = sorted(name for name in names if name.lower().endswith('.json'))
  if not annotations and len(files) == 1:
    return Lot(images, os.path.join(path, files[0])), None
  if not annotations and files:  # train.json and val.json
    return Lot(images, path), None
  if not annotations:
    shown = ', '.join(errors.quoted(name) for name in sorted(names)[:8])
    raise errors.UserError(
        f'{path} holds {shown}, and nothing is called as annotations are (annotations, labels, '
        'masks, or JSON files); name them with --images and --annotations')
  pairs = []
  for split in (_TRAIN, _VALIDATION):
    pair = Lot(_named(images, split), _named(annotations, split))
    pairs.append(pair if pair.images and pair.annotations else None)
  if pairs[0] and pairs[1]:
    return pairs[0], pairs[1]
  inside = sorted(name for name in tf.io.gfile.listdir(annotations) if name.endswith('.json'))
  if len(inside) == 1:
    annotations = os.path.join(annotations, inside[0])
  return Lot(images, annotations), None


def _named(folder: str, split: tuple[str, ...]) -> str:
  """Returns the folder, or the JSON file, of a split below a folder, else ''."""
  names = {name.rstrip('/') for name in tf.io.gfile.listdir(folder)}
  found = _below(folder, names, split)
  if found:
    return found
  files = [name for name in sorted(names) if name.endswith('.json') and any(
      word in name.lower() for word in split)]
  return os.path.join(folder, files[0]) if len(files) == 1 else ''
