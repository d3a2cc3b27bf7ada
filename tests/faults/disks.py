"""Full disks: every call that writes fails once, and from then on, in every program.

Either the program ends with one line and leaves nothing half-written under a final name, or its
results are complete; started again with room, it ends where an undisturbed one ends.
"""

import functools
import pathlib
import random
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
  for number, (name, call) in enumerate(chosen[:count or None]):
    # Most disks stay full; a quota or a network folder may have room again a moment later.
    action = 'once' if number % 4 == 3 else 'full'
    yield Case(f'{name}: {action} at call {call.number} ({call.name} {call.path})',
               functools.partial(check, name, action, call, world))


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


def check(name: str, action: str, call: Call, world: World, folder: pathlib.Path) -> None:
  """Runs a job into a full disk, and again with room.

  Raises:
    Fault: a traceback, a half-written file, or another result than that of the undisturbed run.
  """
  job = world.jobs[name]
  job.prepare(folder / 'out')
  environment = world.injector.environment(folder, action, call.number)
  ended = processes.run(job.argv(folder / 'out'), environment)
  kills.refuse_traceback(ended.output)
  facts.check_whole(folder)
  if ended.code < 0:
    raise Fault(f'signal {-ended.code}', ended.output)
  if ended.code == 0:
    wrong = facts.differences(world.reference(job).facts, facts.of(folder))
    if wrong:
      raise Fault(f'exit code 0, but the results are not complete: {wrong}', ended.output)
  elif 'error: ' not in ended.output:
    raise Fault('there is not a line that says what is wrong', ended.output)
  ended = kills.finish(job, world, folder)
  wrong = facts.differences(world.reference(job).facts, facts.of(folder))
  if wrong and ended.code == 0 and name.startswith('eval'):
    wrong = ''  # a second evaluation replaces the first; what both wrote was compared above
  if wrong:
    raise Fault(f'with room again, it differs from the undisturbed run: {wrong}', ended.output)
