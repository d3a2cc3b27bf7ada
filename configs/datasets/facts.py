"""What the records of a data set hold, as their preparation has reported it."""

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor_file

_SPLITS = ('train', 'val')
_REPORT = '.report.json'
RECORDS = '_records'  # end of the name of the folder with the records of a user's YAML file


class Facts(NamedTuple):
  """Of training and validation records.

  Attributes:
    folder: of the records.
    train_images: how many there are.
    validation_images: how many there are.
    short_edge: median over the training images, pixels.
    long_edge: median, pixels.
    longest_edge: of any image, pixels.
    most_segments: of an image, without crowds.
    most_planes: id maps of an image.
  """
  folder: str
  train_images: int
  validation_images: int
  short_edge: int
  long_edge: int
  longest_edge: int
  most_segments: int
  most_planes: int


def folder_of(data_set: str) -> str:
  """Returns the folder with the records of a user's data set: its file's, or that next to it.

  Args:
    data_set: path of a folder or a YAML file, see `catalog.describe`.
  """
  if not data_set.endswith(('.yaml', '.yml')):
    return data_set
  folder, name = os.path.split(data_set)
  if name == descriptor_file.NAME:
    return folder or '.'
  return folder_of_raw(data_set)


def folder_of_raw(data: str) -> str:
  """Returns the folder for the records of a user's folder of images and annotations, or its YAML.

  Args:
    data: path of a folder or a YAML file.
  """
  path = os.path.splitext(data)[0] if data.endswith(('.yaml', '.yml')) else data.rstrip('/')
  if os.path.basename(path) in ('', '.', '..'):  # the folder's own name is needed
    path = os.path.abspath(path or '/')
  return path + RECORDS


def are_prepared(data_set: str) -> bool:
  """Whether the records of a user's data set are complete: both splits have their reports.

  Raises:
    UserError: a report cannot be read.
  """
  folder = folder_of(data_set)
  return all(_is_complete(os.path.join(folder, split + _REPORT)) for split in _SPLITS)


def _is_complete(path: str) -> bool:
  """Whether a report is there, of a conversion that made every shard, and something in them."""
  if not tf.io.gfile.exists(path):
    return False
  content: Any = files.read_json(path)
  if not isinstance(content, dict):
    return True  # whoever reads it says what is wrong
  return not content.get('shards_failed') and content.get('written') != 0


def read(data_set: str) -> Facts:
  """Returns what the reports say.

  Args:
    data_set: path of a folder or a YAML file, see `catalog.describe`.

  Raises:
    UserError: it is not a user's data set, or its records are not prepared.
  """
  catalog.get(data_set)
  if not catalog.is_path(data_set):
    raise errors.UserError(
        f'task.data_set={data_set} is a built-in data set, which has experiments of its own; name '
        'the folder of records of your own')
  folder = folder_of(data_set)
  if not are_prepared(data_set):
    raise errors.UserError(
        f'{folder} does not hold the records of train and val; make them with tf-maskformer '
        f'prepare custom, or give --data {data_set} instead of task.data_set')
  train, validation = (_counts(os.path.join(folder, split + _REPORT)) for split in _SPLITS)
  sizes = _sizes(train)
  longest = max(max(size) for size in {**sizes, **_sizes(validation)})
  return Facts(
      folder=folder,
      train_images=train['images'],
      validation_images=validation['images'],
      short_edge=_median(sizes, min),
      long_edge=_median(sizes, max),
      longest_edge=longest,
      most_segments=max(train['most_segments'], 1),
      most_planes=max(train['most_planes'], validation['most_planes'], 1))


def _counts(path: str) -> dict[str, Any]:
  """Returns the counts of a report; raises UserError where it has none."""
  content: Any = files.read_json(path)
  counts: Any = content.get('counts') if isinstance(content, dict) else None
  keys = ('images', 'most_segments', 'most_planes')
  is_good = isinstance(counts, dict) and all(type(counts.get(key)) is int for key in keys)
  if not is_good or not _sizes(counts):
    raise errors.UserError(
        f'{path} does not say what the records hold (of an earlier version?); convert the data set '
        'again')
  return counts


def _sizes(counts: Mapping[str, Any]) -> dict[tuple[int, int], int]:
  """Returns how many images there are of each (height, width)."""
  sizes = counts.get('sizes')
  found = {}
  for size, count in (sizes if isinstance(sizes, dict) else {}).items():
    height, _, width = size.partition('x')
    if height.isdecimal() and width.isdecimal() and type(count) is int:
      found[int(height), int(width)] = count
  return found


def _median(sizes: Mapping[tuple[int, int], int], edge: Callable[[tuple[int, int]], int]) -> int:
  """Returns the median of an edge (min or max of the two) over images."""
  edges = sorted((edge(size), count) for size, count in sizes.items())
  half = sum(count for _, count in edges) / 2
  seen = 0
  for length, count in edges:
    seen += count
    if seen >= half:
      return length
  raise AssertionError('there are no sizes')
