"""Record files: which a pattern means, how many records they hold, whether they are whole."""

import dataclasses
import functools
import struct

import tensorflow as tf

from tf_maskformer.errors import UserError

# TFRecord framing: length (8 bytes), its checksum (4), data, its checksum (4).
_HEADER, _FOOTER = 12, 4


@dataclasses.dataclass(frozen=True)
class Place:
  """Where a record's data lies."""
  path: str
  offset: int
  length: int


def match(input_path: str, field: str = 'input_path') -> list[str]:
  """Returns the files that a path, a glob, or several with commas between mean, sorted.

  Args:
    input_path: what the configuration says.
    field: its name, for the error.

  Raises:
    UserError: it is empty, or a part matches no file.
  """
  if not input_path:
    raise UserError(f'{field} is empty; name records, e.g. /data/records/train* (or set TFRECORDS_DIR)')
  files = []
  for pattern in input_path.split(','):
    found = [f for f in tf.io.gfile.glob(pattern.strip())
             if not f.endswith(('.json', '.part')) and not tf.io.gfile.isdir(f)]
    if not found:
      raise UserError(f'{field}: {pattern.strip()} matches no file; convert the data set with '
                      'scripts/prepare_data.py or correct the path')
    files += found
  return sorted(set(files))


@functools.lru_cache(maxsize=100000)
def _places(path: str, length: int, modified: int) -> tuple[Place, ...]:
  """Walks over the headers of one file; the size and time are part of the cache's key."""
  del modified
  result, offset = [], 0
  with tf.io.gfile.GFile(path, 'rb') as file:
    while offset < length:
      file.seek(offset)
      header = file.read(_HEADER)
      size = struct.unpack('<Q', header[:8])[0] if len(header) == _HEADER else length
      if offset + _HEADER + size + _FOOTER > length:
        raise UserError(f'{path} is truncated or no TFRecord file (record {len(result)} at byte {offset}); '
                        'convert it again with scripts/prepare_data.py')
      result.append(Place(path, offset + _HEADER, size))
      offset += _HEADER + size + _FOOTER
  return tuple(result)


def places(paths: list[str]) -> list[Place]:
  """Returns where every record of the files lies, by their headers alone.

  Raises:
    UserError: a file is truncated, or there is no record in any.
  """
  result = []
  for path in paths:
    stat = tf.io.gfile.stat(path)
    result += _places(path, stat.length, stat.mtime_nsec)
  if not result:
    raise UserError(f'{paths[0]} and the other {len(paths) - 1} files hold no record; convert the data set again')
  return result


def read(place: Place) -> bytes:
  """Returns one record's data."""
  with tf.io.gfile.GFile(place.path, 'rb') as file:
    file.seek(place.offset)
    return file.read(place.length)
