"""The campaign: kills, full disks, damaged and hostile files, settings, records, locks.

    python -m tests.faults                                  # everything: hours
    python -m tests.faults --jobs 2                         # two cases at a time
    python -m tests.faults --seed 7 --only kills locks      # these kinds, other cases
    python -m tests.faults --seed 7 --only kills --count 5  # the first five
    python -m tests.faults --seed 7 --only kills --case 3   # one; its folder stays if it fails

Prints how many cases of each kind were tried and how many held, and every failure with the command
that repeats it; exit code 1 if anything failed. Programs run as processes of their own, with one
thread, in a clean environment.
"""

import argparse
import pathlib
import sys
import tempfile

from tests.faults import disks
from tests.faults import files
from tests.faults import generated
from tests.faults import kills
from tests.faults import locks
from tests.faults import outcome
from tests.faults import side_files
from tests.faults.jobs import World

# Each kind: its cases, from a seed, their number and the `World`; and how many a full campaign has.
KINDS = {
    'kills': (kills.cases, 50),
    'disks': (disks.cases, 0),
    'side_files': (side_files.cases, 120),
    'files': (files.cases, 300),
    'settings': (generated.settings_cases, 300),
    'accepted': (generated.accepted_cases, 20),
    'records': (generated.records_cases, 300),
    'locks': (locks.cases, 1000),
}


def main() -> int:
  """Runs the campaign and returns the exit code."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--seed', type=int, default=1, help='of every case; default: 1')
  parser.add_argument('--only', nargs='+', choices=KINDS, default=list(KINDS), help='these kinds')
  parser.add_argument('--count', type=int, help='cases of each kind; default: those of the issue')
  parser.add_argument('--case', type=int, help='this case alone; its folder stays if it fails')
  parser.add_argument('--jobs', type=int, default=1, help='cases at a time; default: 1')
  parser.add_argument('--folder', help='for temporary files, empty; default: one that is removed')
  args = parser.parse_args()
  if args.folder:
    return _run(args, pathlib.Path(args.folder).resolve())
  with tempfile.TemporaryDirectory(prefix='faults-', ignore_cleanup_errors=True) as folder:
    return _run(args, pathlib.Path(folder))


def _run(args: argparse.Namespace, folder: pathlib.Path) -> int:
  folder.mkdir(parents=True, exist_ok=True)
  if any(folder.iterdir()):
    raise SystemExit(f'{folder} is not empty')
  world = World(folder)
  outcomes = {}
  for kind in args.only:
    print(f'{kind}, seed {args.seed}', flush=True)
    cases, usual = KINDS[kind]
    count = usual if args.count is None else args.count
    outcomes[kind] = outcome.check_all(
        cases(args.seed, count, world), folder / kind, args.case, keep=args.case is not None,
        jobs=args.jobs)
  world.warm.close()
  _print(outcomes, args.seed)
  return 1 if any(o.failures or not o.tried for o in outcomes.values()) else 0


def _print(outcomes: dict[str, outcome.Outcome], seed: int) -> None:
  for kind, found in outcomes.items():
    for failure in found.failures:
      print(f'\nFAILED {kind}: {failure.name}\n  {failure.why}\n  repeat: python -m tests.faults '
            f'--seed {seed} --only {kind} --case {failure.number}')
      print(''.join(f'  | {line}\n' for line in failure.lines), end='')
  print(f'\n{"kind":12}{"tried":>8}{"held":>8}')
  for kind, found in outcomes.items():
    print(f'{kind:12}{found.tried:8}{found.held:8}')
  tried = sum(found.tried for found in outcomes.values())
  held = sum(found.held for found in outcomes.values())
  print(f'{"all":12}{tried:8}{held:8}' + ('   all held' if held == tried else ''))


if __name__ == '__main__':
  sys.exit(main())
