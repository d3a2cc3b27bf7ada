"""COCO's panoptic layout (pictures, PNGs with ids as colours, one JSON) to sharded TFRecords."""

import concurrent.futures
import dataclasses
import io
import json
import multiprocessing
import posixpath

import numpy as np
import tensorflow as tf
from PIL import Image
from PIL import UnidentifiedImageError
from tqdm import tqdm

from configs import datasets
from configs.errors import UserError
from dataloaders import schema


@dataclasses.dataclass(frozen=True)
class Source:
  """One split of a data set in COCO's panoptic layout: folders, JSON, and the row of configs/datasets.py."""
  images: str
  annotations: str
  panoptic: str
  data_set: str = 'coco_panoptic'


@dataclasses.dataclass
class Report:
  """What a conversion did.

  Attributes:
    written: pictures in the records.
    refused: {picture: reason} of those left out.
    remarks: {picture: what was mended or is odd} of those written all the same.
    shards_kept: shards that were there already and were left as they are.
  """
  written: int = 0
  refused: dict[str, str] = dataclasses.field(default_factory=dict)
  remarks: dict[str, str] = dataclasses.field(default_factory=dict)
  shards_kept: int = 0


class Refused(Exception):
  """A picture that cannot be used; the text says why."""


def coco_splits(root: str, data_set: str) -> dict[str, Source]:
  """Returns the sources of 'train' and 'val' in COCO's official folder layout below `root`."""
  return {split: Source(
      images=posixpath.join(root, f'{split}2017'),
      annotations=posixpath.join(root, 'annotations', f'panoptic_{split}2017.json'),
      panoptic=posixpath.join(root, 'annotations', f'panoptic_{split}2017'),
      data_set=data_set) for split in ('train', 'val')}


def read_annotations(source: Source) -> list[dict]:
  """Reads the JSON into one dict a picture: the image's fields, 'png' and 'segments_info'; sorted by id.

  Raises:
    UserError: the file is missing, no JSON, not panoptic, or names categories that the data set lacks.
  """
  if not tf.io.gfile.exists(source.annotations):
    raise UserError(f'annotations {source.annotations} do not exist; give the panoptic JSON')
  try:
    with tf.io.gfile.GFile(source.annotations) as file:
      content = json.load(file)
    images = {image['id']: image for image in content['images']}
    categories = {category['id'] for category in content['categories']}
    rows = [{**images[a['image_id']], 'png': a['file_name'], 'segments_info': a['segments_info']}
            for a in content['annotations']]
  except json.JSONDecodeError as e:
    raise UserError(f'annotations {source.annotations} are no JSON ({e})') from e
  except (KeyError, TypeError) as e:
    raise UserError(f"annotations {source.annotations} are not in COCO's panoptic form: {e!r} is missing; "
                    'give panoptic_*.json, not instances_*.json') from e
  known = datasets.get(source.data_set).contiguous_ids
  if categories - set(known):
    raise UserError(f'annotations {source.annotations} have categories that data set {source.data_set} lacks: '
                    f'{sorted(categories - set(known))[:5]}; choose --data_set')
  return sorted(rows, key=lambda row: str(row['id']))


def _load(path: str) -> bytes:
  try:
    with tf.io.gfile.GFile(path, 'rb') as file:
      return file.read()
  except tf.errors.NotFoundError as e:
    raise Refused(f'{path} does not exist') from e


def _decode(data: bytes, path: str) -> Image.Image:
  try:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
  except UnidentifiedImageError as e:
    raise Refused(f'{path} cannot be decoded (no known picture format)') from e
  except (OSError, SyntaxError, ValueError) as e:
    raise Refused(f'{path} cannot be decoded ({e})') from e


def _id_map(png: np.ndarray, infos: list[dict], path: str) -> np.ndarray:
  """Turns the PNG's colours into positions in `infos`, from 1; every id must be known."""
  ids = png.astype(np.int64) @ np.array([1, 256, 65536])
  found, inverse = np.unique(ids, return_inverse=True)
  order = {info['id']: k + 1 for k, info in enumerate(infos)}
  strange = [int(i) for i in found if i and int(i) not in order]
  if strange:
    raise Refused(f'{path} has ids that are not in the JSON: {strange[:5]}')
  return np.array([order.get(int(i), 0) for i in found])[inverse].reshape(ids.shape)


