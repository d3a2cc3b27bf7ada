"""Predictions in files, each form by itself: what it holds of each image of the truth."""

import collections
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import coco_categories
from tf_maskformer.dataloaders import coco_json
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders import json_values
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.tasks.offline import id_maps
from tf_maskformer.tasks.offline import label_folder
from tf_maskformer.tasks.offline.image_names import ImageNames
from tf_maskformer.tasks.offline.image_names import listed
from tf_maskformer.tasks.offline.truth import IdMap


class PanopticPredictions:
  """A panoptic JSON and its PNGs.

  Attributes:
    description: what they are, for people.
  """

  def __init__(self, path: str, names: ImageNames, data_set: DataSet):
    """Reads the JSON.

    Args:
      path: of the JSON.
      names: of the images of the truth, each of which must have a prediction.
      data_set: the classes.

    Raises:
      UserError: images are missing, double or unknown, or categories are called otherwise.
    """
    content = files.read_json(path)
    rows = content.get('annotations') if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
      raise errors.UserError(f'{path} is not a panoptic JSON: it has no list of annotations')
    self._class_of = data_set.contiguous_ids
    by_name = _distinct(rows, path)
    found = names.find(list(by_name), path)
    names.require_all(found.values(), path)
    self._rows = {key: by_name[name] for name, key in found.items()}
    _require_same_names(content, rows, data_set, path)
    first = next(iter(self._rows.values()))
    self._folder = id_maps.folder_of(path, first.get('file_name'))
    self.description = f'COCO panoptic JSON {path}, PNGs in {self._folder}'

  def read(self, key: str, size: tuple[int, int]) -> IdMap:
    """Returns id map and segments of an image, as `PanopticQuality.update` takes them.

    Args:
      key: id of the image.
      size: its (height, width).

    Raises:
      UnusableImage: the prediction cannot be used.
    """
    row = self._rows[key]
    path = id_maps.path_in(self._folder, row.get('file_name'))
    id_map = id_maps.read(path)
    _require_size(id_map, size, path)
    infos = row.get('segments_info')
    if not isinstance(infos, list) or not all(isinstance(info, dict) for info in infos):
      raise UnusableImage('its segments_info are not a list of objects')
    known = []
    for info in infos:
      category = json_values.as_whole(info.get('category_id'))
      known.append({
          'id': json_values.as_whole(info.get('id')),
          'category_id': '' if category is None else category,  # None would be an ignored one
          'iscrowd': 0,
          'area': None,
      })
    as_truth = {'file_name': row['file_name'], 'segments_info': known}
    return id_maps.segments(id_map, as_truth, self._class_of, path)


class InstancePredictions:
  """A list of COCO's results.

  Attributes:
    description: what they are, for people.
  """

  def __init__(self, path: str, names: ImageNames, data_set: DataSet, num_images: int):
    """Reads the JSON.

    Args:
      path: of the JSON.
      names: of the images of the truth.
      data_set: the classes.
      num_images: of the truth.

    Raises:
      UserError: it is not such a list, or holds something twice or of unknown images.
    """
    rows = files.read_json(path)
    if not isinstance(rows, list):
      raise errors.UserError(f'{path} is not a list of results')
    self._path = path
    self._class_of = data_set.contiguous_ids
    of_image: dict[str, list[dict[str, Any]]] = {}
    for number, row in enumerate(rows):
      name = coco_json.key_of(row.get('image_id')) if isinstance(row, dict) else ''
      if not name:
        raise errors.UserError(f'{path}: result {number} has no image_id')
      of_image.setdefault(name, []).append({**row, 'id': number})
    found = names.find(list(of_image), path)
    self._rows = {key: of_image[name] for name, key in found.items()}
    for key, of_key in self._rows.items():
      _require_no_copies(of_key, key, path)
    self.description = (
        f'COCO results {path}: {len(rows)} instances in {len(found)} of {num_images} images')

  def read(self, key: str, size: tuple[int, int]) -> list[dict[str, Any]]:
    """Returns the instances of an image, as `InstanceAP.update` takes them; see above."""
    rows = self._rows.get(key, [])
    schema.require_masks_fit(len(rows), size)
    found = []
    for row in rows:
      where = f'result {row["id"]} of {self._path}'
      category = json_values.as_whole(row.get('category_id'))
      if type(category) is not int or category not in self._class_of:
        raise UnusableImage(
            f'{where} has the category {errors.quoted(row.get("category_id"))}, which the truth '
            'does not have')
      score = row.get('score')
      if type(score) not in (int, float) or not math.isfinite(score):
        raise UnusableImage(f'{where} has the score {errors.quoted(score)}, which is not a number')
      if instance_masks.is_missing(row.get('segmentation')):
        raise UnusableImage(f'{where} has no mask (segmentation); a box alone is not scored')
      mask = instance_masks.rasterize(
          {'id': row['id'], 'segmentation': row['segmentation']}, size, self._path)
      found.append({'category_id': self._class_of[category], 'score': float(score), 'mask': mask})
    return found


