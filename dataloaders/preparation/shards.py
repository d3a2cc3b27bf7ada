"""Images with their annotations to sharded TFRecords: in parallel, restartable, every refusal reported."""

import concurrent.futures
import dataclasses
import io
import json
import multiprocessing
import pathlib
import posixpath
from typing import Protocol

import tensorflow as tf
from PIL import Image
from PIL import ImageOps
from PIL import UnidentifiedImageError
from tqdm import tqdm

from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders import schema
from tf_maskformer.errors import UserError

_ORIENTATION = 0x0112  # EXIF's tag
_PNG_DEPTH = 24  # where a PNG says its bits per channel


@dataclasses.dataclass
class Report:
  """What a conversion did.

  Attributes:
    written: images in the records.
    refused: {image: reason} of those left out.
    remarks: {image: what was mended or is odd} of those written all the same.
    shards_kept: shards that were there already and were left as they are.
  """
  written: int = 0
  refused: dict[str, str] = dataclasses.field(default_factory=dict)
  remarks: dict[str, str] = dataclasses.field(default_factory=dict)
  shards_kept: int = 0


class Refused(Exception):
  """An image that cannot be used; the text says why."""


NOTHING_TO_TRAIN_ON = 'no instance but crowds; the official recipes train without such images'


class Source(Protocol):
  """One split of a data set; a dataclass of text fields, which say whether an earlier conversion is the same."""

  def rows(self) -> list[dict]:
    """Returns what there is to convert, a dict an image with 'file_name'; raises UserError."""

  def convert_image(self, row: dict) -> tuple[bytes, str]:
    """Checks one image against its annotation; returns (record, remark or ''), raises Refused."""

  def annotations_state(self) -> list:
    """Returns numbers that change with the annotations, besides the number of images."""


def folder_state(folder: str) -> list:
  """Returns number, bytes and newest change of the files below a folder; [] of a remote one, which is slow to ask."""
  stats = [path.stat() for path in pathlib.Path(folder).rglob('*') if path.is_file()]
  return [len(stats), sum(s.st_size for s in stats), max(s.st_mtime_ns for s in stats)] if stats else []


def load(path: str) -> bytes:
  """Returns a file's bytes, raises Refused where there is none."""
  try:
    with tf.io.gfile.GFile(path, 'rb') as file:
      return file.read()
  except tf.errors.NotFoundError as e:
    raise Refused(f'{path} does not exist') from e


def decode(data: bytes, path: str) -> Image.Image:
  """Returns the decoded image, raises Refused where it cannot be."""
  try:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
  except UnidentifiedImageError as e:
    raise Refused(f'{path} cannot be decoded (no known image format)') from e
  except (OSError, SyntaxError, ValueError) as e:
    raise Refused(f'{path} cannot be decoded ({e})') from e


def image(path: str) -> tuple[Image.Image, bytes, str, list[str]]:
  """Reads an image: (decoded, upright; the file for the record; 'jpeg' or 'png'; remarks).

  A JPEG or PNG of 8 bits in RGB or gray is kept as it is; other formats (CMYK, palettes, BMP, GIF, WebP, ...), RGB of
  16 bits, and images that their EXIF turns, become RGB PNG of 8 bits.

  Raises:
    Refused: there is none, it cannot be decoded, or it is gray of more than 8 bits, whose range nothing tells.
  """
  data = load(path)
  image = decode(data, path)
  if images.is_deep(image):
    raise Refused(f'{path} {images.TOO_DEEP}')
  kind, upright = (image.format or 'JPEG').lower(), ImageOps.exif_transpose(image)
  turned = image.getexif().get(_ORIENTATION, 1) != 1
  halved = kind == 'png' and data[_PNG_DEPTH] == 16
  if kind in ('jpeg', 'png') and image.mode in ('RGB', 'L') and not turned and not halved:
    return image, data, kind, []
  buffer = io.BytesIO()
  upright.convert('RGB').save(buffer, 'PNG')
  why = 'turned by its EXIF' if turned else f'{image.format} {"16 bits" if halved else image.mode}'
  return upright, buffer.getvalue(), 'png', [f'image ({why}) stored as RGB PNG']


