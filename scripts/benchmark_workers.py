"""Times the training step of several local workers against that of one process.

    python scripts/benchmark_workers.py                      # 1, 2 and 3 workers
    python scripts/benchmark_workers.py --workers 1 2 --experiment mask2former_coco_panoptic
    python scripts/benchmark_workers.py --size 256 --batch 2 --steps 20

Each worker has as many images and threads as the one process, so that what more workers cost is the
exchange of gradients, as long as the machine has a core for each thread. Images are of the embedded
data set. A line of the training is of five steps; the step is the median of the lines after the
first, whose steps are traced.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from tf_maskformer import cli
from tf_maskformer import errors
from tf_maskformer.scripts import benchmark
from tf_maskformer.scripts.free_hosts import free_hosts

ROOT = pathlib.Path(__file__).resolve().parent.parent
_PER_LINE = 5  # steps; those of the first line are not timed
_STEP = re.compile(r'step \d+/')
# Flags of whole numbers: lowest and highest.
_BOUNDS = {'size': (32, 4096), 'batch': (1, 1024), 'steps': (5, 10000), 'threads': (1, 256)}


def measure(args: argparse.Namespace, workers: int, records: str, folder: str) -> float:
  """Returns the seconds of a step of that many workers; 0 workers: one process without any."""
  several = max(workers, 1)
  strategy = 'multi_worker_mirrored' if workers else 'one_device'
  steps = args.steps // _PER_LINE * _PER_LINE + _PER_LINE
  changes = [
      f'runtime.distribution_strategy={strategy}', 'runtime.num_gpus=0',
      f'task.train_data.input_path={records}', 'task.data_set=shapes_panoptic',
      f'task.train_data.global_batch_size={args.batch * several}',
      f'trainer.train_steps={steps}', f'trainer.steps_per_loop={_PER_LINE}',
      f'trainer.checkpoint_interval={steps}',
      *args.override]
  command = [
      sys.executable, str(ROOT / 'train.py'), '--experiment', args.experiment, '--mode', 'train',
      '--model_dir', f'{folder}/run_{workers}', '--params_override', ','.join(changes)]
  flags = [[]]
  if workers:
    hosts = ','.join(free_hosts(workers))
    flags = [['--worker_hosts', hosts, '--task_index', str(i)] for i in range(workers)]
  environment = {
      **os.environ, 'IMG_SIZE': str(args.size), 'TF_NUM_INTRAOP_THREADS': str(args.threads),
      'OMP_NUM_THREADS': str(args.threads)}
  processes = [
      subprocess.Popen([*command, *own], cwd=ROOT, env=environment, text=True,
                       stdout=subprocess.PIPE if i == 0 else subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL if i else None)
      for i, own in enumerate(flags)]
  try:
    return _median_step(processes[0], command)
  finally:
    for process in processes:
      process.kill()
      process.wait()


def _median_step(chief: subprocess.Popen, command: list[str]) -> float:
  """Returns the median seconds of a step, by the times of the chief's lines."""
  times = []
  for line in chief.stdout:
    if _STEP.match(line):
      times.append(time.monotonic())
  if chief.wait() or len(times) < 2:
    raise errors.UserError(f'{" ".join(command)} failed with {chief.returncode}; see above')
  seconds = [after - before for before, after in zip(times, times[1:])]
  return statistics.median(seconds) / _PER_LINE


def flags() -> cli.Parser:
  """Returns the flags of this program."""
  parser = cli.Parser(__doc__)
  parser.add_argument('--workers', type=int, nargs='+', default=[1, 2, 3])
  parser.add_argument('--experiment', default='maskformer_coco_panoptic')
  parser.add_argument('--size', type=int, default=128, help='side of the square images')
  parser.add_argument('--batch', type=int, default=2, help='images per worker')
  parser.add_argument('--steps', type=int, default=25, help='that are timed, rounded down to fives')
  parser.add_argument('--threads', type=int, default=1, help='of each worker')
  parser.add_argument(
      '--override', action='append', default=[], help='a.b=1, further settings; may be repeated')
  return parser


def main(argv: Sequence[str]) -> None:
  args = flags().parse(argv)
  for name, (lowest, highest) in _BOUNDS.items():
    value = getattr(args, name)
    errors.require(
        lowest <= value <= highest, f'--{name} is {value}; it is from {lowest} to {highest}')
  errors.require(
      all(1 <= one <= 64 for one in args.workers), f'--workers {args.workers} are from 1 to 64')
  print('| workers | seconds per step | images/s | per worker, of one process |')
  print('|---|---|---|---|')
  with tempfile.TemporaryDirectory(prefix='tf-maskformer-benchmark-') as folder:
    records = benchmark.make_records(folder)
    alone = measure(args, 0, records, folder)
    print(f'| one process | {alone:.3f} | {args.batch / alone:.2f} | 100 % |', flush=True)
    for workers in args.workers:
      seconds = measure(args, workers, records, folder)
      print(f'| {workers} | {seconds:.3f} | {args.batch * workers / seconds:.2f} | '
            f'{100 * alone / seconds:.0f} % |', flush=True)


if __name__ == '__main__':
  cli.run(main)
