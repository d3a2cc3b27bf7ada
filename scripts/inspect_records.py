"""Reads every record of a data set, says what is in it, names what cannot be used, and draws some.

    python scripts/inspect_records.py --input '/data/coco_records/val*'
    python scripts/inspect_records.py --input 'data/shapes_records/val*' --data_set shapes_panoptic --output drawn/
"""

import collections
import os
import pathlib
import statistics
from collections.abc import Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.errors import UserError


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
    self.images, self.crowds, self.outlined = 0, 0, 0
    self.sizes, self.segments, self.problems = [], [], []
    self.classes = collections.Counter()

  def add(self, where: str, example: dict) -> bool:
    """Counts a decoded record; False where a class is out of range or polygons are nobody's."""
    classes = [int(c) for c in example['class']]
    wrong = [c for c in classes if not 0 <= c < self._num_classes]
    if wrong:
      self.problems.append(f'{where}: class {wrong[0]} is outside 0 to {self._num_classes - 1}')
      return False
    outlined = set(example['polygons']['segment'].numpy().tolist())
    corners = int(example['polygons']['corners'].numpy().sum())
    if outlined - set(range(len(classes))) or corners != len(example['polygons']['coordinates']):
      self.problems.append(f'{where}: its polygons do not belong to its segments')
      return False
    self.outlined += len(outlined)
    self.images += 1
    self.sizes.append(max(example['image'].shape[:2]))
    self.segments.append(len(classes))
    self.classes.update(classes)
    self.crowds += int(example['is_crowd'].numpy().sum())
    return True

  def text(self, classes) -> str:
    """Returns the summary."""
    if not self.images:
      return 'no record can be used'
    lines = [
        f'{self.images} images, longer side {min(self.sizes)} to {max(self.sizes)} '
        f'(median {statistics.median(self.sizes):g})',
        f'{sum(self.segments)} segments, at most {max(self.segments)} in an image '
        f'(median {statistics.median(self.segments):g}), {self.crowds} crowds, '
        f'{self.outlined} with polygons']
    lines += [f'  {self.classes[i]:8d}  {c.name}' for i, c in enumerate(classes) if self.classes[i]]
    absent = sum(not self.classes[i] for i in range(len(classes)))
    return '\n'.join(lines + ([f'  {absent} classes have no segment'] if absent else []))


def main(argv: Sequence[str]) -> None:
  parser = cli.Parser(__doc__)
  parser.add_argument('--input', required=True, help='file, glob, or several with commas between')
  parser.add_argument('--data_set', default='coco_panoptic', help='row of configs/datasets/catalog.py')
  parser.add_argument('--output', help='folder for images with their segments drawn over them')
  parser.add_argument('--num_images', '--num_pictures', type=int, default=8, help='how many of them')
  args = parser.parse(argv)
  classes = catalog.get(args.data_set).classes

  import tensorflow as tf
  from PIL import Image
  from tqdm import tqdm

  from tf_maskformer.dataloaders import decoder
  from tf_maskformer.dataloaders import record_files
  from tf_maskformer.evaluation import drawing

  tally = Tally(len(classes))
  for path in tqdm(record_files.match(args.input, '--input'), unit='files'):
    records, number = iter(tf.data.TFRecordDataset(path)), -1
    while True:
      number += 1
      where = f'{path}, record {number}'
      try:
        record = next(records, None)
      except tf.errors.OpError as e:  # nothing behind it can be found
        tally.problems.append(f'{where}: {errors.explain(e.message)}; the rest of the file is lost')
        break
      if record is None:
        break
      try:
        example = decoder.decode(record, args.data_set)
      except tf.errors.OpError as e:
        tally.problems.append(f'{where}: {errors.explain(e.message)}')
        continue
      if tally.add(where, example) and args.output and tally.images <= args.num_images:
        folder = pathlib.Path(args.output)
        folder.mkdir(parents=True, exist_ok=True)
        id_map = example['id_maps'].numpy().max(axis=2).astype('int32')
        segments = [{'id': i + 1, 'category_id': int(c)} for i, c in enumerate(example['class'])]
        drawn = drawing.draw_panoptic(example['image'].numpy(), id_map, segments, classes)
        Image.fromarray(drawn).save(folder / f'{pathlib.Path(path).stem}_{number:05d}.png')
  print(tally.text(classes))
  if tally.problems:
    more = f' and {len(tally.problems) - 5} more' if len(tally.problems) > 5 else ''
    raise UserError(f'{len(tally.problems)} records cannot be used: {"; ".join(tally.problems[:5])}{more}; convert '
                    'the data set again with scripts/prepare_data.py')


if __name__ == '__main__':
  cli.run(main)