def _convert_shard(path: str, rows: list[dict], source: Source) -> dict:
  """Writes one shard under a temporary name, then renames it; returns its part of the report."""
  result = {'written': 0, 'refused': {}, 'remarks': {}}
  temporary = path + '.part'
  with tf.io.TFRecordWriter(temporary) as writer:
    for row in rows:
      try:
        record, remark = source.convert_image(row)
      except Refused as e:
        result['refused'][row['file_name']] = str(e)
        continue
      writer.write(record)
      result['written'] += 1
      if remark:
        result['remarks'][row['file_name']] = remark
  tf.io.gfile.rename(temporary, path, overwrite=True)
  return result


def _write_json(path: str, content) -> None:
  with tf.io.gfile.GFile(path + '.part', 'w') as file:
    file.write(json.dumps(content, indent=1))
  tf.io.gfile.rename(path + '.part', path, overwrite=True)


def convert(source: Source, output: str, split: str, num_shards: int, workers: int) -> Report:
  """Converts one split.

  A conversion that was interrupted goes on: shards that the manifest names as finished are kept if the parameters
  and the annotations are the same.

  Args:
    source: where the data set is.
    output: folder of the shards `<split>-00000-of-00008.tfrecord`, the manifest and the report.
    split: first part of the names.
    num_shards: files; at most one an image.
    workers: processes.

  Raises:
    UserError: nothing usable was found.
  """
  rows = source.rows()
  if not rows:
    raise UserError(f'{split}: there are no images to convert')
  num_shards = min(num_shards, len(rows))
  tf.io.gfile.makedirs(output)
  manifest_path = posixpath.join(output, f'{split}.manifest.json')
  identity = {**dataclasses.asdict(source), 'format': schema.FORMAT, 'num_shards': num_shards, 'images': len(rows),
              'annotations': source.annotations_state()}
  finished = {}
  if tf.io.gfile.exists(manifest_path):
    with tf.io.gfile.GFile(manifest_path) as file:
      manifest = json.load(file)
    if manifest['source'] == identity:
      finished = manifest['finished']
  names = [f'{split}-{i:05d}-of-{num_shards:05d}.tfrecord' for i in range(num_shards)]
  for old in tf.io.gfile.glob(posixpath.join(output, f'{split}-*-of-*.tfrecord')):
    if posixpath.basename(old) not in names or not finished:
      tf.io.gfile.remove(old)  # of another conversion; a glob must not mix both
  finished = {n: r for n, r in finished.items() if tf.io.gfile.exists(posixpath.join(output, n))}
  kept = len(finished)
  parts = {name: rows[i::num_shards] for i, name in enumerate(names) if name not in finished}
  with tqdm(total=sum(map(len, parts.values())), unit='images', desc=split, disable=not parts) as bar:
    for name, result in _run(parts, source, output, workers):
      finished[name] = result
      _write_json(manifest_path, {'source': identity, 'finished': finished})
      bar.update(len(parts[name]))
  report = Report(shards_kept=kept)
  for result in finished.values():
    report.written += result['written']
    report.refused.update(result['refused'])
    report.remarks.update(result['remarks'])
  _write_json(posixpath.join(output, f'{split}.report.json'), dataclasses.asdict(report))
  if not report.written:
    reason = next(iter(report.refused.values()))
    raise UserError(f'{split}: no image could be used; the first: {reason}')
  return report


def _run(parts: dict[str, list[dict]], source: Source, output: str, workers: int):
  """Yields (shard name, its result) as shards are finished."""
  if workers <= 1 or len(parts) <= 1:
    for name, rows in parts.items():
      yield name, _convert_shard(posixpath.join(output, name), rows, source)
    return
  # Forked workers share the imported libraries instead of loading them again.
  with concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context('fork')) as pool:
    waiting = {pool.submit(_convert_shard, posixpath.join(output, name), rows, source): name
               for name, rows in parts.items()}
    for done in concurrent.futures.as_completed(waiting):
      yield waiting[done], done.result()
