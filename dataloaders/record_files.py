"""Record files: which files a pattern means, where their records are, whether they are complete."""

import dataclasses
import functools
import posixpath
import struct

import tensorflow as tf

from tf_maskformer import files
from tf_maskformer.errors import UserError

# TFRecord framing: length (8 bytes), its checksum (4), data, its checksum (4).
_HEADER = 12
_FOOTER = 4
# Ends of names next to records that are not records.
_NOT_RECORDS = ('.json', '.part')


@dataclasses.dataclass(frozen=True)
class RecordOffset:
  """Where a record's data is.

  Attributes:
    path: of the file.
    offset: of the first byte.
    length: bytes.
  """
  path: str
  offset: int
  length: int


def match(input_path: str, field: str = 'input_path') -> list[str]:
  """Returns the files that a path, a glob, or several separated by commas mean, sorted.

  Args:
    input_path: what the configuration says; local or remote.
    field: its name, for the error.

  Raises:
    UserError: it is empty, or a part matches no file.
  """
  if not input_path:
    raise UserError(
        f'{field} is empty; name records, e.g. /data/records/train* (or set TFRECORDS_DIR)')
  found = set()
  for part in input_path.split(','):
    pattern = part.strip()
    paths = [path for path in tf.io.gfile.glob(pattern) if _may_hold_records(path)]
    if not paths:
      raise UserError(f'{field}: {pattern} matches no file; convert the data set with '
                      'tf-maskformer prepare or correct the path')
    found.update(paths)
  return sorted(found)


def _may_hold_records(path: str) -> bool:
  is_unfinished = posixpath.basename(path).startswith(files.PREFIX)
  return not (is_unfinished or path.endswith(_NOT_RECORDS) or tf.io.gfile.isdir(path))


def record_offsets(paths: list[str]) -> list[RecordOffset]:
  """Returns where every record of the files is, by their headers alone.

  Raises:
    UserError: a file is truncated, or none of them holds a record.
  """
  offsets: list[RecordOffset] = []
  for path in paths:
    stat = tf.io.gfile.stat(path)
    offsets += _offsets_in(path, stat.length, stat.mtime_nsec)
  if not offsets:
    raise UserError(f'{paths[0]} and the other {len(paths) - 1} files hold no record; '
                    'convert the data set again')
  return offsets


@functools.lru_cache(maxsize=100000)
def _offsets_in(path: str, length: int, modified: int) -> tuple[RecordOffset, ...]:
  """Reads the headers of one file; its bytes and its time of change are part of the cache's key."""
  del modified
  offsets: list[RecordOffset] = []
  position = 0
  with tf.io.gfile.GFile(path, 'rb') as file:
    while position < length:
      file.seek(position)
      header = file.read(_HEADER)
      size = struct.unpack('<Q', header[:8])[0] if len(header) == _HEADER else length
      end = position + _HEADER + size + _FOOTER
      if end > length:
        raise UserError(f'{path} is truncated or not a TFRecord file (record {len(offsets)} at '
                        f'byte {position}); convert it again with tf-maskformer prepare')
      offsets.append(RecordOffset(path, position + _HEADER, size))
      position = end
  return tuple(offsets)


def read(record: RecordOffset) -> bytes:
  """Returns one record's data, a serialized tf.train.Example."""
  with tf.io.gfile.GFile(record.path, 'rb') as file:
    file.seek(record.offset)
    return file.read(record.length)
