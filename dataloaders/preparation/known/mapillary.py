"""Mapillary Vistas 1.2 as its owners publish it: semantic and panoptic.

The download of version 2.0 holds the labels of 1.2, too, in a folder v1.2 of each split.
"""

import posixpath

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders.preparation.coco_panoptic import CocoPanoptic
from tf_maskformer.dataloaders.preparation.known import download
from tf_maskformer.dataloaders.preparation.known.download import Part
from tf_maskformer.dataloaders.preparation.known.download import Wanted
from tf_maskformer.dataloaders.preparation.semantic import SemanticFolders
from tf_maskformer.dataloaders.preparation.source import Source

_FOLDER_OF = {'train': 'training', 'val': 'validation'}
_ORIGIN = 'Mapillary Vistas 1.2, www.mapillary.com/dataset/vistas'
_OF_1_2 = 'v1.2'  # folder of a split in the download of version 2.0
_CONFIGS = ('config_v1.2.json', 'config.json')
_PANOPTIC_JSON = 'panoptic_2018.json'


def sources(wanted: Wanted) -> dict[str, Source]:
  """Returns the source of each split.

  Args:
    wanted: the root holds training and validation.

  Raises:
    UserError: a part of the download is missing, or it has the classes of another version.
  """
  root = download.locate(wanted.root, _FOLDER_OF[wanted.splits[0]], ['mapillary_vistas'])
  _require_version(root, wanted.data_set)
  return {
      split: _source(root, split, wanted.task, wanted.data_set) for split in wanted.splits}


def _source(root: str, split: str, task: str, data_set: str) -> Source:
  folder = _FOLDER_OF[split]
  images = posixpath.join(folder, 'images')
  labels = posixpath.join(folder, _OF_1_2)
  if not tf.io.gfile.isdir(posixpath.join(root, labels)):
    labels = folder
  labels = posixpath.join(labels, 'labels' if task == 'semantic' else 'panoptic')
  needed = [images, labels]
  if task == 'panoptic':
    needed.append(posixpath.join(labels, _PANOPTIC_JSON))
  download.require(root, [Part(path, _ORIGIN) for path in needed])
  images_folder = posixpath.join(root, images)
  labels_folder = posixpath.join(root, labels)
  if task == 'semantic':
    return SemanticFolders(images_folder, labels_folder, data_set)
  return CocoPanoptic(
      images=images_folder,
      annotations=posixpath.join(labels_folder, _PANOPTIC_JSON),
      panoptic=labels_folder,
      data_set=data_set)


def _require_version(root: str, data_set: str) -> None:
  """Raises UserError where the download's configuration names other classes than 1.2 has."""
  paths = [posixpath.join(root, name) for name in _CONFIGS]
  path = next((path for path in paths if tf.io.gfile.exists(path)), None)
  if path is None:
    return
  content = files.read_json(path)
  labels = content.get('labels') if isinstance(content, dict) else None
  rows = labels if isinstance(labels, list) else []
  found = [row.get('readable') if isinstance(row, dict) else None for row in rows]
  wanted = [c.name for c in catalog.get(data_set).classes]
  for k, name in enumerate(wanted):
    own = found[k] if k < len(found) else None
    if own != name:
      raise errors.UserError(
          f'{path} calls label {k} {errors.quoted(own)}, Mapillary Vistas 1.2 {name}; give the '
          'download of version 1.2, or the one of 2.0, which has it, too')
