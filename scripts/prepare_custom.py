r"""Converts a data set of your own to TFRecords, and says how it was understood.

    tf-maskformer prepare custom --data my_data/ --output records/
    tf-maskformer prepare custom --images images/ --annotations labels.json --split 0.9 \
        --output records/
    tf-maskformer prepare custom --images train/ --annotations train.json \
        --val_images val/ --val_annotations val.json --output records/
    tf-maskformer prepare custom --images images/ --annotations masks/ \
        --classes background,road,car --void 255 --split 0.9 --output records/
    tf-maskformer prepare custom --images images/ --annotations masks/ --binary cell \
        --split 0.9 --output records/

With --data, images and annotations are found by the usual names (images/, labels/, masks/, train/,
val/, train_masks/, data.yaml, ...); of what is not split, a tenth is for validation.
It recognizes COCO JSON of instances (also as CVAT, Roboflow and Label Studio export it), COCO
panoptic, folders of label images, YOLO polygons, LabelMe, Pascal VOC, *_instanceIds.png. What
could be meant in two ways is not guessed: the error says which flag decides.
"""

import argparse
import os
from collections.abc import Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import interrupts
from tf_maskformer import output
from tf_maskformer.configs.datasets import class_lists
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.scripts import conversion_flags

_TASKS = ('instance', 'panoptic', 'semantic')
_SHARE = 0.9  # of the images to train on, where --data are not split and nothing else is said


def flags() -> cli.Parser:
  """Returns the flags."""
  parser = cli.Parser(__doc__)
  parser.add_argument(
      '--output', help='folder for the records; default: that of --data with _records after it')
  parser.add_argument(
      '--data', default='',
      help='folder with images and annotations, or YAML file of a data set that says where they '
      'are')
  parser.add_argument(
      '--images', default='', help='folder of images; YOLO, VOC, ... say themselves where they are')
  parser.add_argument(
      '--annotations', default='', help='file or folder of annotations; default: --images')
  parser.add_argument('--val_images', default='', help='the same for validation')
  parser.add_argument('--val_annotations', default='', help='the same for validation')
  parser.add_argument(
      '--split', type=float, default=0.0,
      help='share of the images to train on, at random; the lists are written to --output')
  parser.add_argument('--seed', type=int, default=0, help='of --split; default: 0')
  parser.add_argument(
      '--split_files', nargs='+', default=[],
      help='text files with names of images, a line each, e.g. train.txt val.txt')
  parser.add_argument(
      '--classes', default='',
      help='names separated by commas, in the order of the label values from 0, without those of '
      '--void; a text file with a name per line; or a YAML file that also says labels, colors and '
      'what is a thing')
  parser.add_argument(
      '--void', type=int, nargs='+', default=[],
      help='values of label images that belong to no class, e.g. 255')
  parser.add_argument(
      '--ignore', default='', help='names of annotated classes to leave out, separated by commas')
  parser.add_argument(
      '--binary', default='',
      help='label images have two values, 0 for background and another one for this class')
  parser.add_argument(
      '--task', default='', choices=_TASKS,
      help='what the annotations are read for; default: what their form is made for')
  parser.add_argument(
      '--label_suffix', default='',
      help="end of the label images' names after the image's, e.g. _mask.png; default: found out")
  parser.add_argument(
      '--crowds_are_instances', action='store_true',
      help='annotations marked as crowds (CVAT marks every mask so) are single instances')
  parser.add_argument('--name', default='', help='of the data set; default: that of --output')
  conversion_flags.add(parser)
  return parser


def _check(args: argparse.Namespace) -> None:
  """Raises UserError for flags that are wrong or contradict each other."""
  errors.require(
      bool(args.data or args.images or args.annotations),
      'give --data, or --images and --annotations')
  errors.require(
      not (args.data and (args.images or args.annotations)),
      '--data finds images and annotations itself; give it, or --images and --annotations')
  errors.require(
      not (args.data and (args.val_images or args.val_annotations)),
      '--data finds the images for validation itself; leave out --val_images and '
      '--val_annotations, or give --images and --annotations instead of --data')
  errors.require(bool(args.output or args.data), 'give --output, the folder for the records')
  errors.require(
      not args.split or 0 < args.split < 1, f'--split {args.split} is not between 0 and 1')
  ways = [bool(args.split), bool(args.split_files), bool(args.val_images or args.val_annotations)]
  errors.require(
      sum(ways) < 2, 'give one of --split, --split_files, and --val_images with --val_annotations')
  errors.require(
      not (args.binary and args.classes), 'give --binary or --classes, not both')
  conversion_flags.check(args)
  errors.require(
      all(0 <= value < 2**32 for value in args.void), '--void holds a value that no label has')


