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
from tf_maskformer.dataloaders.preparation.source import Converted
from tf_maskformer.dataloaders.preparation.source import Source

_LARGEST_LIST = 2**28  # bytes


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
    wanted = read_list(self.names)
    rows = _by_name(self.whole.rows())
    double = [name for name in wanted if name in rows and not rows[name]]
    if double:
      raise errors.UserError(
          f'{self.names}: several images are called {errors.quoted(double[0])}; name them with '
          'their folders')
    missing = [name for name in wanted if name not in rows]
    if missing:
      raise errors.UserError(
          f'{self.names} names {len(missing)} images that are not annotated, '
          f'{errors.quoted(missing[0])} for one; correct the list')
    found = [row for row in map(rows.get, wanted) if row]
    return list({row['file_name']: row for row in found}.values())  # a list may name one twice

  def convert_image(self, row: dict[str, Any]) -> Converted:
    """See `Source.convert_image`."""
    return self.whole.convert_image(row)

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return self.whole.annotations_state() + source.file_state(self.names)


def _by_name(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any] | None]:
  """Returns the image of each name by which a list may call one; None of a name of several."""
  found: dict[str, dict[str, Any] | None] = {}
  for row in rows:
    for name in set(_names_of(row)):
      found[name] = None if name in found else row
  return {**found, **{row['file_name']: row for row in rows}}


def _names_of(row: Mapping[str, Any]) -> tuple[str, str, str]:
  """Returns the names by which a list may call an image: path, name, and either's stem."""
  path = row['file_name']
  name = posixpath.basename(path)
  return path, name, os.path.splitext(name)[0]


def read_list(path: str) -> list[str]:
  """Returns the names in a text file, one per line; raises UserError where there is none."""
  text = override_files.read_text(path, _LARGEST_LIST, 'list')
  names = [line.strip() for line in text.splitlines()]
  found = [name for name in names if name]
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
    UserError: there are fewer than two images, or the lists cannot be written.
  """
  names = sorted({row['file_name'] for row in whole.rows()})
  if len(names) < 2:
    raise errors.UserError(
        f'there is {len(names)} image, which cannot be split; give --val_images and '
        '--val_annotations')
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
  """Divides a source by lists of file names, each the split of its file's name.

  Args:
    whole: source of all images.
    lists: paths such as lists/train.txt and lists/val.txt.
    data_set: of the source.

  Raises:
    UserError: a list does not exist or is empty, two have the same name, or an image is in two.
  """
  rows = _by_name(whole.rows())
  parts: dict[str, Part] = {}
  where: dict[str, str] = {}
  for path in lists:
    split = os.path.splitext(posixpath.basename(path))[0]
    if not tf.io.gfile.exists(path):
      raise errors.UserError(f'--split_files: {path} does not exist')
    if split in parts:
      raise errors.UserError(
          f'--split_files: {parts[split].names} and {path} are both called {split}')
    for name in read_list(path):
      row = rows.get(name)
      image = row['file_name'] if row else name
      if where.setdefault(image, split) != split:
        raise errors.UserError(
            f'--split_files: {errors.quoted(image)} is in {where[image]} and in {split}; training '
            'images cannot be scored')
    parts[split] = Part(whole, path, data_set)
  return parts
