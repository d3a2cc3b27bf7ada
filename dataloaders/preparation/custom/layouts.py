"""Finds the images and the annotations in a folder of a user's, by the names that people give."""

import os

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.configs.datasets.descriptor_file import Lot
from tf_maskformer.dataloaders.preparation.custom import pairs
from tf_maskformer.dataloaders.preparation.custom import yolo_files

_IMAGES = ('images', 'image', 'imgs', 'img', 'img_dir', 'JPEGImages', 'leftImg8bit')
_ANNOTATIONS = (
    'annotations', 'annotation', 'labels', 'label', 'masks', 'mask', 'ann_dir', 'gt', 'gtFine',
    'annots', 'ground_truth', 'groundtruth', 'segmentation', 'segmentations', 'SegmentationClass',
    'targets')
# Folder of a split's annotations next to the split's folder of images: train_masks, trainannot.
_OF_SPLIT = ('annot', 'annots', *_ANNOTATIONS)
_TRAIN = ('train', 'training')
_VALIDATION = ('val', 'valid', 'validation', 'test')
# What shows that a form knows by itself where its images are.
_COMPLETE = ('data.yaml', 'ImageSets', 'result.json')
_ROBOFLOW = '_annotations.coco.json'
_SHOWN = 8
_OTHER = ('.json', '.txt', '.yaml', '.yml', '.xml')  # of annotations that are not label images


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
  names = _names_in(path)
  has_roboflow = tf.io.gfile.exists(os.path.join(path, 'train', _ROBOFLOW))
  if names & set(_COMPLETE) or has_roboflow or _has_data_yaml(path, names):
    return Lot('', path), None
  images = _below(path, names, _IMAGES)
  if images:
    return _beside(path, names, images)
  train = _below(path, names, _TRAIN)
  validation = _below(path, names, _VALIDATION)
  if train and validation:
    return _of_splits(path, names, train, validation)
  if train:
    labels = _annotations_of(path, names, train, _TRAIN)
    return (Lot(train, labels), None) if labels else find(train)
  return Lot(path if _holds_images_alone(path) else '', path), None


def _has_data_yaml(path: str, names: set[str]) -> bool:
  """Whether there is YOLO's data.yaml, by any name."""
  return any(
      yolo_files.is_data_yaml(os.path.join(path, name)) for name in sorted(names)
      if name.endswith(('.yaml', '.yml')))


def _of_splits(path: str, names: set[str], train: str, validation: str) -> tuple[Lot, Lot | None]:
  """Returns the lots of two folders: annotations are next to them, or inside each."""
  first = _annotations_of(path, names, train, _TRAIN)
  second = _annotations_of(path, names, validation, _VALIDATION)
  if first and second:
    return Lot(train, first), Lot(validation, second)
  return find(train)[0], find(validation)[0]


def _annotations_of(path: str, names: set[str], images: str, split: tuple[str, ...]) -> str:
  """Returns the annotations next to a folder of a split's images, else ''.

  They are train_masks/ next to train/, masks/train/, annotations/train.json, or train.json.
  """
  own = os.path.basename(images)
  companions = tuple(f'{own}{joint}{word}' for joint in ('_', '-', '') for word in _OF_SPLIT)
  companions += tuple(f'{word}{joint}{own}' for joint in ('_', '-') for word in _OF_SPLIT)
  found = _one_below(path, names, companions)
  if found:
    return found
  common = _one_below(path, names, _ANNOTATIONS)
  if common:
    inside = _folder_of(common, (own, *split)) or _json_of(common, _names_in(common), split)
    if inside:
      return inside
  return _json_of(path, names, split)


def _holds_images_alone(path: str) -> bool:
  """Whether a folder holds images and label images together, and no other annotations."""
  has_images = False
  for _, _, names in tf.io.gfile.walk(path):
    names = [name.lower() for name in names if not name.lower().startswith('readme')]
    if any(name.endswith(_OTHER) for name in names):
      return False
    has_images = has_images or any(name.endswith(pairs.ENDINGS) for name in names)
  return has_images


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
  return lots['train'], lots['val']


def _below(path: str, names: set[str], known: tuple[str, ...]) -> str:
  """Returns the path of the first known name that is there, else ''."""
  by_lower = {name.lower(): name for name in names}
  for name in known:
    found = by_lower.get(name.lower())
    if found is not None and tf.io.gfile.isdir(os.path.join(path, found)):
      return os.path.join(path, found)
  return ''


def _one_below(path: str, names: set[str], known: tuple[str, ...]) -> str:
  """Returns the path of the only folder with a known name, '' without one.

  Raises:
    UserError: there are several.
  """
  found = [name for name in (_below(path, names, (one,)) for one in known) if name]
  distinct = list(dict.fromkeys(found))
  if len(distinct) > 1:
    raise errors.UserError(
        f'{" and ".join(distinct)} may be the annotations; name the right one with --images and '
        '--annotations')
  return distinct[0] if distinct else ''


def _beside(path: str, names: set[str], images: str) -> tuple[Lot, Lot | None]:
  """Returns the lots of a folder with a folder of images: annotations are next to that."""
  annotations = _one_below(path, names, _ANNOTATIONS)
  if not annotations:
    return _json_beside(path, names, images)
  train = _folders_of(images, annotations, _TRAIN)
  validation = _folders_of(images, annotations, _VALIDATION)
  if train and validation:
    return train, validation
  inside = sorted(name for name in tf.io.gfile.listdir(annotations) if name.endswith('.json'))
  if len(inside) == 1:
    annotations = os.path.join(annotations, inside[0])
  return Lot(images, annotations), None


def _json_beside(path: str, names: set[str], images: str) -> tuple[Lot, Lot | None]:
  """Returns the lots of a folder of images with one JSON, or one per split, next to it."""
  train = _json_of(path, names, _TRAIN)
  validation = _json_of(path, names, _VALIDATION)
  if train and validation and train != validation:
    first = Lot(_folder_of(images, _TRAIN) or images, train)
    return first, Lot(_folder_of(images, _VALIDATION) or images, validation)
  jsons = [name for name in names if name.endswith('.json')]
  if len(jsons) == 1:
    return Lot(images, os.path.join(path, jsons[0])), None
  shown = ', '.join(errors.quoted(name) for name in sorted(names)[:_SHOWN])
  raise errors.UserError(
      f'{path} holds {shown}, and nothing is called as annotations are (annotations, labels, '
      'masks, one JSON file, or train.json and val.json); name them with --images and '
      '--annotations')


def _folder_of(folder: str, split: tuple[str, ...]) -> str:
  """Returns the folder of a split below a folder, else ''."""
  return _below(folder, _names_in(folder), split)


def _folders_of(images: str, annotations: str, split: tuple[str, ...]) -> Lot | None:
  """Returns the folders of a split below both, with the same name if there are any such."""
  for words in (*((word,) for word in split), split):
    lot = Lot(_folder_of(images, words), _folder_of(annotations, words))
    if lot.images and lot.annotations:
      return lot
  return None


def _names_in(folder: str) -> set[str]:
  return {name.rstrip('/') for name in tf.io.gfile.listdir(folder)}


def _json_of(folder: str, names: set[str], split: tuple[str, ...]) -> str:
  """Returns the path of the JSON file of a split, the first of its names that one has, else ''."""
  jsons = sorted(name for name in names if name.endswith('.json'))
  for word in split:
    found = [name for name in jsons if word in name.lower()]
    if len(found) == 1:
      return os.path.join(folder, found[0])
  return ''
