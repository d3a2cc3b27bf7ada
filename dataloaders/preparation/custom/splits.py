"""One lot of images as several splits: by chance, with a seed, or by lists of file names."""

import dataclasses
import os
import posixpath
import random
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs import override_files
from tf_maskformer.dataloaders.preparation import manifest
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.dataloaders.preparation.custom import coco_layouts
from tf_maskformer.dataloaders.preparation.source import Converted
from tf_maskformer.dataloaders.preparation.source import Source

_LARGEST_LIST = 2**28  # bytes
_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Part(Source):
  """The images of a source whose names are in a list.

  Attributes:
    whole: source of all images.
    names: text file with a file name per line.
    data_set: that of `whole`.
  """
  whole: Source
  names: str
  data_set: str

  def rows(self) -> list[dict[str, Any]]:
    """See `Source.rows`; UserError also where a name of the list is not an image."""
    rows = self.whole.rows()
    return [rows[k] for k in _indices(rows, self.names)]

  def convert_image(self, row: dict[str, Any]) -> Converted:
    """See `Source.convert_image`."""
    return self.whole.convert_image(row)

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return self.whole.annotations_state() + source.text_state(self.names)


def _indices(rows: Sequence[Mapping[str, Any]], path: str) -> list[int]:
  """Returns which rows a list names, each once, in the list's order.

  A name is the path of an image as the annotations have it; where there is none, its last part, or
  that without the ending.

  Args:
    rows: of all images.
    path: of the list.

  Raises:
    UserError: the list is empty, or a name is of no image, or of several.
  """
  tables: tuple[dict[str, list[int]], ...] = ({}, {}, {})
  for k, row in enumerate(rows):
    name = posixpath.basename(row['file_name'])
    for table, key in zip(tables, (row['file_name'], name, os.path.splitext(name)[0])):
      table.setdefault(key, []).append(k)
  found: dict[int, None] = {}
  missing = []
  for line in read_list(path):
    matches = _matches(tables, line) or _matches(tables, line.strip())
    paths = {rows[k]['file_name'] for k in matches}
    if len(paths) > 1:
      shown = ' or '.join(errors.quoted(name) for name in sorted(paths)[:_SHOWN])
      raise errors.UserError(
          f'{path} names {errors.quoted(line)}, which may be {shown}; write the path')
    if not matches:
      missing.append(line)
    found.update(dict.fromkeys(matches))
  if missing:
    raise errors.UserError(
        f'{path} names {len(missing)} images that are not annotated, '
        f'{errors.quoted(missing[0])} for one; correct the list')
  return list(found)


def name_of(path: str) -> str:
  """Returns the split of a list: its file's name, but 'train' or 'val' for another word for it."""
  stem = os.path.splitext(posixpath.basename(path))[0]
  return coco_layouts.SPLITS.get(stem.lower(), stem)


def _matches(tables: Sequence[Mapping[str, list[int]]], name: str) -> list[int]:
  """Returns what the first table that knows a name has for it."""
  return next((table[name] for table in tables if name in table), [])


def read_list(path: str) -> list[str]:
  """Returns the lines of a text file that are not blank; raises UserError where there is none."""
  text = override_files.read_text(path, _LARGEST_LIST, 'list')
  # Names may contain the characters that only `str.splitlines` takes for ends of lines.
  lines = text.replace('\r\n', '\n').replace('\r', '\n').split('\n')
  found = [line for line in lines if line.strip()]
  errors.require(bool(found), f'list {path} is empty; it needs a file name per line')
  return found


def divide(whole: Source, share: float, seed: int, output: str, data_set: str) -> dict[str, Part]:
  """Divides a source by image at random; writes which are where to `train.txt` and `val.txt`.

  Args:
    whole: source of all images.
    share: of the images that are trained on, above 0 and below 1; each split has at least one.
    seed: of the choice, which does not depend on the order of the images.
    output: folder of the lists.
    data_set: of the source.

  Returns:
    'train' and 'val'.

  Raises:
    UserError: there are fewer than two images, a name cannot be on a line, or the lists cannot be
      written.
  """
  names = sorted({row['file_name'] for row in whole.rows()})
  if len(names) < 2:
    raise errors.UserError(
        f'there is {len(names)} image, which cannot be split; give --val_images and '
        '--val_annotations')
  broken = [name for name in names if '\n' in name or '\r' in name]
  if broken:
    raise errors.UserError(
        f'the name of image {errors.quoted(broken[0])} has the end of a line in it; rename it')
  random.Random(seed).shuffle(names)
  count = min(max(round(share * len(names)), 1), len(names) - 1)
  lists = {'train': sorted(names[:count]), 'val': sorted(names[count:])}
  parts = {}
  for split, chosen in lists.items():
    path = posixpath.join(output, f'{split}.txt')
    with files.writing(path, manifest.ADVICE):
      files.write_text(path, ''.join(f'{name}\n' for name in chosen))
    parts[split] = Part(whole, path, data_set)
  return parts


def by_lists(whole: Source, lists: Sequence[str], data_set: str) -> dict[str, Part]:
  """Divides a source by lists of file names, each the split that `name_of` says.

  Args:
    whole: source of all images.
    lists: paths such as lists/train.txt and lists/val.txt.
    data_set: of the source.

  Raises:
    UserError: a list does not exist, is empty or names what is not an image, two have the same
      name, or an image is in two.
  """
  parts: dict[str, Part] = {}
  where: dict[int, str] = {}
  rows: list[dict[str, Any]] | None = None
  for path in lists:
    split = name_of(path)
    if not tf.io.gfile.exists(path):
      raise errors.UserError(f'--split_files: {path} does not exist')
    if split in parts:
      raise errors.UserError(
          f'--split_files: {parts[split].names} and {path} are both of the split {split}')
    rows = whole.rows() if rows is None else rows
    for k in _indices(rows, path):
      if where.setdefault(k, split) != split:
        raise errors.UserError(
            f'--split_files: {errors.quoted(rows[k]["file_name"])} is in {where[k]} and in '
            f'{split}; training images cannot be scored')
    parts[split] = Part(whole, path, data_set)
  return parts
