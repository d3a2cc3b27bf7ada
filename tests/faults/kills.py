"""Programs that are killed and started again: they end where an undisturbed one ends.

Weights, optimizer slots, history, evaluations, best checkpoint, TensorBoard's values, records, PNGs
and JSON files are compared bit for bit, strays included; no process is left.
"""

import functools
import pathlib
import random
import re
import signal
from collections.abc import Iterator

from tests.faults import facts
from tests.faults import processes
from tests.faults import warm
from tests.faults.jobs import Job
from tests.faults.jobs import World
from tests.faults.outcome import Case
from tests.faults.outcome import Fault
from tests.faults.processes import Kill

# How often each job is killed, of fourteen cases.
_JOBS = (
    'train maskformer', 'train mask2former', 'train maskformer', 'prepare', 'train mask2former',
    'predict maskformer', 'train maskformer', 'eval maskformer', 'train mask2former', 'prepare',
    'train maskformer', 'predict mask2former', 'train mask2former', 'eval mask2former')
# What the shell sees of a program that a signal ended: before and after it has its own handlers.
_CODES = {
    signal.SIGKILL: (-9,), signal.SIGTERM: (-15, 143), signal.SIGINT: (-2, 130)}


def cases(seed: int, count: int, world: World) -> Iterator[Case]:
  """Yields cases of one to three kills each."""
  for number in range(count):
    chance = random.Random(f'kills {seed} {number}')
    job = world.jobs[_JOBS[number % len(_JOBS)]]
    plan = [_choose(chance, job, world) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    name = f'{job.name}: {"; ".join(str(one) for one in plan)}'
    yield Case(name, functools.partial(check, job, plan, world))


def _choose(chance: random.Random, job: Job, world: World) -> 'Kill | CallKill':
  """Returns a random moment: a time, a word of the output, or a call that changes a file."""
  kind = chance.choice(('time', 'word', 'call') if job.words else ('time', 'call'))
  calls = world.reference(job).calls
  if kind == 'call' and calls:
    return CallKill(chance.choice(('kill_before', 'kill_after')), _choose_call(chance, calls))
  number = chance.choice((signal.SIGKILL,) * 6 + (signal.SIGTERM, signal.SIGINT))
  whom = chance.choice(('all', 'parent', 'worker')) if job.workers else 'all'
  if kind == 'word':
    return Kill(chance.choice((0.0, 0.0, chance.uniform(0, 3))), chance.choice(job.words), number,
                whom)
  seconds = world.reference(job).seconds
  return Kill(chance.uniform(0.15, 1.05) * seconds, None, number, whom)


def _choose_call(chance: random.Random, calls: list) -> int:
  """Returns the number of a call: each kind of call is as likely as another."""
  kind = chance.choice(sorted({call.kind for call in calls}))
  return chance.choice([call.number for call in calls if call.kind == kind])


class CallKill:
  """A SIGKILL right before or after a call that changes a file."""

  def __init__(self, action: str, at: int):
    """Takes one of `injector.ACTIONS` and the number of the call."""
    self.action = action
    self.at = at

  def __str__(self) -> str:
    return f'{self.action} call {self.at}'


def check(job: Job, plan: list[Kill | CallKill], world: World, folder: pathlib.Path) -> None:
  """Starts a job, kills it as planned, starts it again until it ends, and compares.

  Args:
    job: the program.
    plan: a kill for each of the first starts.
    world: has the undisturbed run.
    folder: empty.

  Raises:
    Fault: something is not as in the undisturbed run.
  """
  output = folder / job.output
  job.prepare(output)
  for kill in plan:
    if _start_and_kill(job, kill, world, folder):
      facts.check_whole(folder)
  ended = finish(job, folder)
  wrong = facts.differences(world.reference(job).facts, job.facts_of(folder))
  if wrong:
    raise Fault(f'differs from the undisturbed run: {wrong}', ended.output)


def _start_and_kill(job: Job, kill: Kill | CallKill, world: World, folder: pathlib.Path) -> bool:
  """Returns whether the kill came before the end of the program."""
  argv = job.argv(folder / job.output)
  if isinstance(kill, CallKill):
    environment = world.injector.environment(folder, kill.action, kill.at)
    ended = processes.run(argv, environment)
    killed = ended.code == -signal.SIGKILL
    codes = (-signal.SIGKILL, 0)
  else:
    ended = processes.run(argv, blow=kill)
    killed = ended.struck
    codes = (*_CODES[kill.number], 0)
  refuse_traceback(ended.output)
  is_worker = getattr(kill, 'whom', 'all') == 'worker'
  if not is_worker and not is_refused_output(job, ended) and ended.code not in codes:
    raise Fault(f'exit code {ended.code} after {kill}', ended.output)
  return killed


def finish(job: Job, folder: pathlib.Path) -> processes.Ended:
  """Starts a job again until it ends with exit code 0.

  Raises:
    Fault: it does not at once, prints a traceback, or trains from the first step again.
  """
  had_checkpoint = any(folder.glob('out/ckpt-*.index'))
  ended = processes.run(job.argv(folder / job.output))
  refuse_traceback(ended.output)
  if ended.code and not is_refused_output(job, ended):
    raise Fault(f'started again, it ended with exit code {ended.code}', ended.output)
  if had_checkpoint and '(step 0)' in ended.output:
    raise Fault('it started from step 0 in a folder with checkpoints', ended.output)
  return ended


def is_refused_output(job: Job, ended: processes.Ended) -> bool:
  """Whether a conversion was finished before: it does not replace what is there."""
  return job.name in ('convert', 'export') and 'exists; remove it' in ended.output


def refuse_traceback(output: str) -> None:
  """Raises Fault where a program printed a traceback, or more than one line that says `error:`."""
  if 'Traceback (most recent call last)' in output:
    raise Fault('a traceback', output)
  if len(re.findall('^error: ', output, re.MULTILINE)) > 1:
    raise Fault('more than one error', output)


def is_refused(ended: processes.Ended | warm.Verdict) -> bool:
  """Returns whether a program ended with an error; raises Fault where that is not one line."""
  refuse_traceback(ended.output)
  if ended.code < 0:
    raise Fault(f'signal {-ended.code}', ended.output)
  if ended.code and 'error: ' not in ended.output:
    raise Fault('there is not a line that says what is wrong', ended.output)
  return ended.code != 0
