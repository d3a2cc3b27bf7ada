"""Generated settings, records and annotations: what their generators make, a process for each case.

`settings` and `records` say what is made and what must hold.
"""

import functools
import itertools
import json
import pathlib
import random
import tempfile
import threading
from collections.abc import Iterator

from tests.faults import records
from tests.faults import settings
from tests.faults import small_runs
from tests.faults import warm
from tests.faults.jobs import World
from tests.faults.outcome import Case
from tests.faults.outcome import Fault

_TOGETHER = 25  # cases of records in one process: its graphs take seconds to build
_one_batch_at_a_time = threading.Lock()
_NAMES = ('maskformer_shapes_panoptic', 'mask2former_shapes_panoptic')
_MOST_CHOICES = 1000  # until settings are found that are accepted


def settings_cases(seed: int, count: int, world: World) -> Iterator[Case]:
  """Yields hostile and odd settings; each is accepted or refused before anything is built."""
  for number, case in enumerate(settings.generate(seed, count)):
    yield Case(case.kind, functools.partial(_check, 'check_settings', seed, number, world))


def records_cases(seed: int, count: int, world: World) -> Iterator[Case]:
  """Yields damaged and hostile records and annotations."""
  for number, case in enumerate(records.generate(seed, count)):
    yield Case(case.kind, functools.partial(_check_record, seed, number, count, world))


def accepted_cases(seed: int, count: int, world: World) -> Iterator[Case]:
  """Yields accepted odd settings of small models, which are trained for two steps."""
  inputs = ','.join(
      f"task.{field}_data.input_path='{world.records}/{split}*'"
      for field, split in (('train', 'train'), ('validation', 'val')))
  for number in range(count):
    chance = random.Random(f'accepted {seed} {number}')
    for _ in range(_MOST_CHOICES):
      name = chance.choice(_NAMES)
      changes = small_runs.changes(chance, name)
      argv = [f'--experiment={name}']
      argv += [f'--params_override={text}' for text in (small_runs.BASE, inputs, changes)]
      if small_runs.is_accepted(argv):
        yield Case(f'{name} {changes}', functools.partial(_check_run, argv))
        break


def _check(task: str, seed: int, number: int, world: World, folder: pathlib.Path) -> None:
  verdict = world.warm.call(f'{__name__}:{task}', str(seed), str(number), str(folder))
  if verdict.code:
    ended = f'signal {-verdict.code}' if verdict.code < 0 else 'it did not hold'
    raise Fault(ended, verdict.output)


def check_settings(seed: str, number: str, folder: str) -> None:
  """A task of `warm`: checks a case of `settings`."""
  case = list(settings.generate(int(seed), int(number) + 1))[-1]
  settings.check(case, pathlib.Path(folder))


def _check_record(seed: int, number: int, count: int, world: World, folder: pathlib.Path) -> None:
  first = number - number % _TOGETHER
  last = min(first + _TOGETHER, count)
  with _one_batch_at_a_time:
    verdict = _checked_together(seed, first, last, world)
  if verdict.code:  # one of them ended the process: each alone
    verdict = world.warm.call(
        f'{__name__}:check_records', str(seed), str(number), str(number + 1), str(folder))
    if verdict.code:
      raise Fault(f'exit code or signal {verdict.code}', verdict.output)
  problem = json.loads(verdict.output.splitlines()[-1]).get(str(number))
  if problem:
    raise Fault(problem, verdict.output)


@functools.cache
def _checked_together(seed: int, first: int, last: int, world: World) -> warm.Verdict:
  """Checks several cases in one process, which builds its graphs once."""
  with tempfile.TemporaryDirectory(dir=world.folder) as folder:
    return world.warm.call(
        f'{__name__}:check_records', str(seed), str(first), str(last), folder, seconds=300)


def check_records(seed: str, first: str, last: str, folder: str) -> None:
  """A task of `warm`: checks cases of `records`; prints JSON, what is wrong by number."""
  problems = {}
  cases = enumerate(records.generate(int(seed), int(last)))
  for number, case in itertools.islice(cases, int(first), None):
    own = pathlib.Path(folder, f'record-{number}')
    own.mkdir()
    problems[number] = records.check(case, own)
  print(json.dumps(problems))


def _check_run(argv: list[str], folder: pathlib.Path) -> None:
  problem = small_runs.run(argv, folder / 'run')
  if problem:
    raise Fault('two steps with accepted settings did not end well', problem)
