"""Record files: which files a pattern means, where their records are, whether they are complete."""

import dataclasses
import functools
import posixpath
import struct
from collections.abc import Iterator

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer import sorted_tables

# TFRecord framing: length (8 bytes), its checksum (4), data, its checksum (4).
_HEADER = 12
_FOOTER = 4
_GZIP = b'\x1f\x8b'  # how a compressed file begins
_READ_BUFFER = 2**18  # bytes
_ADVICE = 'convert it again with tf-maskformer prepare'
# Ends of names of what is next to records: manifests and reports, lists of a split, the
# description, contact sheets, unfinished files.
_NOT_RECORDS = ('.json', '.part', '.png', '.txt', '.yaml')


@dataclasses.dataclass(frozen=True, slots=True)
class RecordOffset:
  """Where a record's data is.

  Attributes:
    path: of the file.
    number: in the file, from 0.
    offset: of the first byte of its framing.
  """
  path: str
  number: int
  offset: int

  def __str__(self) -> str:
    """Returns the place for messages."""
    return f'record {self.number} of {self.path}'


def match(input_path: str, field: str = 'input_path') -> list[str]:
  """Returns the files that a path, a glob, or several separated by commas mean, sorted.

  Args:
    input_path: what the configuration says; local or remote.
    field: its name, for the error.

  Raises:
    UserError: it is empty, or a part matches no file.
  """
  if not input_path:
    raise errors.UserError(
        f'{field} is empty; name records, e.g. /data/records/train* (or set TFRECORDS_DIR)')
  found = set()
  for part in input_path.split(','):
    pattern = part.strip()
    try:
      paths = [path for path in tf.io.gfile.glob(pattern) if _may_hold_records(path)]
    except UnicodeDecodeError as e:
      raise errors.UserError(
          f'{field}: {pattern} matches a name that is not UTF-8; rename that file') from e
    if not paths:
      raise errors.UserError(f'{field}: {pattern} matches no file; convert the data set with '
                      'tf-maskformer prepare or correct the path')
    found.update(paths)
  return sorted(found)


def _may_hold_records(path: str) -> bool:
  is_unfinished = posixpath.basename(path).startswith(files.PREFIX)
  return not (is_unfinished or path.endswith(_NOT_RECORDS) or tf.io.gfile.isdir(path))


def record_offsets(paths: list[str]) -> list[RecordOffset]:
  """Returns where every record of the files is, by their headers alone.

  Raises:
    UserError: a file is truncated, compressed or not of records, or none of them holds a record.
  """
  offsets: list[RecordOffset] = []
  for path in paths:
    offsets += offsets_in(path)
  if not offsets:
    others = f' and the other {len(paths) - 1} files hold' if len(paths) > 1 else ' holds'
    raise errors.UserError(f'{paths[0]}{others} no record; convert the data set again')
  return offsets


def offsets_in(path: str) -> tuple[RecordOffset, ...]:
  """Returns where every record of a file is; may be none.

  Raises:
    UserError: the file cannot be read, or is truncated, compressed or not of records.
  """
  try:
    stat = tf.io.gfile.stat(path)
    return _offsets_in(path, stat.length, stat.mtime_nsec)
  except (tf.errors.OpError, OSError) as e:
    raise errors.UserError(f'{path} cannot be read ({errors.reason(e)})') from e


@functools.lru_cache(maxsize=100000)
def _offsets_in(path: str, length: int, modified: int) -> tuple[RecordOffset, ...]:
  """Reads the headers of one file; its bytes and its time of change are part of the cache's key."""
  del modified
  offsets: list[RecordOffset] = []
  position = 0
  with tf.io.gfile.GFile(path, 'rb') as file:
    while position < length:
      file.seek(position)
      place = f'record {len(offsets)} of {path}, at byte {position}'
      size = _length_in(file.read(_HEADER), place)
      end = position + _HEADER + size + _FOOTER
      if end > length:
        raise errors.UserError(f'{path} is truncated ({place}); {_ADVICE}')
      offsets.append(RecordOffset(path, len(offsets), position))
      position = end
  return tuple(offsets)


def _length_in(header: bytes, place: str) -> int:
  """Returns the bytes of a record's data, by its header; raises UserError where that is damaged."""
  if len(header) < _HEADER:
    raise errors.UserError(f'{place}: the file is truncated; {_ADVICE}')
  size, checksum = struct.unpack('<QI', header)
  if checksum != sorted_tables.masked_crc(header[:8]):
    if header.startswith(_GZIP):
      raise errors.UserError(f'{place}: the file is compressed; unpack it with gunzip')
    raise errors.UserError(f'{place}: the file is damaged or not a TFRecord file; {_ADVICE}')
  if not size:
    raise errors.UserError(f'{place}: the record is empty; {_ADVICE}')
  return size


def read(record: RecordOffset) -> bytes:
  """Returns one record's data, a serialized tf.train.Example, whose checksum is right.

  Raises:
    UserError: it is not, or the file cannot be read.
  """
  try:
    return _read_at(record.path, record.offset).numpy()
  except tf.errors.OpError as e:
    reason = errors.explain(e.message)
    raise errors.UserError(f'{record} cannot be read ({reason}); {_ADVICE}') from e


@tf.function(autograph=False, input_signature=[
    tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64)])
def _read_at(path: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
  """Returns the record at a byte; tf.data.TFRecordDataset, but not from the file's start."""
  variant = tf.raw_ops.TFRecordDatasetV2(
      filenames=path[None], compression_type='',
      buffer_size=tf.constant(_READ_BUFFER, tf.int64), byte_offsets=offset[None])
  records = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
  return records.take(1).get_single_element()


def read_all(records: list[RecordOffset]) -> Iterator[bytes]:
  """Yields the data of all records of some files, in the order of `record_offsets`, as `read`.

  Raises:
    UserError: a checksum is wrong, or a file cannot be read.
  """
  paths = list(dict.fromkeys(record.path for record in records))
  found = iter(tf.data.TFRecordDataset(paths))
  for record in records:
    try:
      yield next(found).numpy()
    except (tf.errors.OpError, StopIteration) as e:
      reason = errors.explain(e.message) if isinstance(e, tf.errors.OpError) else 'it is gone'
      raise errors.UserError(f'{record} cannot be read ({reason}); {_ADVICE}') from e
