"""Trains and evaluates a registered experiment.

  python3 train.py --experiment maskformer_coco_panoptic --mode train_and_eval --model_dir runs/coco

Settings, the stronger first: --params_override, --config_file, environment variables
(configs/environment.py), the registered experiment (python3 scripts/list_experiments.py).
"""

import argparse
import os
from collections.abc import Sequence

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer.configs import override_syntax
from tf_maskformer.configs.experiments import table

MODES = ('train', 'eval', 'train_and_eval', 'continuous_eval')


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument('--experiment', help='a name of scripts/list_experiments.py')
  parser.add_argument('--mode', default='train_and_eval', help=', '.join(MODES))
  parser.add_argument('--model_dir', help="the run's folder; default: MODEL_DIR or runs/<experiment>")
  parser.add_argument('--config_file', action='append', default=[], help='YAML or JSON; may be repeated')
  parser.add_argument(
      '--params_override', action='append', default=[],
      help="a.b=1,c=[1,2],d='x,y' or the name of a file; may be repeated")
  parser.add_argument('--tpu', nargs='?', const='local', default='', help='TPU address; sets the strategy')
  parser.add_argument(
      '--allow_random_weights', action='store_true', help='let eval score a model without a checkpoint')
  return parser


def settle(arguments: argparse.Namespace):
  """Returns the experiment that the flags mean, a `configs.task.Experiment`, and the model folder."""
  from tf_maskformer.configs import environment
  from tf_maskformer.configs import overrides
  from tf_maskformer.configs import rules
  from tf_maskformer.configs.experiments import registry
  experiment = registry.get(arguments.experiment)
  if arguments.tpu:
    environment.use_tpu(experiment, arguments.tpu)
  for path in arguments.config_file:
    overrides.apply_file(experiment, path)
  for text in arguments.params_override:
    overrides.apply(experiment, text)
  rules.validate(experiment)
  return experiment, arguments.model_dir or environment.model_dir(arguments.experiment)


def main(argv: Sequence[str]) -> int | None:
  arguments = flags().parse(argv)
  if not arguments.experiment:
    raise errors.UserError('--experiment is missing; python3 scripts/list_experiments.py prints the names')
  if arguments.experiment not in table.ROWS:
    raise errors.unknown('experiment', arguments.experiment, table.ROWS)
  if arguments.mode not in MODES:
    raise errors.unknown('mode', arguments.mode, MODES)
  if arguments.model_dir == '':
    raise errors.UserError('--model_dir is empty; give a folder (is MODEL_DIR set?)')
  for text in arguments.params_override:
    override_syntax.check(text)

  # TensorFlow comes in only here, where the names are known to be right.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  experiment, model_dir = settle(arguments)
  from tf_maskformer.dataloaders import reader
  from tf_maskformer.training import preflight
  preflight.check(experiment, arguments.mode, model_dir, reader.preflight)
  from tf_maskformer.tasks.factory import build_task
  from tf_maskformer.training import runner
  return runner.run(
      experiment, arguments.experiment, arguments.mode, model_dir, make_task=build_task,
      allow_random_weights=arguments.allow_random_weights)


if __name__ == '__main__':
  cli.run(main)
