"""Times the training step, inference, matching and input pipeline, against Hugging Face's port if it is installed.

    python scripts/benchmark.py                                   # 512x512, batch 2, float32 and bfloat16
    python scripts/benchmark.py --model mask2former --backbone swin_tiny --work train inference
    python scripts/benchmark.py --size 256 --precision float32 --repeats 5
    python scripts/benchmark.py --records '/data/coco/train*'     # the input pipeline too

Every line is measured in a process of its own, so that peak memory is that line's, and rival and ours take
turns; the figure is the median. Ratios are rival / ours: above 1 ours is faster or smaller. GB is the peak of the
whole process, work the same less what the process held after its imports.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORKER = ROOT / 'scripts' / 'benchmark_worker.py'


def measure(side: str, work: str, args: argparse.Namespace, precision: str) -> dict | None:
  """Runs one measurement in a process of its own; None where the side is not installed."""
  command = [sys.executable, str(WORKER), '--side', side, '--work', work, '--size', str(args.size),
             '--batch', str(args.batch), '--precision', precision, '--repeats', str(args.repeats),
             '--segments', str(args.segments), '--threads', str(args.threads), '--model', args.model,
             '--backbone', args.backbone, '--micro_batch', str(args.micro_batch)]
  if work == 'input':
    command += ['--records', args.records, '--data_set', args.data_set]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
  if done.returncode == 3:  # the worker says so where a package is missing
    return None
  if done.returncode:
    raise SystemExit(f'error: {" ".join(command)} failed:\n{done.stderr[-2000:]}')
  return json.loads(done.stdout.strip().splitlines()[-1])


def compare(work: str, args: argparse.Namespace, precision: str) -> list[str]:
  """Measures one kind of work on both sides, in turns, and returns the table's row."""
  runs = {'ours': [], 'hugging_face': []}
  for _ in range(args.rounds):
    for side, results in runs.items():
      result = measure(side, work, args, precision)
      if result:
        results.append(result)
  def middle(side, key):
    return statistics.median(r[key] for r in runs[side]) if runs[side] else None
  row = [work, precision]
  for key in ('seconds', 'peak_gb', 'work_gb'):
    ours, theirs = middle('ours', key), middle('hugging_face', key)
    row += [f'{ours:.3f}', f'{theirs:.3f}' if theirs else '-', f'{theirs / ours:.2f}' if theirs else '-']
  return row


def draw_records(folder: str) -> str:
  """Draws and converts images of COCO's size; returns the records' pattern."""
  drawn, records = f'{folder}/drawn', f'{folder}/records'
  for command in (
      ['make_shapes.py', '--output', drawn, '--size', '640', '--train', '64', '--validation', '1'],
      ['prepare_data.py', 'coco_panoptic', '--coco_root', drawn, '--output', records, '--data_set', 'shapes_panoptic']):
    program = [sys.executable, str(ROOT / 'scripts' / command[0]), *command[1:]]
    subprocess.run(program, check=True, capture_output=True)
  return f'{records}/train*'


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--model', default='maskformer', choices=['maskformer', 'mask2former'])
  parser.add_argument('--backbone', default='r50', choices=['r50', 'swin_tiny'])
  parser.add_argument('--size', type=int, default=512, help='side of the square images')
  parser.add_argument('--batch', type=int, default=2)
  parser.add_argument('--micro_batch', type=int, default=0, help='images that pass through our model at a time; 0: all')
  parser.add_argument('--segments', type=int, default=12, help='target segments of an image')
  parser.add_argument('--repeats', type=int, default=5, help='timed calls of one process')
  parser.add_argument('--rounds', type=int, default=1, help='processes a side')
  parser.add_argument('--threads', type=int, default=0, help='0: all cores')
  parser.add_argument('--precision', nargs='+', default=['float32', 'bfloat16'], choices=['float32', 'bfloat16'])
  parser.add_argument('--work', nargs='+', default=['train', 'inference', 'matching', 'input'],
                      choices=['train', 'inference', 'matching', 'input', 'parts'])
  parser.add_argument('--records', default='', help='TFRecords for the input pipeline; default: drawn 640x480 images')
  parser.add_argument('--data_set', default='coco_panoptic', help='row of configs/datasets/catalog.py of --records')
  args = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    if 'input' in args.work and not args.records:
      args.records, args.data_set = draw_records(folder), 'shapes_panoptic'
    report(args)


def report(args: argparse.Namespace) -> None:
  """Measures and prints everything."""
  head = ['work', 'precision', 'ours s', 'theirs s', 'ratio', 'ours GB', 'theirs GB', 'ratio',
          'own work', 'their work', 'ratio']
  model = {'maskformer': 'MaskFormer, plain FPN', 'mask2former': 'Mask2Former'}[args.model]
  print(f'{model}, {args.backbone}, {args.size}x{args.size}, batch {args.batch}, 133 classes, 100 queries, '
        f'{args.segments} segments an image; theirs: Hugging Face transformers')
  print('  '.join(f'{h:>10}' for h in head), flush=True)
  for work in args.work:
    for precision in args.precision if work in ('train', 'inference', 'parts') else ['float32']:
      if work == 'parts':
        parts = measure('ours', work, args, precision)['parts']
        for name, seconds in parts.items():
          print(f'  {name:<40} {seconds:8.3f} s  {100 * seconds / parts["training step"]:5.1f} %', flush=True)
        continue
      print('  '.join(f'{cell:>10}' for cell in compare(work, args, precision)), flush=True)


if __name__ == '__main__':
  main()
