"""Images with their annotations as sharded TFRecords: restartable, every refusal reported."""

import dataclasses
import json
import posixpath
from typing import Any

import tensorflow as tf
from tqdm import tqdm

from tf_maskformer import files
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import local
from tf_maskformer.dataloaders.preparation.source import Source
from tf_maskformer.errors import UserError

# Without a number of shards: about this many images in each, in at least so many shards.
_IMAGES_PER_SHARD = 1000
_MIN_SHARDS = 8


@dataclasses.dataclass
class ShardReport:
  """What became of a shard's images.

  Attributes:
    written: images in the records.
    refused: {image: reason} of those left out.
    remarks: {image: what was changed or is odd} of those that were written.
  """
  written: int = 0
  refused: dict[str, str] = dataclasses.field(default_factory=dict)
  remarks: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Report(ShardReport):
  """What became of a split's images.

  Attributes:
    shards_kept: shards that were finished already and were left as they are.
  """
  shards_kept: int = 0

  def add(self, shard: ShardReport) -> None:
    """Adds the images of a shard."""
    self.written += shard.written
    self.refused.update(shard.refused)
    self.remarks.update(shard.remarks)


def convert(source: Source, output: str, split: str, num_shards: int = 0, workers: int = 1
            ) -> Report:
  """Converts one split.

  An interrupted conversion resumes: shards that the manifest names as finished are kept if the
  source, its annotations and the number of shards are the same.

  Args:
    source: where the data set is.
    output: folder of the shards `<split>-00000-of-00008.tfrecord`, the manifest and the report.
    split: first part of the names.
    num_shards: at most one per image; 0: images / 1000, at least 8.
    workers: processes.

  Raises:
    UserError: nothing usable was found.
  """
  rows = source.rows()
  if not rows:
    raise UserError(f'{split}: there are no images to convert')
  num_shards = num_shards or max(_MIN_SHARDS, len(rows) // _IMAGES_PER_SHARD)
  num_shards = min(num_shards, len(rows))
  names = [f'{split}-{i:05d}-of-{num_shards:05d}.tfrecord' for i in range(num_shards)]
  tf.io.gfile.makedirs(output)
  manifest = _Manifest(output, split, _identity(source, num_shards, len(rows)))
  _remove_foreign_shards(output, split, names if manifest.finished else [])
  report = Report(shards_kept=len(manifest.finished))
  parts = {name: rows[i::num_shards] for i, name in enumerate(names)}
  parts = {name: part for name, part in parts.items() if name not in manifest.finished}
  jobs = {name: (posixpath.join(output, name), part, source) for name, part in parts.items()}
  num_images = sum(map(len, parts.values()))
  with tqdm(total=num_images, unit='images', desc=split, disable=not parts) as bar:
    for name, shard in local.run(_write_shard, jobs, workers):
      manifest.finish(name, shard)
      bar.update(len(parts[name]))
  for shard in manifest.finished.values():
    report.add(shard)
  files.write_json(posixpath.join(output, f'{split}.report.json'), dataclasses.asdict(report))
  if not report.written:
    reason = next(iter(report.refused.values()))
    raise UserError(f'{split}: no image could be used; the first: {reason}')
  return report


def _identity(source: Source, num_shards: int, num_images: int) -> dict[str, Any]:
  """Returns what two conversions have in common whose shards are the same; JSON."""
  return {
      'source': dataclasses.asdict(source),
      'annotations': source.annotations_state(),
      'format': schema.FORMAT,
      'num_shards': num_shards,
      'num_images': num_images,
  }


class _Manifest:
  """The file that names the finished shards of a conversion.

  Attributes:
    finished: report by name, of the shards that are there and belong to this conversion.
  """

  def __init__(self, output: str, split: str, identity: dict[str, Any]):
    self._path = posixpath.join(output, f'{split}.manifest.json')
    self._identity = identity
    self.finished: dict[str, ShardReport] = {}
    if not tf.io.gfile.exists(self._path):
      return
    with tf.io.gfile.GFile(self._path) as file:
      content = json.load(file)
    if content.get('conversion') != identity:
      return
    for name, shard in content['finished'].items():
      if tf.io.gfile.exists(posixpath.join(output, name)):
        self.finished[name] = ShardReport(**shard)

  def finish(self, name: str, shard: ShardReport) -> None:
    """Notes that a shard is finished."""
    self.finished[name] = shard
    finished = {name: dataclasses.asdict(report) for name, report in self.finished.items()}
    files.write_json(self._path, {'conversion': self._identity, 'finished': finished})


def _remove_foreign_shards(output: str, split: str, own: list[str]) -> None:
  """Removes a split's shards of another conversion; a glob must not mix the two."""
  for path in tf.io.gfile.glob(posixpath.join(output, f'{split}-*-of-*.tfrecord')):
    if posixpath.basename(path) not in own:
      tf.io.gfile.remove(path)


def _write_shard(path: str, rows: list[dict[str, Any]], source: Source) -> ShardReport:
  """Writes one shard, complete or not at all."""
  report = ShardReport()
  with files.write_atomically(path) as temporary, tf.io.TFRecordWriter(temporary) as writer:
    for row in rows:
      try:
        record, remark = source.convert_image(row)
      except UnusableImage as e:
        report.refused[row['file_name']] = str(e)
        continue
      writer.write(record)
      report.written += 1
      if remark:
        report.remarks[row['file_name']] = remark
  return report
