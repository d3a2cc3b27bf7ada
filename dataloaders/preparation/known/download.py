"""The folder that an owner's download unpacks to: what must be in it, and its lists of images."""

import dataclasses
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.dataloaders.preparation.labeled_folders import LabeledFolders

_MOST_MISSING = 0.5  # share of a list's labels; with more, the list belongs to other labels


class Part(NamedTuple):
  """A file or folder of a download.

  Attributes:
    path: below the root.
    origin: where it comes from, for people.
  """
  path: str
  origin: str


@dataclasses.dataclass(frozen=True)
class Wanted:
  """What is to be prepared of a download.

  Attributes:
    root: the folder that it unpacks to.
    task: 'semantic', 'panoptic' or 'instance'.
    data_set: see `catalog.get`.
    splits: of 'train' and 'val'.
    lists: the name of a list of images by split, where the data set has lists; empty: its own.
    targets: of Cityscapes, see `cityscapes.splits`.
  """
  root: str
  task: str
  data_set: str
  splits: tuple[str, ...] = ('train', 'val')
  lists: Mapping[str, str] = dataclasses.field(default_factory=dict)
  targets: str | None = None


def locate(root: str, marker: str, below: Sequence[str]) -> str:
  """Returns the folder that holds the data set: the root, or a known folder below it.

  Args:
    root: what the user gave.
    marker: a file or folder that the data set has.
    below: folders below the root, as the download unpacks, that may hold the marker.

  Raises:
    UserError: the root is not a directory.
  """
  if not tf.io.gfile.isdir(root):
    raise errors.UserError(
        f'--root {root} is not a directory; give the folder that the download unpacks to')
  folders = [root, *(posixpath.join(root, folder) for folder in below)]
  return next((f for f in folders if tf.io.gfile.exists(posixpath.join(f, marker))), root)


def require(root: str, parts: Iterable[Part]) -> None:
  """Raises UserError for the first part that is missing, with where it comes from."""
  for part in parts:
    path = posixpath.join(root, part.path)
    if not tf.io.gfile.exists(path):
      raise errors.UserError(f'{path} is missing; it comes from {part.origin}')


def read_list(path: str) -> list[str]:
  """Returns the names of a list of images, without folders and suffix.

  Args:
    path: text, one image per line; what follows a blank (the name of a label, say) is not read.

  Raises:
    UserError: it is not text, is empty, or names an image twice.
  """
  try:
    with tf.io.gfile.GFile(path, 'rb') as file:
      lines = file.read().decode('utf-8-sig').splitlines()
  except (tf.errors.OpError, UnicodeDecodeError) as e:
    reason = 'it is not UTF-8' if isinstance(e, UnicodeDecodeError) else errors.reason(e)
    raise errors.UserError(f'{path} cannot be read ({reason}); give a list of images') from e
  names = [posixpath.basename(line.split()[0]) for line in lines if line.strip()]
  stems = [name.removesuffix('.jpg') for name in names]
  if not stems:
    raise errors.UserError(f'{path} names no image; it is a list with one per line')
  seen: set[str] = set()
  for stem in stems:
    if stem in seen:
      raise errors.UserError(f'{path} names {errors.quoted(stem)} twice; remove one of the lines')
    seen.add(stem)
  return stems


@dataclasses.dataclass(frozen=True)
class Listed(LabeledFolders):
  """One split whose images are those of a list; images and labels are in one folder each.

  Attributes:
    list_file: text, one image per line.
    label_origin: where missing labels come from, for people.
  """
  list_file: str = ''
  label_origin: str = ''

  def stems(self) -> list[str]:
    """See `LabeledFolders.stems`."""
    return read_list(self.list_file)

  def rows(self) -> list[dict[str, Any]]:
    """See `LabeledFolders.rows`.

    Raises:
      UserError: as there; or most of the labels are missing.
    """
    rows = super().rows()
    present = set(tf.io.gfile.listdir(self.labels))
    missing = [row['label'] for row in rows if row['label'] not in present]
    if len(missing) > _MOST_MISSING * len(rows):
      raise errors.UserError(
          f'{len(missing)} of the {len(rows)} images of {self.list_file} have no label in '
          f'{self.labels}, {errors.quoted(missing[0])} for one; {self.label_origin}')
    return rows

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return super().annotations_state() + source.file_state(self.list_file)
