"""What a preparation converts: one split of a data set in some layout."""

import abc
import dataclasses
import pathlib
from typing import Any

import tensorflow as tf

NOTHING_TO_TRAIN_ON = (
    'no instance except crowds; the official recipes train without such images')


@dataclasses.dataclass(frozen=True)
class Source(abc.ABC):
  """One split of a data set.

  The fields of a subclass are text and flags, as JSON holds them: they tell whether an earlier
  conversion was of the same data.
  """

  @abc.abstractmethod
  def rows(self) -> list[dict[str, Any]]:
    """Returns what there is to convert, one dict per image, each with 'file_name'.

    Reads the annotations, which may take a minute.

    Raises:
      UserError: the annotations cannot be read.
    """

  @abc.abstractmethod
  def convert_image(self, row: dict[str, Any]) -> tuple[bytes, str]:
    """Checks one image against its annotation and returns (record, remark or '').

    Args:
      row: one of `rows()`.

    Raises:
      UnusableImage: it cannot be used.
    """

  @abc.abstractmethod
  def annotations_state(self) -> list[int]:
    """Returns numbers that change with the annotations."""


def file_state(path: str) -> list[int]:
  """Returns bytes and time of change (ns) of a file, local or remote."""
  stat = tf.io.gfile.stat(path)
  return [stat.length, stat.mtime_nsec]


def folder_state(folder: str) -> list[int]:
  """Returns number, bytes and newest change (ns) of the files below a folder.

  Of a remote folder, which is slow to ask, and of an empty one: [].
  """
  stats = [path.stat() for path in pathlib.Path(folder).rglob('*') if path.is_file()]
  if not stats:
    return []
  return [len(stats), sum(s.st_size for s in stats), max(s.st_mtime_ns for s in stats)]
