"""Converts a data set to TFRecords.

    python scripts/prepare_data.py coco_panoptic --coco_root /data/coco --output /data/coco_records
    python scripts/prepare_data.py coco_panoptic --images images/ --annotations panoptic.json \
        --panoptic pngs/ --split val --instances instances.json --output records/
    python scripts/prepare_data.py coco_instances --coco_root /data/coco --output /data/coco_instance_records
    python scripts/prepare_data.py semantic --data_set ade20k --images ADEChallengeData2016/images/training \
        --labels ADEChallengeData2016/annotations/training --split train --output records/
    python scripts/prepare_data.py cityscapes --cityscapes_root /data/cityscapes --data_set cityscapes_instance \
        --output records/
"""

import argparse
import os
from collections.abc import Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.errors import UserError


def parse(argv: Sequence[str]) -> argparse.Namespace:
  parser = cli.Parser(__doc__)
  parser.add_argument(
      'layout', choices=['coco_panoptic', 'coco_instances', 'cityscapes', 'semantic'],
      help='how the data set lies on disk')
  parser.add_argument('--output', required=True, help='folder for the records')
  parser.add_argument('--coco_root', help='COCO: folder with train2017, val2017 and annotations; both splits')
  parser.add_argument('--cityscapes_root', help='Cityscapes: folder with leftImg8bit and gtFine; both splits')
  parser.add_argument(
      '--targets', choices=['polygons', 'pixels'], help='cityscapes: what instances are trained on, the outlines of '
      '*_polygons.json, as published (needs shapely), or *_instanceIds.png; scores are against the latter; default: '
      'polygons of cityscapes_instance, else pixels')
  parser.add_argument('--images', help='folder of images (one split)')
  parser.add_argument('--annotations', help='COCO: panoptic or instances JSON (one split)')
  parser.add_argument('--panoptic', help='coco_panoptic: folder of panoptic PNGs (one split)')
  parser.add_argument(
      '--instances', help='coco_panoptic: instances JSON, stored in the records; AP is then '
      "measured against it (one split; --coco_root finds val's by itself)")
  parser.add_argument('--labels', help='semantic: folder of label images (one split)')
  parser.add_argument('--image_suffix', default='.jpg', help="semantic: end of the images' names")
  parser.add_argument('--label_suffix', default='.png', help="semantic: what stands in its place in the labels' names")
  parser.add_argument('--split', help="first part of the records' names, e.g. train (one split)")
  parser.add_argument(
      '--data_set', help='row of configs/datasets/catalog.py: the classes; default: the panoptic or instance row of '
      "the layout's own data set")
  parser.add_argument('--shards', type=int, default=0, help='files a split; default: images / 1000, at least 8')
  parser.add_argument('--workers', type=int, default=os.cpu_count(), help='processes')
  return parser.parse(argv)


def sources_of(args: argparse.Namespace) -> dict:
  """Returns the splits that the flags name, each with its source."""
  from tf_maskformer.dataloaders.preparation import cityscapes
  from tf_maskformer.dataloaders.preparation import coco_instances
  from tf_maskformer.dataloaders.preparation import coco_panoptic
  from tf_maskformer.dataloaders.preparation import semantic
  if args.instances and (args.layout != 'coco_panoptic' or args.coco_root):
    raise UserError(
        '--instances goes with coco_panoptic and one split (--images, --annotations, --panoptic, '
        '--split); --coco_root finds annotations/instances_val2017.json by itself')
  if args.targets and args.layout != 'cityscapes':
    raise UserError(f'--targets has no effect on {args.layout}; leave it out')
  if args.layout == 'semantic':
    if not (args.images and args.labels and args.split and args.data_set):
      raise UserError('semantic needs --images, --labels, --split and --data_set')
    return {args.split: semantic.Source(
        args.images, args.labels, args.data_set, args.image_suffix, args.label_suffix)}
  if args.layout == 'cityscapes':
    if not args.cityscapes_root:
      raise UserError('cityscapes needs --cityscapes_root, the folder that holds leftImg8bit and gtFine')
    return cityscapes.splits(args.cityscapes_root, args.data_set or 'cityscapes', args.targets)
  if args.layout == 'coco_instances':
    data_set = args.data_set or 'coco_instance'
    if args.coco_root:
      return coco_instances.coco_splits(args.coco_root, data_set)
    if not (args.images and args.annotations and args.split):
      raise UserError('coco_instances needs --coco_root, or --images, --annotations and --split')
    return {args.split: coco_instances.Source(
        args.images, args.annotations, data_set, trains=args.split.startswith('train'))}
  data_set = args.data_set or 'coco_panoptic'
  one_split = (args.images, args.annotations, args.panoptic, args.split)
  if bool(args.coco_root) == bool(any(one_split)) or (any(one_split) and not all(one_split)):
    raise UserError('give either --coco_root or all of --images, --annotations, --panoptic and --split')
  if args.coco_root:
    return coco_panoptic.coco_splits(args.coco_root, data_set)
  paths = (args.images, args.annotations, args.panoptic, data_set)
  if args.instances:
    return {args.split: coco_panoptic.SourceWithInstances(*paths, args.instances)}
  return {args.split: coco_panoptic.Source(*paths)}


def _instances_line(source) -> str:
  """Returns what AP will be measured against in panoptic records."""
  instances = getattr(source, 'instances', '')
  if instances:
    return f'with the instances of {instances}, which AP is measured against'
  return 'without instances: AP, if any, is measured against the panoptic segments'


def main(argv: Sequence[str]) -> None:
  args = parse(argv)
  if args.data_set:
    catalog.get(args.data_set)
  if args.shards < 0 or args.workers < 1:
    raise UserError('--shards must be 0 or more and --workers 1 or more')
  from tf_maskformer.dataloaders.preparation import coco_panoptic
  from tf_maskformer.dataloaders.preparation import shards
  sources = sources_of(args)
  for split, source in sources.items():
    num_shards = args.shards or max(8, len(source.rows()) // 1000)
    report = shards.convert(source, args.output, split, num_shards, args.workers)
    kept = f', {report.shards_kept} shards were finished already' if report.shards_kept else ''
    print(f'{split}: {report.written} images in {args.output}{kept}; {len(report.refused)} refused, '
          f'{len(report.remarks)} with remarks')
    if isinstance(source, coco_panoptic.Source):
      print(f'  {_instances_line(source)}')
    for title, rows in (('refused', report.refused), ('remark', report.remarks)):
      for name, reason in list(rows.items())[:5]:
        print(f'  {title}: {name}: {reason}')
    if report.refused or report.remarks:
      print(f'  all of them: {args.output}/{split}.report.json')


if __name__ == '__main__':
  cli.run(main)
