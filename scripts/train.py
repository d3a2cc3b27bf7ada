"""Trains and evaluates a registered experiment.

  tf-maskformer train --experiment maskformer_coco_panoptic --model_dir runs/coco
  tf-maskformer train --mode eval --model_dir runs/coco
  tf-maskformer train --data my_data/    # your own, see --data, --task and --model

In a checkout that is not installed: python train.py, with the same flags. Without --experiment the
run in --model_dir is resumed or evaluated as the params.yaml in it says.

Settings, the stronger first: --params_override, --config_file, environment variables
(configs/environment.py), the registered experiment (tf-maskformer experiments) or the params.yaml.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer.configs import override_syntax
from tf_maskformer.configs.experiments import table
from tf_maskformer.scripts import own_data
from tf_maskformer.scripts import show_results
from tf_maskformer.training import cluster
from tf_maskformer.training import worker_output

_LONGEST_WAIT = 7 * 24 * 3600  # seconds
MODES = ('train', 'eval', 'train_and_eval', 'continuous_eval')


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument(
      '--experiment', help='a name that tf-maskformer experiments prints; default: that of the run')
  parser.add_argument('--mode', default='train_and_eval', help=', '.join(MODES))
  parser.add_argument(
      '--model_dir', help="the run's folder; default: MODEL_DIR or runs/<experiment>")
  parser.add_argument(
      '--config_file', action='append', default=[], help='YAML or JSON; may be repeated')
  parser.add_argument(
      '--params_override', action='append', default=[],
      help="a.b=1,c=[1,2],d='x,y' or the name of a file; may be repeated")
  parser.add_argument(
      '--tpu', nargs='?', const='local', default='', help='TPU address; sets the strategy')
  parser.add_argument(
      '--allow_random_weights', action='store_true',
      help='let eval score a model without a checkpoint')
  parser.add_argument(
      '--worker_hosts',
      help='host:port,host:port of all workers, the same on each, for '
           'runtime.distribution_strategy=multi_worker_mirrored; default: TF_CONFIG or SLURM')
  parser.add_argument(
      '--task_index', help='which of --worker_hosts this process is, from 0; 0 is the chief')
  parser.add_argument(
      '--worker_timeout', type=float, default=600,
      help='seconds to wait at the start for the other workers; default 600')
  own_data.add_flags(parser)
  return parser


def settle(arguments: argparse.Namespace, data_set: str = ''):
  """Returns what the flags mean: name, `configs.task.Experiment` and folder of the run.

  Args:
    arguments: of `flags`.
    data_set: that the experiment is on; '': its own, or that of --params_override.
  """
  from tf_maskformer.configs import environment
  from tf_maskformer.configs.experiments import registry
  from tf_maskformer.configs.experiments import settings
  if arguments.experiment:
    name = arguments.experiment
    experiment = registry.get(name)
    experiment.task.data_set = data_set or experiment.task.data_set
  else:
    name, experiment = settings.of_run(arguments.model_dir)
  settings.settle(
      experiment, arguments.config_file, arguments.params_override, os.environ, arguments.tpu, name)
  return name, experiment, arguments.model_dir or environment.model_dir(name)


def check(arguments: argparse.Namespace) -> None:
  """Checks what can be checked without TensorFlow.

  Raises:
    UserError: a name is unknown or missing.
  """
  if arguments.model_dir == '':
    raise errors.UserError('--model_dir is empty; give a folder (is MODEL_DIR set?)')
  for flag in ('model_dir', 'tpu'):
    value = getattr(arguments, flag) or ''
    if not override_syntax.is_text(value):
      raise errors.UserError(f'--{flag} {errors.quoted(value)} is not UTF-8; give another name')
  own_data.check(arguments)
  if arguments.experiment and arguments.experiment not in table.ROWS:
    raise errors.unknown('experiment', arguments.experiment, table.ROWS)
  if not arguments.experiment and not arguments.data:
    _check_run(arguments.model_dir)
  if arguments.mode not in MODES:
    raise errors.unknown('mode', arguments.mode, MODES)
  for text in arguments.params_override:
    override_syntax.check(text)
  cluster.named(arguments.worker_hosts, arguments.task_index, os.environ)
  errors.require(
      0 < arguments.worker_timeout <= _LONGEST_WAIT,
      f'--worker_timeout is {arguments.worker_timeout:g}; it is above 0 and at most '
      f'{_LONGEST_WAIT} seconds')


def _check_run(folder: str | None) -> None:
  """Raises UserError where a folder has no params.yaml; a remote one is looked at later."""
  if folder is None:
    raise errors.UserError(
        '--experiment is missing; name one (tf-maskformer experiments lists them), or give the '
        '--model_dir of a run')
  if '://' not in folder and not os.path.isfile(os.path.join(folder, 'params.yaml')):
    raise errors.UserError(
        f'--experiment is missing, and {folder} has no params.yaml that says it; '
        'tf-maskformer experiments prints the names')


def main(argv: Sequence[str]) -> int | None:
  arguments = flags().parse(argv)
  check(arguments)

  # TensorFlow comes in only here, where the names are known to be right.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  named = cluster.named(arguments.worker_hosts, arguments.task_index, os.environ)
  if arguments.data and named and named.num_workers > 1:
    own_data.check_prepared(arguments)
  data_set = own_data.prepare(arguments) if arguments.data else ''
  if named and not named.is_chief:
    worker_output.reduce_to_own(named.index)
  name, experiment, model_dir = settle(arguments, data_set)
  one = cluster.of_strategy(named, experiment.runtime.distribution_strategy, os.environ)
  if not named and not one.is_chief:
    worker_output.reduce_to_own(one.index)
  code = _run(arguments, name, experiment, model_dir, one)
  if arguments.data and not code and arguments.mode != 'train':
    show_results.main(['--model_dir', model_dir])
    print(f'predict with it: tf-maskformer predict --checkpoint {os.path.join(model_dir, "best")} '
          '--input photos/ --output predictions/')
  return code


def _run(arguments: argparse.Namespace, name: str, experiment, model_dir: str,
         one: cluster.Cluster) -> int:
  """Joins the other workers, if there are any, and runs; returns the exit code."""
  from tf_maskformer.dataloaders import reader
  from tf_maskformer.training import preflight
  tpu_address = preflight.check_settings(experiment, arguments.mode, one.num_workers)
  workers = _joined(arguments, name, experiment, one)
  import tensorflow as tf

  from tf_maskformer.tasks.factory import build_task
  from tf_maskformer.training import coordination
  from tf_maskformer.training import runner
  try:
    with workers.together():
      records = preflight.check_files(
          experiment, arguments.mode, model_dir, reader.preflight, writes=workers.is_chief)
      if workers.are_several:
        for field, paths in records.items():
          workers.require_equal(preflight.names_and_sizes(paths), f'task.{field}.input_path: files')
    return runner.run(
        experiment, name, arguments.mode, model_dir, make_task=build_task,
        allow_random_weights=arguments.allow_random_weights, tpu_address=tpu_address,
        workers=workers)
  except coordination.WorkerEnded as error:
    print(f'error: {errors.one_line(str(error))}', file=sys.stderr, flush=True)
    return 1
  except (tf.errors.ResourceExhaustedError, MemoryError) as error:
    raise errors.UserError(
        f'memory ran out ({errors.reason(error)}); lower task.train_data.global_batch_size, '
        'task.validation_data.global_batch_size, task.micro_batch_size or parser.output_size (the '
        'environment variable IMG_SIZE)') from error
  finally:
    workers.close()


def _joined(arguments: argparse.Namespace, name: str, experiment, one: cluster.Cluster):
  """Returns `coordination.Workers`: those of the cluster, once all of them are there."""
  import tensorflow as tf

  from tf_maskformer.training import coordination
  from tf_maskformer.training import parameters
  from tf_maskformer.training import rendezvous
  if not one.hosts:
    return coordination.Workers()
  settings = {
      'mode': arguments.mode, 'TensorFlow': tf.__version__, **parameters.of(experiment, name)}
  rendezvous.meet(one, settings, arguments.worker_timeout)
  runtime = experiment.runtime
  workers = coordination.Workers(
      one, coordination.connect(one, runtime.num_gpus, runtime.all_reduce_alg))
  workers.watch()
  return workers


if __name__ == '__main__':
  cli.run(main)
