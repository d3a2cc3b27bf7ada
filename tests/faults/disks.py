"""Full disks: every call that writes fails once, and from then on, in every program.

Either the program ends with one line and leaves nothing half-written under a final name, or its
results are complete; started again with room, it ends where an undisturbed one ends.
"""

import functools
import pathlib
import random
import shutil
from collections.abc import Iterator

from tests.faults import facts
from tests.faults import kills
from tests.faults import processes
from tests.faults.injector import Call
from tests.faults.jobs import World
from tests.faults.outcome import Case
from tests.faults.outcome import Fault

_JOBS = ('train maskformer', 'eval maskformer', 'predict maskformer', 'convert', 'export',
         'prepare', 'make_shapes')
_REMOVED_AT = (
    ('train maskformer', 'step 4/'), ('train maskformer', 'saved .*ckpt-14'),
    ('train mask2former', 'step 32/'), ('eval maskformer', 'weights:'),
    ('predict maskformer', '5/10'), ('prepare', r'[1-9]\d%'))
_CANNOT_FAIL = ('unlink', 'rmdir')
# Of calls of the same kind (a function and a place), e.g. the writes of 20 checkpoints.
_OF_A_KIND = 2


def cases(seed: int, count: int, world: World) -> Iterator[Case]:
  """Yields cases: a job, the number of the call, and whether later ones fail, too.

  Args:
    seed: chooses among calls of the same kind.
    count: how many; 0: all that are chosen.
    world: has the jobs.
  """
  chosen = []
  for name in _JOBS:
    reference = world.reference(world.jobs[name])
    calls = [call for call in reference.calls if call.name not in _CANNOT_FAIL]
    tried = choose(seed, calls)
    print(f'  {name}: {len(tried)} of {len(calls)} writing calls, at least one of each kind',
          flush=True)
    chosen += [(name, call) for call in tried]
  random.Random(f'disks {seed}').shuffle(chosen)
  every = list(_places(world))
  for number, (name, call) in enumerate(chosen):
    # Most disks stay full; a quota or a network folder may have room again a moment later.
    action = 'once' if number % 4 == 3 else 'full'
    every.append(Case(f'{name}: {action} at call {call.number} ({call.name} {call.path})',
                      functools.partial(check, name, action, call.number, world)))
  yield from every[:count or None]


def _places(world: World) -> Iterator[Case]:
  """Yields cases of outputs that cannot be written to, or no longer."""
  for name in _JOBS:
    if not name.startswith('eval'):
      yield Case(f'{name}: the output is a file', functools.partial(check_file, name, world))
    yield Case(f'{name}: read-only', functools.partial(check, name, 'read_only', 1, world))
  for name, word in _REMOVED_AT:
    yield Case(f'{name}: folder removed at {word!r}',
               functools.partial(check_removed, name, word, world))


def choose(seed: int, calls: list[Call]) -> list[Call]:
  """Returns the first call of every kind, and random ones of each."""
  chance = random.Random(f'calls {seed}')
  kinds: dict[tuple[str, str], list[Call]] = {}
  for call in calls:
    kinds.setdefault(call.kind, []).append(call)
  chosen = []
  for same in kinds.values():
    others = same[1:]
    chosen += same[:1] + chance.sample(others, min(len(others), _OF_A_KIND - 1))
  return sorted(chosen, key=lambda call: call.number)


def check(name: str, action: str, at: int, world: World, folder: pathlib.Path) -> None:
  """Runs a job into a full disk or in a read-only folder, and again with room.

  Args:
    name: of the job.
    action: one of `injector.ACTIONS`.
    at: number of the first call that fails.
    world: has the jobs.
    folder: empty.

  Raises:
    Fault: a traceback, a half-written file, or another result than that of the undisturbed run.
  """
  job = world.jobs[name]
  job.prepare(folder / job.output)
  environment = world.injector.environment(folder, action, at)
  ended = processes.run(job.argv(folder / job.output), environment)
  facts.check_whole(folder)
  if not kills.is_refused(ended):
    wrong = facts.differences(world.reference(job).facts, job.facts_of(folder))
    if wrong:
      raise Fault(f'exit code 0, but the results are not complete: {wrong}', ended.output)
  _check_again(name, world, folder)


def check_removed(name: str, word: str, world: World, folder: pathlib.Path) -> None:
  """Removes the output's folder under a job; raises Fault as `check`."""
  job = world.jobs[name]
  job.prepare(folder / job.output)
  removal = processes.Removal(0, word, folder / job.output)
  ended = processes.run(job.argv(folder / job.output), blow=removal)
  if ended.struck and not kills.is_refused(ended):
    raise Fault('exit code 0, but the folder was removed', ended.output)
  shutil.rmtree(folder / job.output, ignore_errors=True)
  job.prepare(folder / job.output)
  _check_again(name, world, folder)


def check_file(name: str, world: World, folder: pathlib.Path) -> None:
  """Has a job write where a file is; raises Fault unless it refuses and leaves the file alone."""
  job = world.jobs[name]
  output = folder / job.output
  output.write_text('mine')
  ended = processes.run(job.argv(folder / job.output))
  if not kills.is_refused(ended):
    raise Fault('exit code 0', ended.output)
  if output.read_text() != 'mine':
    raise Fault('the file was changed', ended.output)


def _check_again(name: str, world: World, folder: pathlib.Path) -> None:
  """Runs a job with room; raises Fault unless its output is that of the undisturbed run."""
  job = world.jobs[name]
  ended = kills.finish(job, folder)
  wrong = facts.differences(world.reference(job).facts, job.facts_of(folder))
  if wrong:
    raise Fault(f'with room again, it differs from the undisturbed run: {wrong}', ended.output)
