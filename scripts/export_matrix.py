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

import contextlib
import io
import itertools
import os
import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer import interrupts
from tf_maskformer import output as output_folder
from tf_maskformer.configs.experiments import table
from tf_maskformer.scripts import export
from tf_maskformer.scripts import export_worker
from tf_maskformer.serving.export import child
from tf_maskformer.serving.export import plan as plans

MODELS = (
    'maskformer_coco_panoptic', 'maskformer_coco_panoptic_swin_tiny', 'mask2former_coco_panoptic',
    'mask2former_coco_panoptic_swin_tiny', 'per_pixel_ade20k_semantic',
    'maskformer_shapes_panoptic', 'mask2former_shapes_panoptic')
_KINDS = ('dynamic', 'fixed')
_ROWS = 'matrix.json'
_TABLE = 'matrix.md'
_HEAD = ('model', 'format', 'task', 'size', 'result', 'largest', 'equal', 's', 's checkpoint', 'MB')
# Random weights are sure of nothing.
_THRESHOLDS = 'task.evaluation.object_mask_threshold=0.02,task.evaluation.overlap_threshold=0.1'


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument('--output', required=True, help=f'folder for {_ROWS} and {_TABLE}')
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
  rows: list[dict[str, Any]] = []
  if (folder / _ROWS).exists():
    rows = files.read_json(folder / _ROWS)
  done = {_key(row) for row in rows}
  print('  '.join(_HEAD), flush=True)
  with tempfile.TemporaryDirectory(prefix='tf_maskformer_matrix_') as scratch:
    for model in args.models:
      cells = itertools.product(args.sizes, args.kinds, args.formats, args.tasks)
      for size, kind, name, task in cells:
        row = {'model': model, 'format': name, 'task': task, 'kind': kind, 'size': size,
               'precision': args.precision}
        if _key(row) in done:
          continue
        rows.append({**row, **_cell(row, pathlib.Path(scratch))})
        print('  '.join(_text(rows[-1])), flush=True)
        files.write_json(folder / _ROWS, rows)
        files.write_text(folder / _TABLE, _markdown(rows))


def _key(row: dict[str, Any]) -> tuple:
  return tuple(row[k] for k in ('model', 'format', 'task', 'kind', 'size', 'precision'))


def _cell(row: dict[str, Any], scratch: pathlib.Path) -> dict[str, Any]:
  """Exports one combination; returns what was found, or why it does not work."""
  size = row['size']
  plan = plans.Plan(
      row['format'], row['task'], (size, size) if row['kind'] == 'fixed' else None,
      row['precision'])
  try:
    plan.check()
    plan.require_packages()
    checkpoint = scratch / row['model']
    if not checkpoint.exists():
      child.call('making the model', scratch / 'log', make_checkpoint, row['model'],
                 str(checkpoint))
    edges = (f'task.validation_data.parser.augmentation.short_edges=[{size}],'
             f'task.validation_data.parser.augmentation.long_edge_limit={size * 4 // 3}')
    job = export_worker.Job(
        str(checkpoint), row['model'], (_THRESHOLDS, edges), (), False, False, plan)
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory(
        dir=scratch) as output:
      content = export.export(job, output)
  except errors.UserError as error:
    return {'problem': str(error)}
  return {
      'largest': max(one['largest'] for one in content['images'] if not one['resized']),
      'equal': min(one['equal'] for one in content['images']),
      'seconds': content['seconds_per_image'],
      'own_seconds': content['seconds_per_image_of_checkpoint'], 'bytes': content['bytes'],
      'peak_gb': content['peak_memory_gb']['conversion']}


def make_checkpoint(name: str, folder: str) -> None:
  """Writes a checkpoint of a registered experiment with lively random weights."""
  import numpy as np
  import tensorflow as tf

  from tf_maskformer.configs.experiments import registry
  from tf_maskformer.modeling.factory import build_model

  experiment = registry.get(name)
  experiment.task.resolve()
  model = build_model(experiment.task.model, seed=0)
  rng = np.random.default_rng(0)
  for variable in model.weights:
    value = variable.numpy()
    if value.ndim >= 2 and value.std():
      continue  # is random already
    changed = value + rng.normal(0, 0.1, value.shape)
    variable.assign(np.abs(changed) + 0.1 if 'variance' in variable.name else changed)
  head = getattr(model.predictor, 'class_embed', None)
  if head is not None:
    bias = head.bias.numpy()
    bias[-1] = -3  # few queries are no-object
    head.bias.assign(bias)
  tf.train.Checkpoint(model=model).save(os.path.join(folder, 'ckpt'))


def _text(row: dict[str, Any]) -> list[str]:
  """Returns the cells of a row."""
  size = f'{row["size"]} {row["kind"]}'
  first = [row['model'], row['format'], row['task'], size]
  if 'problem' in row:
    return [*first, errors.quoted(row['problem']), '', '', '', '', '']
  equal = '100 %' if row['equal'] == 1 else f'{min(100 * row["equal"], 99.999):.3f} %'
  return [*first, 'works', f'{row["largest"]:.0e}', equal, f'{row["seconds"]:.2f}',
          f'{row["own_seconds"]:.2f}', f'{row["bytes"] / 1e6:.0f}']


def _markdown(rows: list[dict[str, Any]]) -> str:
  lines = [f'| {" | ".join(_HEAD)} |', '|---' * len(_HEAD) + '|']
  lines += [f'| {" | ".join(_text(row))} |' for row in rows]
  return '\n'.join(lines) + '\n'


if __name__ == '__main__':
  cli.run(main)
