"""The command `tf-maskformer VERB …`: the programs of scripts/ under one name."""

import importlib
import sys
from collections.abc import Sequence

import tf_maskformer
from tf_maskformer import cli
from tf_maskformer import errors

# verb -> module of scripts/, what it does
VERBS = {
    'train': ('train', 'train and evaluate a registered experiment'),
    'predict': ('predict', 'predict images with a checkpoint'),
    'export': ('export', 'write a model as SavedModel, ONNX, OpenVINO or LiteRT'),
    'serve': ('serve', 'answer images over HTTP'),
    'demo': ('demo', 'try a model in a browser'),
    'prepare': ('prepare_data', 'convert a data set to TFRecords'),
    'input_service': ('input_service', 'prepare training batches on other machines'),
    'inspect': ('inspect_records', 'check and draw the records of a data set'),
    'evaluate_predictions': ('evaluate_predictions', 'score predictions in files, of any program'),
    'convert': ('convert_checkpoint', 'convert checkpoints of other libraries, and back'),
    'show': ('show_results', "draw a run's predictions next to the truth; its results as a table"),
    'experiments': ('list_experiments', 'print the registered experiments'),
    'shapes': ('make_shapes', 'draw the embedded data set'),
}


def usage() -> str:
  """Returns what `tf-maskformer --help` prints."""
  lines = [f'  {verb:21} {text}' for verb, (_, text) in VERBS.items()]
  first = 'usage: tf-maskformer VERB [flags]; --help after a verb prints its flags'
  return '\n'.join([first, '', *lines])


def dispatch(argv: Sequence[str]) -> int | None:
  """Runs the program that the first argument names with the other arguments.

  Raises:
    UserError: the verb is unknown.
  """
  if not argv or argv[0] in ('-h', '--help'):
    print(usage())
    return 0
  if argv[0] == '--version':
    print(f'tf-maskformer {tf_maskformer.__version__}')
    return 0
  if argv[0] not in VERBS:
    raise errors.unknown('verb', argv[0], VERBS)
  module, _ = VERBS[argv[0]]
  sys.argv[0] = f'tf-maskformer {argv[0]}'  # what argparse calls the program
  return importlib.import_module(f'tf_maskformer.scripts.{module}').main(argv[1:])


def main() -> None:
  """The entry point."""
  cli.run(dispatch)
