"""From `train --data` to an experiment on prepared records."""

import argparse
import os

from tf_maskformer import errors
from tf_maskformer.configs.experiments import table

TASKS = ('instance', 'panoptic', 'semantic')
MODELS = ('mask2former', 'maskformer')


def add_flags(parser: argparse.ArgumentParser) -> None:
  """Adds the flags that go with --data."""
  parser.add_argument(
      '--data', default='',
      help='data of your own: records, a folder with images and annotations, or the YAML file of a '
      'data set; prepared if need be (tf-maskformer prepare custom --help), trained on, scored and '
      'drawn')
  parser.add_argument(
      '--task', default='', choices=TASKS,
      help='with --data: what to learn; default: what the annotations are made for')
  parser.add_argument(
      '--model', default='',
      help="with --data: mask2former (default) or maskformer, with a backbone after '_': r50 "
      '(default), r101, swin_tiny, swin_small, swin_base, swin_large, or small, which needs no GPU')


def check(args: argparse.Namespace) -> None:
  """Raises UserError where the flags contradict each other; loads no TensorFlow."""
  if not args.data:
    errors.require(not args.task, '--task goes with --data; an experiment has its task')
    errors.require(not args.model, '--model goes with --data; an experiment has its model')
    return
  errors.require(
      not args.experiment, '--data chooses the experiment; leave out --experiment, or name the '
      'records in task.data_set instead of --data')
  experiment_of(args.model, args.task or TASKS[0])
  errors.require(
      '://' in args.data or os.path.exists(args.data),
      f'--data {args.data} does not exist; name a folder, or the YAML file of a data set')


def experiment_of(model: str, task: str) -> str:
  """Returns the name of the experiment; raises UserError where the model is unknown.

  Args:
    model: see `--model`; '': the default.
    task: one of `TASKS`.
  """
  model = model or MODELS[0]
  family, _, backbone = model.partition('_')
  suffix = '' if backbone in ('', 'r50') else f'_{backbone}'
  name = f'{family}_custom_{task}{suffix}'
  if name not in table.CUSTOM:
    known = sorted({
        f'{row.model}_{row.backbone}' for row in table.CUSTOM.values()}, reverse=True)
    raise errors.unknown('model', model, known)
  return name


def check_prepared(args: argparse.Namespace) -> None:
  """Raises UserError where the records of --data are not there: one process has to make them."""
  from tf_maskformer.configs.datasets import facts
  own = args.data if facts.are_prepared(args.data) else facts.folder_of_raw(args.data)
  errors.require(
      facts.are_prepared(own),
      f'--data {args.data} is not prepared yet, and several workers cannot do it at the same time; '
      f'run tf-maskformer prepare custom --data {args.data} --output {own} first')


def prepare(args: argparse.Namespace) -> str:
  """Prepares the records of --data where they are not; returns the path of their description.

  Args:
    args: of `train`; its experiment and model_dir are set.

  Raises:
    UserError: see `prepare_custom.convert`.
  """
  from tf_maskformer.configs.datasets import catalog
  from tf_maskformer.configs.datasets import descriptor_file
  from tf_maskformer.configs.datasets import facts
  from tf_maskformer.scripts import prepare_custom
  own = args.data if facts.are_prepared(args.data) else facts.folder_of_raw(args.data)
  if facts.are_prepared(own):
    errors.say(f'records: {own}, prepared before; remove the folder to prepare them again')
  else:
    flags = [f'--data={args.data}', f'--output={own}']
    if args.task:
      flags.append(f'--task={args.task}')
    try:
      prepare_custom.convert(prepare_custom.flags().parse(flags))
    except errors.UserError as e:
      raise errors.UserError(
          f'{e} (flags that say how to read the data go to tf-maskformer prepare custom --data '
          f'{args.data}; run it first, then this command again)') from e
  path = os.path.join(facts.folder_of(own), descriptor_file.NAME)
  prepared_for = catalog.describe(path).task
  task = args.task or prepared_for or TASKS[0]
  if prepared_for not in ('', 'panoptic', task):
    raise errors.UserError(
        f'{own} holds records for {prepared_for} segmentation, from which --task {task} cannot be '
        'learned; leave out --task, or prepare other records with tf-maskformer prepare custom '
        f'--task {task}')
  args.experiment = experiment_of(args.model, task)
  if not args.model_dir and not os.environ.get('MODEL_DIR'):
    name = os.path.basename(os.path.abspath(args.data)).partition('.')[0] or 'data'
    args.model_dir = os.path.join('runs', f'{name}_{args.experiment}')
    errors.say(f'run: {args.model_dir}')
  return path
