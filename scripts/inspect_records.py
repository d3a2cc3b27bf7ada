"""Reads every record of a data set, says what is in it, names what cannot be used, and draws some.

    tf-maskformer inspect --input '/data/coco_records/val*'
    tf-maskformer inspect --input 'data/shapes_records/val*' --output inspected/
"""

import collections
import json
import os
import pathlib
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets.descriptor import Class

_SHOWN = 5  # problems that the error names

_DEFAULT = 'coco_panoptic'


class Tally:
  """Counts what the records hold.

  Attributes:
    images: number of good records.
    sizes: the longer side of each image.
    segments: number of segments of each image.
    classes: class -> number of segments.
    crowds: number of crowd segments.
    outlined: number of segments whose polygons the record holds.
    problems: what cannot be used, a line each.
  """

  def __init__(self, num_classes: int):
    self._num_classes = num_classes
    self.images = 0
    self.crowds = 0
    self.outlined = 0
    self.sizes: list[int] = []
    self.segments: list[int] = []
    self.problems: list[str] = []
    self.classes: collections.Counter[int] = collections.Counter()

  def add(self, where: str, example: dict[str, Any]) -> bool:
    """Counts a decoded record; False where a class is out of range or polygons have no segment."""
    classes = [int(c) for c in example['class']]
    wrong = [c for c in classes if not 0 <= c < self._num_classes]
    if wrong:
      self.problems.append(f'{where}: class {wrong[0]} is outside 0 to {self._num_classes - 1}')
      return False
    polygons = example['polygons']
    outlined = set(polygons['segment'].numpy().tolist())
    num_corners = int(polygons['corners'].numpy().sum())
    if not outlined <= set(range(len(classes))) or num_corners != len(polygons['coordinates']):
      self.problems.append(f'{where}: its polygons do not belong to its segments')
      return False
    self.outlined += len(outlined)
    self.images += 1
    self.sizes.append(max(example['image'].shape[:2]))
    self.segments.append(len(classes))
    self.classes.update(classes)
    self.crowds += int(example['is_crowd'].numpy().sum())
    return True

  def text(self, classes: Sequence[Class]) -> str:
    """Returns the summary."""
    if not self.images:
      return 'no record can be used'
    lines = [
        f'{self.images} images, longer side {min(self.sizes)} to {max(self.sizes)} '
        f'(median {statistics.median(self.sizes):g})',
        f'{sum(self.segments)} segments, at most {max(self.segments)} in an image '
        f'(median {statistics.median(self.segments):g}), {self.crowds} crowds, '
        f'{self.outlined} with polygons']
    for i, c in enumerate(classes):
      if self.classes[i]:
        lines.append(f'  {self.classes[i]:8d}  {c.name}')
    absent = sum(not self.classes[i] for i in range(len(classes)))
    if absent:
      lines.append(f'  {absent} classes have no segment')
    return '\n'.join(lines)

  def error(self) -> errors.UserError | None:
    """Returns the error that names the first problems; None without any."""
    if not self.problems:
      return None
    shown = '; '.join(self.problems[:_SHOWN])
    rest = len(self.problems) - _SHOWN
    more = f' and {rest} more' if rest > 0 else ''
    return errors.UserError(f'{len(self.problems)} records cannot be used: {shown}{more}; convert '
                            'the data set again with tf-maskformer prepare')


def _examples(path: str, data_set: str, problems: list[str]
              ) -> Iterator[tuple[int, str, dict[str, Any]]]:
  """Decodes the records of a file.

  Args:
    path: of the file.
    data_set: name in configs/datasets/catalog.py.
    problems: records that cannot be decoded are added here, a line each.

  Yields:
    (number in the file, path and number for messages, what `decoder.decode` returns).
  """
  import tensorflow as tf

  from tf_maskformer.dataloaders import decoder

  records = iter(tf.data.TFRecordDataset(path))
  number = -1
  while True:
    number += 1
    where = f'{path}, record {number}'
    try:
      record = next(records, None)
    except tf.errors.OpError as e:  # nothing behind it can be found
      problems.append(f'{where}: {errors.explain(e.message)}; the rest of the file is lost')
      return
    if record is None:
      return
    try:
      example = decoder.decode(record, data_set)
    except tf.errors.OpError as e:
      problems.append(f'{where}: {errors.explain(e.message)}')
      continue
    yield number, where, example


def _data_set_of(path: str) -> str:
  """Returns the data set that the manifest next to a file of records names, else COCO's panoptic.

  The manifest is what `tf-maskformer prepare` writes next to its shards.
  """
  file = pathlib.Path(path)
  manifest = file.with_name(f'{file.name.partition("-")[0]}.manifest.json')
  if not manifest.is_file():
    return _DEFAULT
  content = json.loads(manifest.read_text())
  conversion = content.get('conversion', content)  # as earlier versions wrote it
  return conversion.get('source', {}).get('data_set', _DEFAULT)


def _draw(example: dict[str, Any], classes: Sequence[Class], path: pathlib.Path) -> None:
  """Writes a PNG of an image with its segments."""
  from PIL import Image

  from tf_maskformer.evaluation import drawing

  id_map = example['id_maps'].numpy().max(axis=2).astype('int32')
  segments = [{'id': i + 1, 'category_id': int(c)} for i, c in enumerate(example['class'])]
  drawn = drawing.draw_panoptic(example['image'].numpy(), id_map, segments, classes)
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(drawn).save(path)


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument('--input', required=True, help='file, glob, or several separated by commas')
  parser.add_argument(
      '--data_set',
      help='name in configs/datasets/catalog.py; default: what the manifest next to the records '
      f'says, else {_DEFAULT}')
  parser.add_argument('--output', help='folder for images with their segments drawn over them')
  parser.add_argument(
      '--num_images', '--num_pictures', type=int, default=8, help='how many of them')
  return parser


def main(argv: Sequence[str]) -> None:
  args = flags().parse(argv)
  if args.data_set:
    catalog.get(args.data_set)
  if args.output and pathlib.Path(args.output).is_file():
    raise errors.UserError(f'--output {args.output} is not a directory; name a folder')

  from tqdm import tqdm

  from tf_maskformer.dataloaders import record_files

  paths = record_files.match(args.input, '--input')
  data_set = args.data_set or _data_set_of(paths[0])
  classes = catalog.get(data_set).classes
  print(f'classes of {data_set}' + ('' if args.data_set else ' (--data_set changes it)'))
  tally = Tally(len(classes))
  for path in tqdm(paths, unit='files'):
    for number, where, example in _examples(path, data_set, tally.problems):
      is_good = tally.add(where, example)
      if is_good and args.output and tally.images <= args.num_images:
        name = f'{pathlib.Path(path).stem}_{number:05d}.png'
        _draw(example, classes, pathlib.Path(args.output) / name)
  print(tally.text(classes))
  error = tally.error()
  if error:
    raise error


if __name__ == '__main__':
  cli.run(main)
