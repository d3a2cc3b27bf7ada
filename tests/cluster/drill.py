"""A drill: local workers train, one is killed, all are started again; nothing may tell.

    python -m tests.cluster.drill --workers 3

The weights of the disturbed training are compared, bit by bit, with those of one that ran through.
Prints what happened and ends with exit code 1 where something differs.
"""

import argparse
import pathlib
import re
import signal
import sys
import tempfile

from tests import records
from tests.cluster import jobs

_STEPS = 6
_LIMIT = 90  # seconds in which the others must have ended: 60, on a busy machine more


def main(argv: list[str]) -> int:
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--workers', type=int, default=3, help='how many; default 3')
  parser.add_argument('--kill', type=int, default=1, help='the worker that is killed; default 1')
  parser.add_argument('--step', type=int, default=3, help=f'when, below {_STEPS}; default 3')
  arguments = parser.parse_args(argv)
  if not 0 <= arguments.kill < arguments.workers or not 0 < arguments.step < _STEPS:
    parser.error('--kill names one of the workers, from 0, and --step a step before the end')
  with tempfile.TemporaryDirectory(prefix='tf-maskformer-drill-') as folder:
    problems = run(pathlib.Path(folder), arguments.workers, arguments.kill, arguments.step)
  for problem in problems:
    print(f'error: {problem}', file=sys.stderr)
  print('the drill failed' if problems else 'the drill succeeded')
  return 1 if problems else 0


def run(folder: pathlib.Path, workers: int, killed: int, step: int) -> list[str]:
  """Runs the drill in a folder; returns what went wrong."""
  def make_folder(name):
    (folder / name).mkdir()
    return folder / name
  data = records.shapes_records(make_folder, 4 * workers + 1, 2)
  def job(name, logs):
    return jobs.Job(folder / logs, data, folder / name, workers, [
        f'trainer.train_steps={_STEPS}', f'task.train_data.global_batch_size={2 * workers}'])
  print(f'{workers} workers, undisturbed: {_STEPS} steps', flush=True)
  with job('undisturbed', 'logs_0') as one:
    codes = one.wait()
    if any(codes):
      return [f'exit codes {codes}: {one.err(0)}']
  print(f'{workers} workers again: worker {killed} is killed after step {step}', flush=True)
  with job('disturbed', 'logs_1') as one:
    one.wait_for(f'step {step}/')
    one.processes[killed].send_signal(signal.SIGKILL)
    codes = one.wait(_LIMIT)
    problems = _problems_of_ends(one, codes, killed)
  print(f'all {workers} workers again, by the same command', flush=True)
  with job('disturbed', 'logs_2') as one:
    codes = one.wait()
    if any(codes):
      return [*problems, f'exit codes {codes}: {one.err(0)}']
    found = re.search(r'\(step (\d+)\)', one.out(0))
  resumed = int(found[1]) if found else 0
  if not 0 < resumed <= step:
    problems.append(f'resumed at step {resumed}, killed after step {step}')
  print(f'resumed at step {resumed}, finished', flush=True)
  return problems + _differences(folder / 'undisturbed', folder / 'disturbed')


def _problems_of_ends(one: jobs.Job, codes: list[int], killed: int) -> list[str]:
  """Returns what was wrong with how the others ended; prints how they did."""
  problems = []
  for index, code in enumerate(codes):
    if index == killed:
      continue
    lines = one.err(index).splitlines()
    print(f'  worker {index}: exit code {code}: {" | ".join(lines)}', flush=True)
    if code <= 0 or len(lines) != 1 or f'worker {killed} ' not in lines[0]:
      problems.append(f'worker {index} did not end with one line that names worker {killed}')
  return problems


def _differences(wanted: pathlib.Path, found: pathlib.Path) -> list[str]:
  """Returns in what the last checkpoints of two runs differ."""
  from tests.training import updates
  one = updates.arrays(str(wanted / f'ckpt-{_STEPS}'))
  other = updates.arrays(str(found / f'ckpt-{_STEPS}'))
  if set(one) != set(other):
    return ['the checkpoints have other variables']
  off = [key for key in one if one[key].tobytes() != other[key].tobytes()]
  print(f'{len(one) - len(off)} of {len(one)} variables are equal, bit by bit', flush=True)
  return [f'{len(off)} variables differ, {off[0]} first'] if off else []


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
