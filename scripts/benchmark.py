"""Times the training step, inference, matching, the input pipeline and the evaluators.

If Hugging Face's port is installed, the same work is timed there.

    python scripts/benchmark.py                  # 512x512, batch 2, float32 and bfloat16
    python scripts/benchmark.py --model mask2former --backbone swin_tiny --work train inference
    python scripts/benchmark.py --size 256 --precision float32 --repeats 5
    python scripts/benchmark.py --records '/data/coco/train*'     # the input pipeline on your data
    python scripts/benchmark.py --work recipes evaluation         # input of each recipe, scores
    python scripts/benchmark.py --work answers                    # from logits to segments

Every measurement runs in its own process, so that its peak memory is its own; theirs and ours
alternate, and the figure is the median. Ratios are theirs / ours: above 1, ours is faster or
smaller. GB is the peak of the complete process; work is the same less what the process held after
its imports.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer.configs.datasets import catalog

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORKER = ROOT / 'scripts' / 'benchmark_worker.py'
_OF_RECORDS = ('input', 'evaluation', 'recipes')
_CELLS = 16  # along a side of the synthetic segments, which divide it
# Flags of whole numbers: lowest and highest.
_BOUNDS = {
    'size': (32, 8192), 'batch': (1, 4096), 'micro_batch': (0, 4096), 'segments': (1, 255),
    'repeats': (1, 10000), 'rounds': (1, 1000), 'threads': (0, 1024)}


def measure(side: str, work: str, args: argparse.Namespace, precision: str) -> dict | None:
  """Runs one measurement in its own process and returns it; None where a side is not installed."""
  command = [
      sys.executable, str(WORKER), '--side', side, '--work', work, '--size', str(args.size),
      '--batch', str(args.batch), '--precision', precision, '--repeats', str(args.repeats),
      '--segments', str(args.segments), '--threads', str(args.threads), '--model', args.model,
      '--backbone', args.backbone, '--micro_batch', str(args.micro_batch)]
  if work in _OF_RECORDS:
    command += ['--records', args.records, '--data_set', args.data_set]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
  if done.returncode == 3:  # the worker's code for a missing package
    return None
  if done.returncode:
    print(done.stderr[-2000:], file=sys.stderr)
    raise errors.UserError(f'{" ".join(command)} failed with {done.returncode}; see above')
  return json.loads(done.stdout.strip().splitlines()[-1])


def _median(results: list[dict], key: str) -> float | None:
  return statistics.median(result[key] for result in results) if results else None


def compare(work: str, args: argparse.Namespace, precision: str) -> list[str]:
  """Measures one kind of work on both sides, alternating, and returns the table's row."""
  runs = {'ours': [], 'hugging_face': []}
  for _ in range(args.rounds):
    for side, results in runs.items():
      result = measure(side, work, args, precision)
      if result:
        results.append(result)
  row = [work, precision]
  for key in ('seconds', 'peak_gb', 'work_gb'):
    ours = _median(runs['ours'], key)
    theirs = _median(runs['hugging_face'], key)
    row.append(f'{ours:.3f}')
    row += [f'{theirs:.3f}', f'{theirs / ours:.2f}'] if theirs else ['-', '-']
  return row


def make_records(folder: str) -> str:
  """Makes records of synthetic images of COCO's size; returns the pattern of their paths."""
  images = f'{folder}/images'
  records = f'{folder}/records'
  for name, *arguments in (
      ['make_shapes.py', '--output', images, '--size', '640', '--train', '64', '--validation', '1'],
      ['prepare_data.py', 'coco_panoptic', '--coco_root', images, '--output', records,
       '--data_set', 'shapes_panoptic']):
    program = [sys.executable, str(ROOT / 'scripts' / name), *arguments]
    subprocess.run(program, check=True, capture_output=True)
  return f'{records}/train*'


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument('--model', default='maskformer', choices=['maskformer', 'mask2former'])
  parser.add_argument('--backbone', default='r50', choices=['r50', 'swin_tiny'])
  parser.add_argument('--size', type=int, default=512, help='side of the square images')
  parser.add_argument('--batch', type=int, default=2)
  parser.add_argument(
      '--micro_batch', type=int, default=0,
      help='images that our model processes at a time; 0: all')
  parser.add_argument('--segments', type=int, default=12, help='target segments per image')
  parser.add_argument('--repeats', type=int, default=5, help='timed calls per process')
  parser.add_argument('--rounds', type=int, default=1, help='processes per side')
  parser.add_argument('--threads', type=int, default=0, help='0: all cores')
  parser.add_argument(
      '--precision', nargs='+', default=['float32', 'bfloat16'], choices=['float32', 'bfloat16'])
  parser.add_argument(
      '--work', nargs='+', default=['train', 'inference', 'matching', 'input'],
      choices=['train', 'inference', 'matching', 'input', 'parts', 'evaluation', 'recipes',
               'answers'])
  parser.add_argument(
      '--records', default='',
      help='TFRecords for the input pipeline and the evaluators; default: synthetic 640x480 images')
  parser.add_argument(
      '--data_set', default='coco_panoptic',
      help='data set of --records, by its name or YAML file')
  return parser


