"""One shard: the records of its images, complete or not at all, and what became of each image."""

import errno
import os
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.preparation import manifest
from tf_maskformer.dataloaders.preparation.manifest import ShardReport
from tf_maskformer.dataloaders.preparation.source import Source


def write(path: str, rows: Iterable[dict[str, Any]], source: Source, attempt: str = ''
          ) -> ShardReport:
  """Writes one shard; its bytes depend on the rows and the source alone.

  Args:
    path: of the shard, local or remote.
    rows: of the source; where taking the next one raises, nothing is written.
    source: of the rows.
    attempt: see `files.write_atomically`.

  Raises:
    UserError: it cannot be written, or the file system fails to read an image.
  """
  report = ShardReport()
  size = 0
  with files.writing(path, manifest.ADVICE), files.write_atomically(path, attempt) as temporary:
    with tf.io.TFRecordWriter(temporary) as writer:
      for row in rows:
        record = _convert(row, source, report)
        if record:
          writer.write(record)
          size += len(record) + manifest.RECORD_OVERHEAD
    if tf.io.gfile.stat(temporary).length != size:
      raise OSError(errno.EIO, os.strerror(errno.EIO), temporary)
  report.size = size
  return report


def _convert(row: dict[str, Any], source: Source, report: ShardReport) -> bytes | None:
  """Returns the record of an image, None where it cannot be used; notes in the report which."""
  name = errors.quoted(row['file_name'])
  try:
    converted = source.convert_image(row)
  except images.UnusableImage as e:
    report.refused[name] = str(e)
    return None
  report.written += 1
  report.counts.add(converted.counts)
  if converted.remark:
    report.remarks[name] = errors.one_line(converted.remark)
  return converted.record
