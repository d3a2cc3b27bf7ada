"""What a kind of faults came to: how many were tried, how many held, and what did not hold."""

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
    notes: remarks for the table, e.g. how many of how many places were tried.
  """
  tried: int = 0
  failures: list[Failure] = dataclasses.field(default_factory=list)
  notes: list[str] = dataclasses.field(default_factory=list)

  @property
  def held(self) -> int:
    """Number of cases that held."""
    return self.tried - len(self.failures)


def check_all(cases: Iterable[Case], folder: pathlib.Path, only: int | None = None,
              keep: bool = False) -> Outcome:
  """Tries cases one after the other and prints a line for each that does not hold.

  Args:
    cases: what to try.
    folder: of temporary files; each case gets an empty folder in it.
    only: number of the one case to try; None: all.
    keep: whether the folders of cases that do not hold stay.
  """
  outcome = Outcome()
  for number, case in enumerate(cases):
    if only is not None and number != only:
      continue
    own = folder / f'case-{number}'
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    start = time.monotonic()
    failure = _check(number, case, own)
    outcome.tried += 1
    taken = time.monotonic() - start
    print(f'  {number:4d}  {"FAILED" if failure else "held"}  {taken:5.1f} s  {case.name}',
          flush=True)
    if failure:
      outcome.failures.append(failure)
      print(f'        {failure.why}', flush=True)
    if not (failure and keep):
      shutil.rmtree(own, ignore_errors=True)
  return outcome


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