def check(args: argparse.Namespace) -> None:
  """Checks the flags' values.

  Raises:
    UserError: one is out of its range, or does not fit another.
  """
  for name, (lowest, highest) in _BOUNDS.items():
    value = getattr(args, name)
    errors.require(
        lowest <= value <= highest, f'--{name} must be in {lowest} .. {highest}, not {value}')
  errors.require(
      args.size % _CELLS == 0, f'--size {args.size} is not a multiple of {_CELLS}; give one')
  errors.require(
      not args.micro_batch or args.batch % args.micro_batch == 0,
      f'--micro_batch {args.micro_batch} does not divide --batch {args.batch}')
  catalog.get(args.data_set)


def main(argv: Sequence[str]) -> None:
  args = flags().parse(argv)
  check(args)
  with tempfile.TemporaryDirectory() as folder:
    if not args.records and any(work in _OF_RECORDS for work in args.work):
      args.records = make_records(folder)
      args.data_set = 'shapes_panoptic'
    report(args)


def report_parts(args: argparse.Namespace, precision: str) -> None:
  """Measures and prints the parts of our training step."""
  parts = measure('ours', 'parts', args, precision)['parts']
  for name, seconds in parts.items():
    share = 100 * seconds / parts['training step']
    print(f'  {name:<40} {seconds:8.3f} s  {share:5.1f} %', flush=True)


def report_evaluation(args: argparse.Namespace) -> None:
  """Measures and prints what an image costs our evaluators."""
  for name, seconds in measure('ours', 'evaluation', args, 'float32')['parts'].items():
    print(f'  {name:<40} {1000 * seconds:8.1f} ms per image', flush=True)


def report_recipes(args: argparse.Namespace) -> None:
  """Measures and prints the input pipeline of every published recipe."""
  for name, seconds in measure('ours', 'recipes', args, 'float32')['parts'].items():
    print(f'  {name:<40} {1 / seconds:8.1f} images/s/core', flush=True)


def report_answers(args: argparse.Namespace) -> None:
  """Measures and prints what the answers of an image cost, by the graph, by NumPy, and theirs."""
  sides = {
      side: [measure(side, 'answers', args, 'float32') for _ in range(args.rounds)]
      for side in ('ours', 'numpy', 'hugging_face')}
  seconds: dict[str, dict[str, float]] = {}
  for side, runs in sides.items():
    for run in runs:
      for kind in run['parts'] if run else ():
        every = [one['parts'][kind]['seconds'] for one in runs]
        seconds.setdefault(kind, {})[side] = statistics.median(every)
  for kind, of_sides in seconds.items():
    ours = of_sides.pop('ours')
    others = ''.join(
        f'   {side} {1000 * other:7.1f} ms, ratio {other / ours:5.2f}'
        for side, other in of_sides.items())
    print(f'  {kind:<12} {1000 * ours:7.1f} ms per image{others}', flush=True)


def report(args: argparse.Namespace) -> None:
  """Measures and prints everything."""
  head = [
      'work', 'precision', 'ours s', 'theirs s', 'ratio', 'ours GB', 'theirs GB', 'ratio',
      'own work', 'their work', 'ratio']
  model = {'maskformer': 'MaskFormer, plain FPN', 'mask2former': 'Mask2Former'}[args.model]
  print(f'{model}, {args.backbone}, {args.size}x{args.size}, batch {args.batch}, 133 classes, '
        f'100 queries, {args.segments} segments per image; theirs: Hugging Face transformers')
  print('  '.join(f'{h:>10}' for h in head), flush=True)
  for work in args.work:
    has_precision = work in ('train', 'inference', 'parts')
    for precision in args.precision if has_precision else ['float32']:
      if work == 'parts':
        report_parts(args, precision)
      elif work == 'recipes':
        report_recipes(args)
      elif work == 'evaluation':
        report_evaluation(args)
      elif work == 'answers':
        report_answers(args)
      else:
        row = compare(work, args, precision)
        print('  '.join(f'{cell:>10}' for cell in row), flush=True)


if __name__ == '__main__':
  cli.run(main)
