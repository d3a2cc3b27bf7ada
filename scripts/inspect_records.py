"""Reads every record of a data set, says what is in it, names what cannot be used, and draws some.

    tf-maskformer inspect --input '/data/coco_records/val*'
    tf-maskformer inspect --input 'data/shapes_records/val*' --output inspected/
"""

import collections
import os
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor_file
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

  def __init__(self):
    self.images = 0
    self.crowds = 0
    self.outlined = 0
    self.sizes: list[int] = []
    self.segments: list[int] = []
    self.problems: list[str] = []
    self.classes: collections.Counter[int] = collections.Counter()

  def add(self, example: dict[str, Any]) -> None:
    """Counts a decoded record."""
    classes = [int(c) for c in example['class']]
    self.outlined += len(set(example['polygons']['segment'].numpy().tolist()))
    self.images += 1
    self.sizes.append(max(example['image'].shape[:2]))
    self.segments.append(len(classes))
    self.classes.update(classes)
    self.crowds += int(example['is_crowd'].numpy().sum())

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
              ) -> Iterator[tuple[int, dict[str, Any]]]:
  """Decodes the records of a file.

  Args:
    path: of the file.
    data_set: see `catalog.get`.
    problems: records that cannot be used are added here, a line each.

  Yields:
    (number in the file, what `decoder.decode` returns).
  """
  from tf_maskformer.dataloaders import decoder
  from tf_maskformer.dataloaders import record_files
  from tf_maskformer.dataloaders.images import UnusableImage

  try:
    offsets = record_files.offsets_in(path)
  except errors.UserError as e:  # nothing behind the damage can be found
    problems.append(str(e))
    return
  for offset in offsets:
    try:
      record = record_files.read(offset)
      example = decoder.function(data_set)(record)
      _check_truth(record, example, data_set)
    except errors.UserError as e:
      problems.append(str(e))
    except decoder.ERRORS as e:
      problems.append(f'{offset}: {decoder.explain(e)}')
    except UnusableImage as e:
      problems.append(f'{offset}: {e}')
    else:
      yield offset.number, example


def _check_truth(record: bytes, example: dict[str, Any], data_set: str) -> None:
  """Raises as `decoder` and `record_facts` do where what only scoring reads cannot be used."""
  from tf_maskformer.dataloaders import decoder
  from tf_maskformer.dataloaders import record_facts
  from tf_maskformer.dataloaders import schema

  record_facts.of(record)
  schema.read_instances(record, catalog.get(data_set).num_classes)
  void = example['void']
  if void.numpy():
    decoder.decode_id_map(void)


def _data_set_of(path: str) -> str:
  """Returns the data set of a file of records: the description next to it, else its manifest's.

  Both are what `tf-maskformer prepare` writes next to its shards; earlier versions wrote no
  description. Without either it is COCO's panoptic.

  Raises:
    UserError: it cannot be read.
  """
  folder, name = os.path.split(path)
  description = os.path.join(folder, descriptor_file.NAME)
  if files.is_file(description):
    return description
  manifest = os.path.join(folder, f'{name.partition("-")[0]}.manifest.json')
  if not files.is_file(manifest):
    return _DEFAULT
  try:
    content = files.read_json(manifest)
  except errors.UserError as e:
    raise errors.UserError(f'{e} (--data_set names the data set without it)') from e
  parts = content if isinstance(content, dict) else {}
  for key in ('conversion', 'source'):  # earlier versions had no 'conversion'
    if isinstance(parts.get(key), dict):
      parts = parts[key]
  name = parts.get('data_set', _DEFAULT)
  if not isinstance(name, str):
    raise errors.UserError(f'{manifest} names the data set {errors.quoted(name)}, which is not a '
                           'name; give --data_set')
  return name


def _draw(example: dict[str, Any], classes: Sequence[Class], path: str) -> None:
  """Writes a PNG of an image with its segments."""
  from tf_maskformer.dataloaders import images
  from tf_maskformer.evaluation import drawing

  id_map = example['id_maps'].numpy().max(axis=2).astype('int32')
  segments = [{'id': i + 1, 'category_id': int(c)} for i, c in enumerate(example['class'])]
  drawn = drawing.draw_panoptic(example['image'].numpy(), id_map, segments, classes)
  with files.writing(path, 'name another --output'):
    files.make_folder(os.path.dirname(path))
    files.write_bytes(path, images.encode(drawn, 'PNG'))


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument('--input', required=True, help='file, glob, or several separated by commas')
  parser.add_argument(
      '--data_set',
      help='name, or YAML file, of the data set; default: the data_set.yaml next to the records, '
      f'else what their manifest says, else {_DEFAULT}')
  parser.add_argument('--output', help='folder for images with their segments drawn over them')
  parser.add_argument(
      '--num_images', '--num_pictures', type=int, default=8, help='how many of them')
  return parser


def main(argv: Sequence[str]) -> None:
  args = flags().parse(argv)
  if args.data_set:
    catalog.get(args.data_set)
  if args.output and files.is_file(args.output):
    raise errors.UserError(f'--output {args.output} is not a directory; name a folder')

  from tqdm import tqdm

  from tf_maskformer.dataloaders import record_files

  paths = record_files.match(args.input, '--input')
  data_set = args.data_set or _data_set_of(paths[0])
  name = catalog.get(data_set).name
  classes = catalog.get(data_set).classes
  print(f'classes of {name}' + ('' if args.data_set else ' (--data_set changes it)'))
  tally = Tally()
  for path in tqdm(paths, unit='files'):
    for number, example in _examples(path, data_set, tally.problems):
      tally.add(example)
      if args.output and tally.images <= args.num_images:
        name = f'{os.path.splitext(os.path.basename(path))[0]}_{number:05d}.png'
        _draw(example, classes, os.path.join(args.output, name))
  print(tally.text(classes))
  error = tally.error()
  if error:
    raise error


if __name__ == '__main__':
  cli.run(main)
