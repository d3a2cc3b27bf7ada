"""What a kind of faults came to: how many were tried, how many held, and what did not hold."""

import concurrent.futures
import dataclasses
import pathlib
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterable

_LAST_LINES = 12  # of a program's output that are shown


class Fault(Exception):
  """What was promised did not hold."""

  def __init__(self, why: str, output: str = ''):
    """Takes the reason and the output of the program that it was seen in."""
    super().__init__(why)
    self.lines = output.splitlines()[-_LAST_LINES:]


@dataclasses.dataclass(frozen=True)
class Case:
  """One thing to try.

  Attributes:
    name: what is done, in words.
    check: called with an empty folder of its own; raises `Fault` where something did not hold.
  """
  name: str
  check: Callable[[pathlib.Path], None]


@dataclasses.dataclass
class Failure:
  """A case that did not hold.

  Attributes:
    number: of the case, from 0.
    name: what was done.
    why: what did not hold.
    lines: the last ones of the program's output.
  """
  number: int
  name: str
  why: str
  lines: list[str]


@dataclasses.dataclass
class Outcome:
  """What a kind came to.

  Attributes:
    tried: number of cases.
    failures: those that did not hold.
  """
  tried: int = 0
  failures: list[Failure] = dataclasses.field(default_factory=list)

  @property
  def held(self) -> int:
    """Number of cases that held."""
    return self.tried - len(self.failures)


def check_all(cases: Iterable[Case], folder: pathlib.Path, only: int | None = None,
              keep: bool = False, jobs: int = 1) -> Outcome:
  """Tries cases and prints a line for each as it ends.

  Args:
    cases: what to try.
    folder: of temporary files; each case gets an empty folder in it.
    only: number of the one case to try; None: all.
    keep: whether the folders of cases that do not hold stay.
    jobs: how many are tried at a time.
  """
  chosen = [(i, case) for i, case in enumerate(cases) if only is None or i == only]
  outcome = Outcome()
  with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
    waiting = [pool.submit(_check_in, folder / f'case-{i}', i, case, keep) for i, case in chosen]
    for done in concurrent.futures.as_completed(waiting):
      failure = done.result()
      outcome.tried += 1
      if failure:
        outcome.failures.append(failure)
  outcome.failures.sort(key=lambda failure: failure.number)
  return outcome


def _check_in(folder: pathlib.Path, number: int, case: Case, keep: bool) -> Failure | None:
  """Tries a case in a folder that is made for it, prints a line, and returns what did not hold."""
  shutil.rmtree(folder, ignore_errors=True)
  folder.mkdir(parents=True)
  start = time.monotonic()
  failure = _check(number, case, folder)
  taken = time.monotonic() - start
  word = 'FAILED' if failure else 'held'
  why = f'\n        {failure.why}' if failure else ''
  print(f'  {number:4d}  {word:6}  {taken:5.1f} s  {case.name}{why}', flush=True)
  if not (failure and keep):
    shutil.rmtree(folder, ignore_errors=True)
  return failure


def _check(number: int, case: Case, folder: pathlib.Path) -> Failure | None:
  try:
    case.check(folder)
  except Fault as fault:
    return Failure(number, case.name, str(fault), fault.lines)
  except Exception as error:  # pylint: disable=broad-except
    # What the campaign itself trips over is shown, too: most often a file that is not what it was.
    traceback.print_exc(file=sys.stdout)
    lines = traceback.format_exc().splitlines()[-_LAST_LINES:]
    return Failure(number, case.name, f'the check itself failed: {error!r}', lines)
  return None