def convert_picture(row: dict, source: Source) -> tuple[bytes, str]:
  """Checks one picture against its annotation and returns (record, remark or '').

  Raises:
    Refused: it cannot be used.
  """
  picture_path = posixpath.join(source.images, row['file_name'])
  png_path = posixpath.join(source.panoptic, row['png'])
  data = _load(picture_path)
  image = _decode(data, picture_path)
  size = (row['height'], row['width'])
  if image.size[::-1] != size:
    raise Refused(f'{picture_path} is {image.height}x{image.width}, the JSON says {size[0]}x{size[1]}')
  png = np.asarray(_decode(_load(png_path), png_path).convert('RGB'))
  if png.shape[:2] != size:
    raise Refused(f'{png_path} is {png.shape[0]}x{png.shape[1]}, the JSON says {size[0]}x{size[1]}')
  infos = row['segments_info']
  if len({info['id'] for info in infos}) != len(infos):
    raise Refused(f'{row["file_name"]} has two segments with one id in the JSON')
  if len(infos) > schema.MAX_SEGMENTS:
    raise Refused(f'{row["file_name"]} has more than {schema.MAX_SEGMENTS} segments')
  classes = datasets.get(source.data_set).contiguous_ids
  unknown = [info['category_id'] for info in infos if info['category_id'] not in classes]
  if unknown:
    raise Refused(f'{row["file_name"]} has unknown category ids {unknown[:5]}')
  id_map = _id_map(png, infos, png_path)
  pixels = np.bincount(id_map.ravel(), minlength=len(infos) + 1)[1:]
  remarks = []
  if (pixels == 0).any():
    remarks.append(f'{int((pixels == 0).sum())} segments without pixels')
  wrong = sum(int(info.get('area', n)) != n for info, n in zip(infos, pixels))
  if wrong:
    remarks.append(f'{wrong} areas differ from the PNG')
  kind = (image.format or 'JPEG').lower()
  if kind not in ('jpeg', 'png') or image.mode not in ('RGB', 'L'):
    buffer = io.BytesIO()
    image.convert('RGB').save(buffer, 'PNG')
    data, kind = buffer.getvalue(), 'png'
    remarks.append(f'{image.format} {image.mode} picture stored as RGB PNG')
  segments = [schema.Segment(classes[info['category_id']], bool(info.get('iscrowd', 0)), 0,
                             int(info.get('area', n)), info['id']) for info, n in zip(infos, pixels)]
  record = schema.write(data, kind, size, str(row['id']), row['file_name'], [id_map], segments)
  return record, '; '.join(remarks)


def _convert_shard(path: str, rows: list[dict], source: Source) -> dict:
  """Writes one shard under a temporary name, then renames it; returns its part of the report."""
  result = {'written': 0, 'refused': {}, 'remarks': {}}
  temporary = path + '.part'
  with tf.io.TFRecordWriter(temporary) as writer:
    for row in rows:
      try:
        record, remark = convert_picture(row, source)
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
  and the annotation file are the same.

  Args:
    source: where the data set is.
    output: folder of the shards `<split>-00000-of-00008.tfrecord`, the manifest and the report.
    split: first part of the names.
    num_shards: files; at most one a picture.
    workers: processes.

  Raises:
    UserError: nothing usable was found.
  """
  rows = read_annotations(source)
  if not rows:
    raise UserError(f'annotations {source.annotations} hold no pictures')
  num_shards = min(num_shards, len(rows))
  tf.io.gfile.makedirs(output)
  manifest_path = posixpath.join(output, f'{split}.manifest.json')
  identity = {**dataclasses.asdict(source), 'num_shards': num_shards, 'pictures': len(rows),
              'annotations_bytes': tf.io.gfile.stat(source.annotations).length,
              'annotations_mtime': tf.io.gfile.stat(source.annotations).mtime_nsec}
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
  with tqdm(total=sum(map(len, parts.values())), unit='pictures', desc=split, disable=not parts) as bar:
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
    raise UserError(f'no picture of {source.annotations} could be used; the first: {reason}')
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
