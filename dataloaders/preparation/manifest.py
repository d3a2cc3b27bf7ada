"""The file that names the finished shards of a conversion, and whether they still are what it says.

It is read back after anything: a power cut, another program, another version.
"""

import dataclasses
import posixpath
import struct
from collections.abc import Collection
from typing import Any

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.dataloaders.preparation import counts
from tf_maskformer.dataloaders.preparation.counts import Counts

ADVICE = 'finished shards are kept; correct that and run the same command again'
_LENGTH = struct.Struct('<Q')
RECORD_OVERHEAD = 16  # bytes of a TFRecord next to its data: length and two checksums


@dataclasses.dataclass
class ShardReport:
  """What became of a shard's images.

  Attributes:
    written: images in the records.
    refused: {image: reason} of those left out.
    remarks: {image: what was changed or is odd} of those that were written.
    size: bytes of the shard; None: not known, of an earlier version.
    counts: of those that were written.
  """
  written: int = 0
  refused: dict[str, str] = dataclasses.field(default_factory=dict)
  remarks: dict[str, str] = dataclasses.field(default_factory=dict)
  size: int | None = None
  counts: Counts = dataclasses.field(default_factory=Counts)


class Manifest:
  """The finished shards of one split.

  Attributes:
    finished: report by name, of the shards that are there and belong to this conversion.
  """

  def __init__(self, output: str, split: str, identity: dict[str, Any], names: Collection[str],
               defaults: dict[str, Any]):
    """Reads the manifest; shards of another conversion and damaged ones are not finished.

    Args:
      output: folder of the shards.
      split: first part of the names.
      identity: what two conversions have in common whose shards are the same; JSON.
      names: of this conversion's shards.
      defaults: what manifests of earlier versions do not state of `identity`.

    Raises:
      UserError: there is a directory in its place.
    """
    self._output = output
    self._path = posixpath.join(output, f'{split}.manifest.json')
    self._identity = identity
    self.finished: dict[str, ShardReport] = {}
    for name, shard in self._read(defaults).items():
      if name not in names:
        continue
      if _is_complete(posixpath.join(output, name), shard):
        self.finished[name] = shard
      else:
        errors.warn(f'{output}/{name} is missing or damaged; it is made again')

  def finish(self, name: str, shard: ShardReport) -> None:
    """Notes that a shard is finished."""
    self.finished[name] = shard
    self._write()

  def adopt(self, reports: dict[str, ShardReport]) -> None:
    """Notes that shards are finished, by their reports; those that are not complete are not."""
    new = {
        name: shard for name, shard in reports.items()
        if name not in self.finished and _is_complete(posixpath.join(self._output, name), shard)}
    if new:
      self.finished.update(new)
      self._write()

  def _write(self) -> None:
    finished = {
        name: dataclasses.asdict(report) for name, report in sorted(self.finished.items())}
    with files.writing(self._path, ADVICE):
      files.write_json(self._path, {'conversion': self._identity, 'finished': finished})

  def _read(self, defaults: dict[str, Any]) -> dict[str, ShardReport]:
    """Returns the shards that the file names; none of another conversion."""
    if not tf.io.gfile.exists(self._path):
      return {}
    if tf.io.gfile.isdir(self._path):
      raise errors.UserError(f'{self._path} is a directory, not a file; remove it')
    try:
      content: Any = files.read_json(self._path)
      conversion = content.get('conversion')
      if conversion is None or {**defaults, **conversion} != self._identity:
        return {}
      return {name: shard_report(shard) for name, shard in content['finished'].items()}
    except (errors.UserError, ValueError, AttributeError, KeyError, TypeError) as e:
      reason = e if isinstance(e, errors.UserError) else f'{self._path}: {e!r}'
      errors.warn(f'{reason}; the shards are made again')
      return {}


def shard_report(content: dict[str, Any]) -> ShardReport:
  """Returns a shard's report of its fields, as JSON has them; raises ValueError or TypeError."""
  shard = ShardReport(**{**content, 'counts': counts.parse(content.get('counts', {}))})
  texts = [*shard.refused.items(), *shard.remarks.items()]
  numbers = [shard.written, 0 if shard.size is None else shard.size]
  if not all(isinstance(word, str) for pair in texts for word in pair):
    raise ValueError('a report that is not text')
  if not all(type(count) is int and count >= 0 for count in numbers):
    raise ValueError('a count that is not one')
  return shard


def _is_complete(path: str, shard: ShardReport) -> bool:
  """Whether a shard is there with all of its bytes, or, where they are not known, its records."""
  if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
    return False
  size = tf.io.gfile.stat(path).length
  if shard.size is not None:
    return size == shard.size
  return _num_records(path, size) == shard.written


def _num_records(path: str, size: int) -> int | None:
  """Returns how many records a file holds, by their lengths; None: it does not end with one."""
  count = 0
  position = 0
  with tf.io.gfile.GFile(path, 'rb') as file:
    while position < size:
      file.seek(position)
      head = file.read(_LENGTH.size)
      if len(head) < _LENGTH.size:
        return None
      position += _LENGTH.unpack(head)[0] + RECORD_OVERHEAD
      count += 1
  return count if position == size else None
