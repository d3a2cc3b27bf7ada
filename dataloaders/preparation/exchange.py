"""What a conversion and the workers of its job tell each other: files next to the records.

The conversion writes the rows of each shard; a worker reads them, makes the shard and writes what
became of it. A job's workers need nothing but the folder of the records and the data, and what they
finished is not lost where the conversion ends before its job: the next one reads it.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import posixpath
import traceback
import uuid
from collections.abc import Collection, Iterator
from typing import Any

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.preparation import manifest
from tf_maskformer.dataloaders.preparation import shard_writer
from tf_maskformer.dataloaders.preparation.manifest import ShardReport
from tf_maskformer.dataloaders.preparation.source import Source

_ROWS = '.rows.json'
_DONE = '.done.json'
_WANTED = 'wanted'  # a file that is there as long as the conversion waits for its job
_LOOKS = 64  # images between two looks for a remote `_WANTED`


class Abandoned(Exception):
  """Nobody waits for the shard: its job was ended."""


class Exchange:
  """The files of one conversion of a split, in a folder of their own.

  Attributes:
    folder: hidden, in that of the records; its name tells the conversion.
  """

  def __init__(self, output: str, split: str, identity: dict[str, Any]):
    """Names the folder; it need not exist.

    Args:
      output: folder of the records.
      split: first part of the shards' names.
      identity: what two conversions have in common whose shards are the same; JSON.
    """
    text = json.dumps(identity, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    self._output = output
    self._prefix = f'.job-{split}-'
    self.folder = posixpath.join(output, f'{self._prefix}{digest}')
    self._read: set[str] = set()

  def put(self, parts: dict[str, list[dict[str, Any]]]) -> None:
    """Writes the rows of shards; raises UserError where that is refused.

    Args:
      parts: rows by the shard's name; JSON.
    """
    with files.writing(self.folder, manifest.ADVICE):
      tf.io.gfile.makedirs(self.folder)
      for name, rows in parts.items():
        files.write_json(self._path(name, _ROWS), rows, indent=None)
      files.write_text(posixpath.join(self.folder, _WANTED), '')

  def reports(self, names: Collection[str]) -> dict[str, ShardReport]:
    """Returns the reports of shards that were finished since the last call, by name.

    Args:
      names: of the shards that are asked for.

    Raises:
      UserError: as a worker had it.
      RuntimeError: a worker raised something else; the text is its trace.
    """
    new = {}
    for name in sorted(self._done() & set(names) - self._read):
      outcome = self._outcome(name)
      self._read.add(name)
      if 'error' in outcome:
        raise errors.UserError(str(outcome['error']))
      if 'fault' in outcome:
        raise RuntimeError(str(outcome['fault']))
      new[name] = manifest.shard_report(outcome['report'])
    return new

  def left(self, names: Collection[str]) -> dict[str, ShardReport]:
    """Returns the reports that a job has left, without what its workers could not do."""
    found = {}
    for name in sorted(self._done() & set(names)):
      try:
        found[name] = manifest.shard_report(self._outcome(name)['report'])
      except (errors.UserError, AttributeError, KeyError, TypeError, ValueError):
        continue  # it failed, or the file is damaged; the shard is made again
    return found

  def end(self) -> None:
    """Tells the workers that nobody waits for them: they stop at the next image."""
    with contextlib.suppress(tf.errors.OpError):  # it is gone, or no worker sees the folder either
      tf.io.gfile.remove(posixpath.join(self.folder, _WANTED))

  def remove(self) -> None:
    """Removes this folder and those of former jobs of the split; their workers then stop.

    Raises:
      UserError: the file system refuses.
    """
    with files.writing(self.folder, manifest.ADVICE):
      is_remote = '://' in self._output
      names = tf.io.gfile.listdir(self._output) if is_remote else os.listdir(self._output)
      for name in names:
        if name.startswith(self._prefix):
          tf.io.gfile.rmtree(posixpath.join(self._output, name.rstrip('/')))

  def _path(self, name: str, ending: str) -> str:
    return posixpath.join(self.folder, name + ending)

  def _done(self) -> set[str]:
    """Returns the names of the shards of which an outcome is there."""
    if not tf.io.gfile.isdir(self.folder):
      return set()
    names = tf.io.gfile.listdir(self.folder)
    return {
        name.removesuffix(_DONE) for name in names
        if name.endswith(_DONE) and not name.startswith(files.PREFIX)}

  def _outcome(self, name: str) -> Any:
    return files.read_json(self._path(name, _DONE))


def make(name: str, folder: str, source: Source, max_pixels: int) -> None:
  """What a worker does: makes one shard and writes what became of it.

  A shard of a job that has been ended is left out. Several workers may make the same shard: each
  writes a file of its own, and the same bytes.

  Args:
    name: of the shard.
    folder: of the exchange.
    source: of the rows.
    max_pixels: see `images.allow`.

  Raises:
    MemoryError: another worker may have more.
    UserError: the outcome cannot be written.
  """
  images.allow(max_pixels)
  attempt = f'{uuid.uuid4().hex[:8]}-'
  outcome: dict[str, Any]
  try:
    shard = posixpath.join(posixpath.dirname(folder), name)
    report = shard_writer.write(shard, _rows(folder, name), source, attempt)
    outcome = {'report': dataclasses.asdict(report)}
  except Abandoned:
    return
  except errors.UserError as e:
    outcome = {'error': str(e)}
  except MemoryError:
    raise
  except Exception:  # pylint: disable=broad-except
    outcome = {'fault': traceback.format_exc()}
  if _is_wanted(folder):
    path = posixpath.join(folder, name + _DONE)
    with files.writing(path, manifest.ADVICE):
      files.write_bytes(path, json.dumps(outcome).encode(), attempt)


def _rows(folder: str, name: str) -> Iterator[dict[str, Any]]:
  """Yields the rows of a shard; raises Abandoned as soon as nobody is found to wait for it.

  The last look is after the last row: then the shard does not get its name.
  """
  _require_wanted(folder)
  content: Any = files.read_json(posixpath.join(folder, name + _ROWS))
  every = _LOOKS if '://' in folder else 1
  for k, row in enumerate(content):
    if k % every == 0:
      _require_wanted(folder)
    yield row
  _require_wanted(folder)


def _require_wanted(folder: str) -> None:
  if not _is_wanted(folder):
    raise Abandoned(folder)


def _is_wanted(folder: str) -> bool:
  return bool(tf.io.gfile.exists(posixpath.join(folder, _WANTED)))
