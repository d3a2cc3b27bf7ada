"""What a preparation converts: one split of a data set in some layout."""

import abc
import dataclasses
import pathlib
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.preparation import counts
from tf_maskformer.dataloaders.preparation.counts import Counts
from tf_maskformer.dataloaders.preparation.image_files import ImageFile
from tf_maskformer.dataloaders.schema import Instance
from tf_maskformer.dataloaders.schema import Segment

NOTHING_TO_TRAIN_ON = (
    'no instance except crowds; the official recipes train without such images')


class Converted(NamedTuple):
  """What became of an image.

  Attributes:
    record: a serialized tf.train.Example.
    remark: what was changed or is odd, or ''.
    counts: of its segments.
  """
  record: bytes
  remark: str
  counts: Counts


def converted(
    file: ImageFile, row: dict[str, Any], id_maps: list[np.ndarray], segments: list[Segment],
    remarks: Sequence[str] = (), void: np.ndarray | None = None,
    instances: list[Instance] | None = None) -> Converted:
  """Returns the record of an image, with what is to be said of it.

  Args:
    file: the image.
    row: its 'id' and 'file_name'.
    id_maps: see `schema.write`, as `segments`, `void` and `instances`.
    segments: all segments of the image.
    remarks: of the annotation; those of the file come before them.
    void: pixels that no score counts.
    instances: what AP is measured against.

  Raises:
    UnusableImage: see `schema.write`.
  """
  record = schema.write(
      file.data, file.format, file.size, str(row['id']), row['file_name'], id_maps, segments, void,
      instances)
  remark = '; '.join([*file.remarks, *remarks])
  return Converted(record, remark, counts.of_image(id_maps, segments))


@dataclasses.dataclass(frozen=True)
class Source(abc.ABC):
  """One split of a data set.

  A subclass has a field `data_set`, see `catalog.get`, whose classes the records hold. Its fields
  are text and flags, as JSON holds them: they tell whether an earlier conversion was of the same
  data.
  """

  @abc.abstractmethod
  def rows(self) -> list[dict[str, Any]]:
    """Returns what there is to convert, one dict per image, each with 'file_name'.

    Reads the annotations, which may take a minute.

    Raises:
      UserError: the annotations cannot be read.
    """

  @abc.abstractmethod
  def convert_image(self, row: dict[str, Any]) -> Converted:
    """Checks one image against its annotation and returns its record.

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


def text_state(path: str) -> list[int]:
  """Returns numbers that change with the content of a file, local or remote.

  Of a file that a conversion writes itself: its time of change may be known to the second alone,
  or not at all.
  """
  with tf.io.gfile.GFile(path, 'rb') as file:
    data = file.read()
  return [len(data), zlib.crc32(data)]


def folder_state(folder: str) -> list[int]:
  """Returns number, bytes and newest change (ns) of the files below a folder.

  Of a remote folder, which is slow to ask, and of an empty one: [].
  """
  if '://' in folder:
    return []
  stats = [path.stat() for path in pathlib.Path(folder).rglob('*') if path.is_file()]
  if not stats:
    return []
  return [len(stats), sum(s.st_size for s in stats), max(s.st_mtime_ns for s in stats)]
