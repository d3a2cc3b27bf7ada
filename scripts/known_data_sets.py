"""Data sets that are prepared from the folder that their owners' download unpacks to."""

import argparse
import dataclasses
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tf_maskformer import errors

if TYPE_CHECKING:
  from tf_maskformer.dataloaders.preparation.source import Source

TASKS = ('semantic', 'panoptic', 'instance')
_SPLITS = ('train', 'val')
_PACKAGE = 'tf_maskformer.dataloaders.preparation.known'
# Flags that say the same as --root, piece by piece.
_PIECES = (
    'coco_root', 'cityscapes_root', 'images', 'labels', 'annotations', 'panoptic', 'instances')


@dataclasses.dataclass(frozen=True)
class Known:
  """A known data set, of which a module of dataloaders/preparation/known/ knows the layout.

  Attributes:
    data_sets: name of the data set in configs/datasets/ by task.
    root: what --root is, for people.
    default: the task without --task; '': the flag is required.
    has_variants: whether --data_set may name other classes in the same layout.
  """
  data_sets: Mapping[str, str]
  root: str
  default: str = ''
  has_variants: bool = False


KNOWN = {
    'coco_panoptic': Known(
        {'panoptic': 'coco_panoptic'}, 'with train2017, val2017 and annotations',
        default='panoptic', has_variants=True),
    'coco_instances': Known(
        {'instance': 'coco_instance'}, 'with train2017, val2017 and annotations',
        default='instance', has_variants=True),
    'cityscapes': Known(
        {'semantic': 'cityscapes', 'panoptic': 'cityscapes', 'instance': 'cityscapes_instance'},
        'with leftImg8bit and gtFine', default='panoptic', has_variants=True),
    'ade20k': Known(
        {'semantic': 'ade20k', 'panoptic': 'ade20k', 'instance': 'ade20k_instance'},
        'ADEChallengeData2016'),
    'ade20k_full': Known(
        {'semantic': 'ade20k_full'}, 'ADE20K_2021_17_01', default='semantic'),
    'coco_stuff10k': Known(
        {'semantic': 'coco_stuff10k'}, 'with images, annotations and imageLists',
        default='semantic'),
    'mapillary': Known(
        {'semantic': 'mapillary', 'panoptic': 'mapillary'}, 'with training and validation'),
    'pascal_voc': Known(
        {'semantic': 'pascal_voc', 'instance': 'pascal_voc_instance'}, 'VOCdevkit or VOC2012'),
}


def add_flags(parser: argparse.ArgumentParser) -> None:
  """Adds the flags of known data sets."""
  roots = '; '.join(f'{name}: {known.root}' for name, known in KNOWN.items())
  parser.add_argument(
      '--root', help='folder that the download of a known data set unpacks to; both splits, or the '
      f'one that --split names. {roots}')
  tasks = '; '.join(_tasks_of(name) for name in KNOWN if len(KNOWN[name].data_sets) > 1)
  parser.add_argument(
      '--task', choices=TASKS, help=f'with --root: what to prepare. {tasks}')
  parser.add_argument(
      '--lists', help='pascal_voc: the lists of ImageSets/Segmentation to train and to validate '
      'on; default: train,val. trainaug,val needs the labels of SBD in SegmentationClassAug')


def _tasks_of(name: str) -> str:
  known = KNOWN[name]
  default = f' (default: {known.default})' if known.default else ''
  return f'{name}: {" or ".join(known.data_sets)}{default}'


def check(args: argparse.Namespace) -> None:
  """Raises UserError for flags of known data sets that are wrong or have no effect."""
  if args.lists and args.layout != 'pascal_voc':
    raise errors.UserError(f'--lists has no effect on {args.layout}; leave it out')
  if not args.root:
    if args.task:
      raise errors.UserError('--task goes with --root, the folder of the download; give both')
    return
  known = KNOWN.get(args.layout)
  if known is None:
    raise errors.UserError(
        f'--root has no effect on {args.layout}; it is for {", ".join(KNOWN)}')
  pieces = [name for name in _PIECES if getattr(args, name)]
  if pieces:
    raise errors.UserError(f'give either --root or --{pieces[0]}, not both')
  if args.split and args.split not in _SPLITS:
    raise errors.UserError(f'--split {args.split} is not train or val; with --root give one of '
                           'them, or leave it out for both')
  _check_task(args, known)


def _check_task(args: argparse.Namespace, known: Known) -> None:
  tasks = ', '.join(known.data_sets)
  task = task_of(args)
  if not task:
    raise errors.UserError(f'{args.layout} needs --task: {tasks}')
  if task not in known.data_sets:
    raise errors.UserError(f'{args.layout} is not prepared for --task {task}; give: {tasks}')
  own = known.data_sets[task]
  is_other = args.data_set in known.data_sets.values() or not known.has_variants
  if args.data_set and args.data_set != own and is_other:
    raise errors.UserError(
        f'--data_set {args.data_set} does not go with {args.layout} --task {task}, whose classes '
        f'are {own}; leave it out')


def sources(args: argparse.Namespace) -> Mapping[str, 'Source']:
  """Returns the splits of a known data set, each with its source.

  Args:
    args: the flags, of which `check` approved.

  Raises:
    UserError: --root is not given, or a part of the download is missing.
  """
  known = KNOWN[args.layout]
  if not args.root:
    raise errors.UserError(f'{args.layout} needs --root, the folder {known.root}')
  from tf_maskformer.dataloaders.preparation.known import download
  task = task_of(args)
  wanted = download.Wanted(
      root=args.root,
      task=task,
      data_set=args.data_set or known.data_sets[task],
      splits=(args.split,) if args.split else _SPLITS,
      lists=_lists(args.lists),
      targets=args.targets)
  return importlib.import_module(f'{_PACKAGE}.{args.layout}').sources(wanted)


def task_of(args: argparse.Namespace) -> str:
  """Returns what the records of a known data set are for, '' where the flags do not say."""
  if args.task or not args.root:
    return args.task or ''
  known = KNOWN[args.layout]
  of_data_set = [task for task, name in known.data_sets.items() if name == args.data_set]
  return of_data_set[0] if len(of_data_set) == 1 else known.default


def _lists(text: str | None) -> dict[str, str]:
  """Returns the list of each split of a flag such as 'trainaug,val'."""
  if not text:
    return {}
  names = text.split(',')
  if len(names) != len(_SPLITS) or not all(names):
    raise errors.UserError(
        f'--lists {text} is not two names; give a list to train and one to validate on, e.g. '
        'trainaug,val')
  return dict(zip(_SPLITS, names))
