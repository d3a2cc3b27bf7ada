"""Work in the processes of one machine."""

import concurrent.futures
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

Result = TypeVar('Result')


def run(work: Callable[..., Result], jobs: Mapping[str, tuple], processes: int
        ) -> Iterator[tuple[str, Result]]:
  """Calls a function once for each job.

  Args:
    work: a function of a module, so that it can be sent to a process.
    jobs: its arguments by the job's name.
    processes: how many at a time; 1: none but this one.

  Yields:
    (name, result) in the order in which the jobs finish.
  """
  if processes <= 1 or len(jobs) <= 1:
    for name, arguments in jobs.items():
      yield name, work(*arguments)
    return
  # Forked workers share the imported libraries instead of loading them again.
  context = multiprocessing.get_context('fork')
  with concurrent.futures.ProcessPoolExecutor(processes, context) as pool:
    waiting = {pool.submit(work, *arguments): name for name, arguments in jobs.items()}
    for done in concurrent.futures.as_completed(waiting):
      yield waiting[done], done.result()
