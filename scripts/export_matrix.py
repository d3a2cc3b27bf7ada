"""Exports every kind of model to every format and prints which works, how exactly, and how fast.

    python scripts/export_matrix.py --output matrix/
    python scripts/export_matrix.py --models maskformer_shapes_panoptic --formats onnx openvino \\
        --sizes 256 --output matrix/

Full-size models have random weights, lively ones: norms, biases and sampling offsets are random,
too, for at their initial values errors of the sampling would not show. Each export is verified as
by `tf-maskformer export`; the row has the largest difference of the logits (in units of their root
mean square), the share of equal pixels (the least of all images compared), seconds per image of the
export and of the checkpoint itself, and the export's size. Everything takes hours; with the same
--output what is done already is not repeated.

With dynamic sizes, images are resized so that their short edge is the size; with fixed ones, the
network's input is a square of it.
"""

import itertools
import os
import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import interrupts
from tf_maskformer import output as output_folder
from tf_maskformer.configs.experiments import table
from tf_maskformer.scripts import matrix_rows
from tf_maskformer.scripts import matrix_worker
from tf_maskformer.serving.export import child
from tf_maskformer.serving.export import plan as plans

MODELS = (
    'maskformer_coco_panoptic', 'maskformer_coco_panoptic_swin_tiny', 'mask2former_coco_panoptic',
    'mask2former_coco_panoptic_swin_tiny', 'per_pixel_ade20k_semantic',
    'maskformer_shapes_panoptic', 'mask2former_shapes_panoptic')
_KINDS = ('dynamic', 'fixed')


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument('--output', required=True, help='folder for matrix.json and matrix.md')
  for name, known in (
      ('models', MODELS), ('formats', tuple(plans.FORMATS)), ('tasks', plans.TASKS),
      ('kinds', _KINDS)):
    parser.add_argument(
        f'--{name}', nargs='+', default=list(known), metavar='NAME',
        help=f'default: {", ".join(known)}')
  parser.add_argument(
      '--sizes', nargs='+', type=int, default=[256, 640], metavar='PIXELS',
      help='default: 256 640')
  parser.add_argument('--precision', default='float32', help='default: float32')
  return parser


def main(argv: Sequence[str]) -> None:
  """Prints the matrix.

  Raises:
    UserError: a flag is wrong, or the folder cannot be written.
  """
  args = flags().parse(argv)
  for flag, values, known in (
      ('model', args.models, table.ROWS), ('format', args.formats, plans.FORMATS),
      ('task', args.tasks, plans.TASKS), ('kind', args.kinds, _KINDS),
      ('precision', [args.precision], plans.PRECISIONS)):
    for value in values:
      if value not in known:
        raise errors.unknown(flag, value, known)
  folder = pathlib.Path(args.output)
  with interrupts.ending_at_sigterm(), output_folder.opened(folder, 'the rows so far are in it'):
    _matrix(args, folder)


def _matrix(args, folder: pathlib.Path) -> None:
  print('  '.join(matrix_rows.HEAD), flush=True)
  with tempfile.TemporaryDirectory(prefix='tf_maskformer_matrix_') as scratch:
    for model in args.models:
      cells = [
          {'model': model, 'format': name, 'task': task, 'kind': kind, 'size': size,
           'precision': args.precision}
          for size, kind, name, task in itertools.product(
              args.sizes, args.kinds, args.formats, args.tasks)]
      _fill(cells, str(folder), scratch)


def _fill(cells: list[dict[str, Any]], folder: str, scratch: str) -> None:
  """Adds the rows of a model that are not there yet."""
  for cell in _missing(cells, folder):
    problem = _problem(cell)
    if problem:
      matrix_rows.add(folder, {**cell, 'problem': problem})
  while missing := _missing(cells, folder):
    try:
      child.call('the export', os.path.join(scratch, 'log'), matrix_worker.run, missing, folder,
                 scratch)
    except errors.UserError as error:  # the process ended; the others still can be done
      first, *_ = _missing(cells, folder)
      matrix_rows.add(folder, {**first, 'problem': str(error)})


def _missing(cells: list[dict[str, Any]], folder: str) -> list[dict[str, Any]]:
  done = {matrix_rows.key(row) for row in matrix_rows.read(folder)}
  return [cell for cell in cells if matrix_rows.key(cell) not in done]


def _problem(cell: dict[str, Any]) -> str:
  """Returns why a combination cannot be, as far as that is known without TensorFlow."""
  plan = matrix_worker.plan_of(cell)
  try:
    plan.check()
    plan.require_packages()
  except errors.UserError as error:
    return str(error)
  return ''


if __name__ == '__main__':
  cli.run(main)
