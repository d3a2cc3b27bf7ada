r"""Converts a data set to TFRecords.

    tf-maskformer prepare ade20k --root ADEChallengeData2016 --task panoptic --output records/
    tf-maskformer prepare pascal_voc --root VOCdevkit --task semantic --output records/
    tf-maskformer prepare coco_panoptic --coco_root /data/coco --output /data/coco_records
    tf-maskformer prepare coco_panoptic --images images/ --annotations panoptic.json \
        --panoptic pngs/ --split val --instances instances.json --output records/
    tf-maskformer prepare coco_instances --coco_root /data/coco \
        --output /data/coco_instance_records
    tf-maskformer prepare semantic --data_set ade20k --images images/ --labels labels/ \
        --split train --output records/
    tf-maskformer prepare cityscapes --cityscapes_root /data/cityscapes \
        --data_set cityscapes_instance --output records/
    tf-maskformer prepare coco_panoptic --coco_root gs://bucket/coco --output gs://bucket/records \
        --runner DataflowRunner --runner_options project=P region=R temp_location=gs://bucket/tmp
    tf-maskformer prepare custom --help    # data of your own
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import interrupts
from tf_maskformer import output
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.scripts import conversion_flags
from tf_maskformer.scripts import known_data_sets
from tf_maskformer.scripts import prepare_custom

if TYPE_CHECKING:
  from tf_maskformer.dataloaders.preparation.source import Source

CUSTOM = 'custom'  # has flags of its own


def flags() -> cli.Parser:
  """Returns the flags."""
  parser = cli.Parser(__doc__)
  parser.add_argument('layout', choices=list(LAYOUTS), help='how the data set is stored')
  parser.add_argument('--output', required=True, help='folder for the records')
  known_data_sets.add_flags(parser)
  parser.add_argument(
      '--coco_root', help='COCO: folder with train2017, val2017 and annotations; both splits')
  parser.add_argument(
      '--cityscapes_root', help='Cityscapes: folder with leftImg8bit and gtFine; both splits')
  parser.add_argument(
      '--targets', choices=['polygons', 'pixels'],
      help='cityscapes: what instances are trained on, the outlines of *_polygons.json, as '
      'published (needs shapely), or *_instanceIds.png; scores are against the latter; default: '
      'polygons of cityscapes_instance, else pixels')
  parser.add_argument('--images', help='folder of images (one split)')
  parser.add_argument('--annotations', help='COCO: panoptic or instances JSON (one split)')
  parser.add_argument(
      '--crowds_are_instances', action='store_true',
      help='coco_instances: annotations marked as crowds (CVAT marks every mask so) are single '
      'instances')
  parser.add_argument('--panoptic', help='coco_panoptic: folder of panoptic PNGs (one split)')
  parser.add_argument(
      '--instances', help='coco_panoptic: instances JSON, stored in the records; AP is then '
      "measured against it (one split; --coco_root finds val's by itself)")
  parser.add_argument('--labels', help='semantic: folder of label images (one split)')
  parser.add_argument(
      '--image_suffix', default='.jpg', help="semantic: end of the images' names")
  parser.add_argument(
      '--label_suffix', default='.png', help="semantic: what replaces it in the labels' names")
  parser.add_argument('--split', help="first part of the records' names, e.g. train (one split)")
  parser.add_argument(
      '--data_set', help='name or YAML file of a data set: the classes; default: the panoptic or '
      "instance classes of the layout's own data set")
  conversion_flags.add(parser)
  return parser


def _semantic(args: argparse.Namespace) -> Mapping[str, 'Source']:
  from tf_maskformer.dataloaders.preparation.semantic import SemanticFolders
  if not (args.images and args.labels and args.split and args.data_set):
    raise errors.UserError('semantic needs --images, --labels, --split and --data_set')
  source = SemanticFolders(
      args.images, args.labels, args.data_set, args.image_suffix, args.label_suffix)
  return {args.split: source}


def _cityscapes(args: argparse.Namespace) -> Mapping[str, 'Source']:
  from tf_maskformer.dataloaders.preparation import cityscapes
  if not args.cityscapes_root:
    raise errors.UserError(
        'cityscapes needs --cityscapes_root, the folder that holds leftImg8bit and gtFine')
  return cityscapes.splits(args.cityscapes_root, args.data_set, args.targets)


def _coco_instances(args: argparse.Namespace) -> Mapping[str, 'Source']:
  from tf_maskformer.dataloaders.preparation import coco_instances
  if args.coco_root:
    return coco_instances.coco_splits(
        args.coco_root, args.data_set, args.crowds_are_instances)
  if not (args.images and args.annotations and args.split):
    raise errors.UserError(
        'coco_instances needs --coco_root, or --images, --annotations and --split')
  source = coco_instances.CocoInstances(
      args.images, args.annotations, args.data_set, skip_empty=args.split.startswith('train'),
      crowds_are_instances=args.crowds_are_instances)
  return {args.split: source}


def _coco_panoptic(args: argparse.Namespace) -> Mapping[str, 'Source']:
  from tf_maskformer.dataloaders.preparation import coco_panoptic
  one_split = (args.images, args.annotations, args.panoptic, args.split)
  gives_one_split = all(one_split) and not args.coco_root
  gives_root = args.coco_root and not any(one_split)
  if not gives_one_split and not gives_root:
    raise errors.UserError(
        'give either --coco_root or all of --images, --annotations, --panoptic and --split')
  if gives_root:
    return coco_panoptic.coco_splits(args.coco_root, args.data_set)
  paths = (args.images, args.annotations, args.panoptic, args.data_set)
  if args.instances:
    return {args.split: coco_panoptic.CocoPanopticWithInstances(*paths, args.instances)}
  return {args.split: coco_panoptic.CocoPanoptic(*paths)}


class Layout(NamedTuple):
  """A way to store a data set.

  Attributes:
    sources: returns the splits that the flags name, each with its source; raises UserError.
    data_set: taken without --data_set; None: the flag is required.
  """
  sources: Callable[[argparse.Namespace], Mapping[str, 'Source']]
  data_set: str | None


LAYOUTS = {
    'coco_panoptic': Layout(_coco_panoptic, 'coco_panoptic'),
    'coco_instances': Layout(_coco_instances, 'coco_instance'),
    'cityscapes': Layout(_cityscapes, 'cityscapes'),
    'semantic': Layout(_semantic, None),
    **{name: Layout(known_data_sets.sources, None)
       for name in ('ade20k', 'ade20k_full', 'coco_stuff10k', 'mapillary', 'pascal_voc')},
}


def sources_of(args: argparse.Namespace) -> Mapping[str, 'Source']:
  """Returns the splits that the flags name, each with its source; raises UserError."""
  if args.root:
    return known_data_sets.sources(args)
  layout = LAYOUTS[args.layout]
  data_set = args.data_set or layout.data_set
  return layout.sources(argparse.Namespace(**{**vars(args), 'data_set': data_set}))


def _check(args: argparse.Namespace) -> None:
  """Raises UserError for flags that are wrong or have no effect."""
  if args.data_set:
    catalog.get(args.data_set)
  conversion_flags.check(args)
  known_data_sets.check(args)
  if args.instances and (args.layout != 'coco_panoptic' or args.coco_root):
    raise errors.UserError(
        '--instances goes with coco_panoptic and one split (--images, --annotations, --panoptic, '
        '--split); --coco_root finds annotations/instances_val2017.json by itself')
  if args.crowds_are_instances and args.layout != 'coco_instances':
    raise errors.UserError(
        f'--crowds_are_instances has no effect on {args.layout}; leave it out')
  if args.targets and args.layout != 'cityscapes':
    raise errors.UserError(f'--targets has no effect on {args.layout}; leave it out')


def main(argv: Sequence[str]) -> None:
  if argv[:1] == [CUSTOM]:
    sys.argv[0] += f' {CUSTOM}'  # what argparse calls the program
    prepare_custom.main(argv[1:])
    return
  args = flags().parse(argv)
  _check(args)
  runner = conversion_flags.runner(args, args.output)
  with conversion_flags.reading_data():
    sources = sources_of(args)
  from tf_maskformer.dataloaders import images
  from tf_maskformer.dataloaders.preparation import described
  from tf_maskformer.dataloaders.preparation import manifest
  from tf_maskformer.dataloaders.preparation import run
  images.allow(args.max_pixels)
  first = next(iter(sources.values()))
  data_set = catalog.get(dataclasses.asdict(first)['data_set'])
  with (
      interrupts.ending_at_sigterm(), output.opened(args.output, manifest.ADVICE),
      described.forgotten_after_mistakes(args.output), conversion_flags.reading_data()):
    described.write(args.output, data_set, sources, known_data_sets.task_of(args))
    run.run(sources, data_set, args.output, args.shards, args.workers, runner)


if __name__ == '__main__':
  cli.run(main)
