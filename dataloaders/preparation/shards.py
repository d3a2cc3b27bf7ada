"""Images with their annotations as sharded TFRecords: restartable, every refusal reported."""

import contextlib
import dataclasses
import hashlib
import posixpath
from collections.abc import Generator
from typing import Any

import tensorflow as tf
from tqdm import tqdm

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.preparation import local
from tf_maskformer.dataloaders.preparation import manifest
from tf_maskformer.dataloaders.preparation import on_beam
from tf_maskformer.dataloaders.preparation import shard_writer
from tf_maskformer.dataloaders.preparation.counts import Counts
from tf_maskformer.dataloaders.preparation.exchange import Exchange
from tf_maskformer.dataloaders.preparation.manifest import Manifest
from tf_maskformer.dataloaders.preparation.manifest import ShardReport
from tf_maskformer.dataloaders.preparation.runners import Runner
from tf_maskformer.dataloaders.preparation.source import Source

# Without a number of shards: about this many images in each, in at least so many shards.
_IMAGES_PER_SHARD = 1000
_MIN_SHARDS = 8
# Of manifests of earlier versions, which do not state it.
_FORMER_LIMIT = {'max_pixels': images.MAX_PIXELS}


@dataclasses.dataclass
class Report:
  """What became of a split's images.

  Attributes:
    written: images in the records.
    refused: {image: reason} of those left out.
    remarks: {image: what was changed or is odd} of those that were written.
    shards_kept: shards that were finished already and were left as they are.
    shards_failed: {shard: how its process died} of those that are missing.
    counts: of the images that were written.
  """
  written: int = 0
  refused: dict[str, str] = dataclasses.field(default_factory=dict)
  remarks: dict[str, str] = dataclasses.field(default_factory=dict)
  shards_kept: int = 0
  shards_failed: dict[str, str] = dataclasses.field(default_factory=dict)
  counts: Counts = dataclasses.field(default_factory=Counts)

  def add(self, shard: ShardReport) -> None:
    """Adds the images of a shard."""
    self.written += shard.written
    self.refused.update(shard.refused)
    self.remarks.update(shard.remarks)
    self.counts.add(shard.counts)


def convert(source: Source, output: str, split: str, num_shards: int = 0, workers: int = 1,
            rows: list[dict[str, Any]] | None = None, runner: Runner | None = None) -> Report:
  """Converts one split.

  An interrupted conversion resumes: shards that the manifest names as finished are kept if the
  source, its annotations and the number of shards are the same, and none of their bytes is missing.

  Args:
    source: where the data set is.
    output: folder of the shards `<split>-00000-of-00008.tfrecord`, the manifest and the report;
      used by this process alone (`tf_maskformer.output.opened`).
    split: first part of the names.
    num_shards: at most one per image; 0: images / 1000, at least 8.
    workers: processes; at most one per shard and core.
    rows: those of the source, if they were read already.
    runner: of Apache Beam, which makes the shards in place of this machine's processes; None: they
      do.

  Raises:
    UserError: nothing usable was found, something cannot be written, or processes or the runner's
      job died, in which case the other shards are finished.
  """
  rows = source.rows() if rows is None else rows
  if not rows:
    raise errors.UserError(f'{split}: there are no images to convert')
  num_shards = num_shards or max(_MIN_SHARDS, len(rows) // _IMAGES_PER_SHARD)
  num_shards = min(num_shards, len(rows))
  names = [f'{split}-{i:05d}-of-{num_shards:05d}.tfrecord' for i in range(num_shards)]
  with files.writing(output, manifest.ADVICE):
    tf.io.gfile.makedirs(output)
  identity = _identity(source, num_shards, len(rows))
  finished = Manifest(output, split, identity, names, _FORMER_LIMIT)
  files_of_job = Exchange(output, split, identity)
  finished.adopt(files_of_job.left(names))
  files_of_job.remove()
  _remove_foreign_shards(output, split, names if finished.finished else [])
  report = Report(shards_kept=len(finished.finished))
  parts = {name: rows[i::num_shards] for i, name in enumerate(names)}
  parts = {name: part for name, part in parts.items() if name not in finished.finished}
  if runner is None:
    jobs = {name: (posixpath.join(output, name), part, source) for name, part in parts.items()}
    work = local.run(shard_writer.write, jobs, workers)
    report.shards_failed = _make(work, split, parts, finished)
  elif parts:
    _make_on_beam(runner, files_of_job, source, split, parts, finished)
  for _, shard in sorted(finished.finished.items()):  # in an order that chance does not make
    report.add(shard)
  path = posixpath.join(output, f'{split}.report.json')
  with files.writing(path, manifest.ADVICE):
    files.write_json(path, dataclasses.asdict(report))
  _require_success(report, split)
  return report


def _make(work: Generator[tuple[str, ShardReport], None, None], split: str,
          parts: dict[str, list[dict[str, Any]]], finished: Manifest) -> dict[str, str]:
  """Makes shards; returns how processes died, by the name of the shard, where they did.

  Args:
    work: yields each shard's name and report when it is made.
    split: for the progress bar.
    parts: the rows of each shard, by name.
    finished: shards are noted there.
  """
  num_images = sum(map(len, parts.values()))
  with (
      tqdm(total=num_images, unit='images', desc=errors.quoted(split), disable=not parts) as bar,
      contextlib.closing(work) as done):
    try:
      for name, shard in done:
        finished.finish(name, shard)
        bar.update(len(parts[name]))
    except local.Died as e:
      return dict(e.how)
  return {}


def _make_on_beam(runner: Runner, files_of_job: Exchange, source: Source, split: str,
                  parts: dict[str, list[dict[str, Any]]], finished: Manifest) -> None:
  """Makes shards on a runner; what its workers finish until the end, good or bad, is noted."""
  try:
    _make(on_beam.run(runner, files_of_job, parts, source), split, parts, finished)
  finally:
    finished.adopt(files_of_job.left(list(parts)))
    files_of_job.remove()


def _require_success(report: Report, split: str) -> None:
  """Raises UserError where shards are missing, or no image could be used."""
  if report.shards_failed:
    name, how = next(iter(report.shards_failed.items()))
    raise errors.UserError(
        f'{split}: {len(report.shards_failed)} shards are missing, the others are finished; the '
        f'process of {name} {how}, twice; run the same command again with fewer --workers')
  if not report.written:
    reason = next(iter(report.refused.values()))
    raise errors.UserError(f'{split}: no image could be used; the first: {reason}')


def _identity(source: Source, num_shards: int, num_images: int) -> dict[str, Any]:
  """Returns what two conversions have in common whose shards are the same; JSON."""
  fields = dataclasses.asdict(source)
  return {
      'source': fields,
      'classes': _digest(catalog.get(fields['data_set'])),
      'annotations': source.annotations_state(),
      'format': schema.FORMAT,
      'num_shards': num_shards,
      'num_images': num_images,
      'max_pixels': images.max_pixels(),
  }


def _digest(data_set: DataSet) -> str:
  """Returns what changes with the meaning of the annotations."""
  text = descriptor_file.text_of(data_set)
  return hashlib.sha256(text.encode()).hexdigest()


def _remove_foreign_shards(output: str, split: str, own: list[str]) -> None:
  """Removes a split's shards of another conversion; a glob must not mix the two."""
  for path in tf.io.gfile.glob(posixpath.join(output, f'{split}-*-of-*.tfrecord')):
    if posixpath.basename(path) not in own:
      with files.writing(path, manifest.ADVICE):
        tf.io.gfile.remove(path)