class LabelPredictions:
  """A folder of label images.

  Attributes:
    description: what they are, for people.
  """

  def __init__(self, paths: Mapping[str, str], folder: str, names: ImageNames, data_set: str,
               num_classes: int, are_indices: bool):
    """Takes the images.

    Args:
      paths: of the images by their names, see `label_folder.find`.
      folder: of the images, for messages.
      names: of the images of the truth, each of which must have a prediction.
      data_set: see `catalog.get`.
      num_classes: of the data set.
      are_indices: whether the values are classes counted from 0, not the truth's values.

    Raises:
      UserError: images are missing, double or unknown.
    """
    found = names.find(list(paths), folder)
    names.require_all(found.values(), folder)
    self._paths = {key: paths[name] for name, key in found.items()}
    self._data_set = data_set
    self._num_classes = num_classes
    self._are_indices = are_indices
    values = 'classes counted from 0' if are_indices else "the truth's values"
    self.description = f'folder of label images {folder}, {values}'

  def read(self, key: str, size: tuple[int, int]) -> np.ndarray:
    """Returns the classes of an image, integers [height, width], -1 = void; see above."""
    path = self._paths[key]
    if self._are_indices:
      return label_folder.read_indices(path, size, self._num_classes)
    labels = label_folder.read(path, self._data_set)
    _require_size(labels, size, path)
    return labels


def _require_size(array: np.ndarray, size: tuple[int, int], path: str) -> None:
  if array.shape != tuple(size):
    raise UnusableImage(f'{path} is {array.shape[0]}x{array.shape[1]}, the truth '
                        f'{size[0]}x{size[1]}; predict at original size')


def _distinct(rows: list[dict[str, Any]], path: str) -> dict[str, dict[str, Any]]:
  """Returns the annotations by image_id; raises UserError where an image has two or has no id."""
  by_name: dict[str, dict[str, Any]] = {}
  for number, row in enumerate(rows):
    name = coco_json.key_of(row.get('image_id'))
    if not name:
      raise errors.UserError(f'{path}: annotation {number} has no image_id')
    if name in by_name:
      raise errors.UserError(
          f'{path} has two predictions of image {errors.quoted(name)}; leave one')
    by_name[name] = row
  return by_name


def _require_no_copies(rows: list[dict[str, Any]], key: str, path: str) -> None:
  """Raises UserError where all of an image is there twice: two files that were joined, say."""
  counts = collections.Counter(
      (str(row.get('category_id')), str(row.get('score')), str(row.get('segmentation')))
      for row in rows)
  if min(counts.values()) > 1:
    raise errors.UserError(
        f'{path} has image {errors.quoted(key)} twice: every instance of it is there again, the '
        f'first is result {rows[0]["id"]}; leave one')


def _require_same_names(content: Mapping[str, Any], rows: list[dict[str, Any]], data_set: DataSet,
                        path: str) -> None:
  """Raises UserError where the predictions call a category otherwise than the truth."""
  called: dict[int, str] = {}
  categories = content.get('categories')
  for one in categories if isinstance(categories, list) else []:
    _note_name(called, one, 'id', 'name')
  for row in rows:
    infos = row.get('segments_info')
    for info in infos if isinstance(infos, list) else []:
      _note_name(called, info, 'category_id', 'category_name')
  conflicts = []
  for one in data_set.classes:
    name = called.get(one.id)
    known = (one.name, *one.aliases)
    if name and not any(coco_categories.agree(name, k) for k in known):
      conflicts.append(f'{one.id} is {name!r}, there {one.name!r}')
  if conflicts:
    raise errors.UserError(
        f'{path} calls {len(conflicts)} categories otherwise than the truth: {listed(conflicts)}; '
        'give the truth of the same data set')


def _note_name(called: dict[int, str], row: Any, id_key: str, name_key: str) -> None:
  """Notes what a category is called, where a row of a JSON says so."""
  if isinstance(row, dict) and isinstance(row.get(name_key), str):
    number = json_values.as_whole(row.get(id_key))
    if type(number) is int:
      called[number] = row[name_key]
