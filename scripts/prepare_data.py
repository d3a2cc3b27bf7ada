"""Converts a data set to TFRecords.

    python scripts/prepare_data.py coco_panoptic --coco_root /data/coco --output /data/coco_records
    python scripts/prepare_data.py coco_panoptic --images pictures/ --annotations panoptic.json \
        --panoptic pngs/ --split train --output records/
"""

import argparse
import os
import pathlib
import sys
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from configs import datasets
from configs.errors import UserError
from training import cli


def parse(argv: Sequence[str]) -> argparse.Namespace:
  parser = cli.Parser(__doc__)
  parser.add_argument('layout', choices=['coco_panoptic'], help='how the data set lies on disk')
  parser.add_argument('--output', required=True, help='folder for the records')
  parser.add_argument('--coco_root', help='folder with train2017, val2017 and annotations; does both splits')
  parser.add_argument('--images', help='folder of pictures (one split)')
  parser.add_argument('--annotations', help='panoptic JSON (one split)')
  parser.add_argument('--panoptic', help='folder of panoptic PNGs (one split)')
  parser.add_argument('--split', help="first part of the records' names, e.g. train (one split)")
  parser.add_argument('--data_set', default='coco_panoptic', help='row of configs/datasets.py: the classes')
  parser.add_argument('--shards', type=int, default=0, help='files a split; default: pictures / 1000, at least 8')
  parser.add_argument('--workers', type=int, default=os.cpu_count(), help='processes')
  return parser.parse(argv)


def main(argv: Sequence[str]) -> None:
  args = parse(argv)
  datasets.get(args.data_set)
  one_split = (args.images, args.annotations, args.panoptic, args.split)
  if bool(args.coco_root) == bool(any(one_split)) or (any(one_split) and not all(one_split)):
    raise UserError('give either --coco_root or all of --images, --annotations, --panoptic and --split')
  if args.shards < 0 or args.workers < 1:
    raise UserError('--shards must be 0 or more and --workers 1 or more')
  from dataloaders.converters import coco_panoptic
  if args.coco_root:
    sources = coco_panoptic.coco_splits(args.coco_root, args.data_set)
  else:
    sources = {args.split: coco_panoptic.Source(args.images, args.annotations, args.panoptic, args.data_set)}
  for split, source in sources.items():
    shards = args.shards or max(8, len(coco_panoptic.read_annotations(source)) // 1000)
    report = coco_panoptic.convert(source, args.output, split, shards, args.workers)
    kept = f', {report.shards_kept} shards were finished already' if report.shards_kept else ''
    print(f'{split}: {report.written} pictures in {args.output}{kept}; {len(report.refused)} refused, '
          f'{len(report.remarks)} with remarks')
    for title, rows in (('refused', report.refused), ('remark', report.remarks)):
      for name, reason in list(rows.items())[:5]:
        print(f'  {title}: {name}: {reason}')
    if report.refused or report.remarks:
      print(f'  all of them: {args.output}/{split}.report.json')


if __name__ == '__main__':
  cli.run(main)