def _requests(args: argparse.Namespace):
  """Returns the request of all or the training images, and that of validation or None."""
  from tf_maskformer.dataloaders.preparation.custom import layouts
  from tf_maskformer.dataloaders.preparation.custom.found import Request
  named = args.classes
  if not named and descriptor_file.is_description(args.data):
    named = args.data
  classes = class_lists.read(named)
  ignored = tuple(name.strip() for name in args.ignore.split(',') if name.strip())

  def request(images: str, annotations: str) -> Request:
    return Request(
        images=images,
        annotations=annotations or images,
        classes=classes.classes,
        void=tuple(args.void) or classes.void,
        ignored=(*ignored, *classes.ignored),
        binary=args.binary,
        task=args.task,
        crowds_are_instances=args.crowds_are_instances,
        label_suffix=args.label_suffix,
        label_form=classes.label_form,
        workers=args.workers)

  if args.data:
    first_lot, second_lot = layouts.find(args.data)
    errors.say(f'{args.data}: annotations {first_lot.annotations}'
               f'{f", images {first_lot.images}" if first_lot.images else ""}')
    return request(*first_lot), request(*second_lot) if second_lot else None
  first = request(args.images, args.annotations)
  if not (args.val_images or args.val_annotations):
    return first, None
  return first, request(args.val_images or args.images, args.val_annotations)


def main(argv: Sequence[str]) -> None:
  args = flags().parse(argv)
  _check(args)
  convert(args)
  errors.say(f'train on it: tf-maskformer train --data {output_of(args)} (without a GPU: with '
             '--model mask2former_small)')


def _plan(args: argparse.Namespace, name: str):
  """Returns the plan; raises UserError also where a name of a file is not text."""
  from tf_maskformer.dataloaders.preparation.custom import plan
  try:
    return plan.make(*_requests(args), name)
  except UnicodeDecodeError as e:  # TensorFlow's list of a folder
    raise errors.UserError(
        f'the name of a file of the data, {e.object!r}, is not UTF-8; rename it') from e


def output_of(args: argparse.Namespace) -> str:
  """Returns the folder for the records."""
  from tf_maskformer.configs.datasets import facts
  return args.output or facts.folder_of_raw(args.data)


def convert(args: argparse.Namespace) -> str:
  """Converts what the flags name; returns the task that it is annotated for.

  Raises:
    UserError: see `plan.make`, `plan.split`, `run.run`.
  """
  from tf_maskformer.dataloaders import images
  from tf_maskformer.dataloaders.preparation import described
  from tf_maskformer.dataloaders.preparation import manifest
  from tf_maskformer.dataloaders.preparation import run
  from tf_maskformer.dataloaders.preparation.custom import plan
  images.allow(args.max_pixels)
  folder = output_of(args)
  runner = conversion_flags.runner(args, folder)
  name = args.name or os.path.basename(os.path.normpath(folder)) or 'data_set'
  share = args.split
  if args.data and not args.split_files:
    share = share or _SHARE
  with conversion_flags.reading_data(), interrupts.ending_at_sigterm():
    planned = _plan(args, name)
    for line in planned.said:
      errors.say(line)
    if args.data and not (args.split or planned.needs_split):
      share = 0
    with (
        output.opened(folder, manifest.ADVICE), described.forgotten_after_mistakes(folder),
        conversion_flags.reading_data()):
      path = described.path(folder)
      names = plan.split_names(planned, share, args.split_files)
      described.write(folder, planned.data_set, names, planned.task)  # the sources read it
      sources = plan.split(planned, folder, path, share, args.seed, args.split_files)
      run.run(sources, planned.data_set, folder, args.shards, args.workers, runner)
  return planned.task


if __name__ == '__main__':
  cli.run(main)
