"""Work on a runner of Apache Beam: one element per shard, so that workers need no other's result."""

import contextlib
import functools
import logging
import threading
from collections.abc import Generator, Iterator
from typing import Any

from tf_maskformer import errors
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.preparation import exchange
from tf_maskformer.dataloaders.preparation import manifest
from tf_maskformer.dataloaders.preparation import runners
from tf_maskformer.dataloaders.preparation.exchange import Exchange
from tf_maskformer.dataloaders.preparation.manifest import ShardReport
from tf_maskformer.dataloaders.preparation.runners import Runner
from tf_maskformer.dataloaders.preparation.source import Source

_PAUSE = 0.5  # seconds between two looks for finished shards; of a remote folder `_REMOTE_PAUSE`
_REMOTE_PAUSE = 10.0
_LAST_WAIT = 20.0  # seconds for a job that was ended


def run(runner: Runner, files_of_job: Exchange, parts: dict[str, list[dict[str, Any]]],
        source: Source) -> Generator[tuple[str, ShardReport], None, None]:
  """Makes shards; the counterpart of `local.run`.

  Where the generator is closed early, the job is ended; what it finished stays in the exchange.

  Args:
    runner: what makes them.
    files_of_job: how the workers are reached.
    parts: rows by the shard's name, at least one.
    source: of the rows.

  Yields:
    (name, report) in the order in which shards are found to be finished.

  Raises:
    UserError: a worker had it, or the job failed; the other shards are finished.
    RuntimeError: a worker raised something else; the text is its trace.
  """
  files_of_job.put(parts)
  waiting = set(parts)
  pause = _REMOTE_PAUSE if '://' in files_of_job.folder else _PAUSE
  with _quiet(runner), contextlib.closing(_Job(runner, files_of_job, source, list(parts))) as job:
    is_over = False
    while waiting and not is_over:
      is_over = job.wait(pause)
      for name, report in files_of_job.reports(waiting).items():
        waiting.discard(name)
        yield name, report
    job.wait(None)
    if waiting:
      raise errors.UserError(_what_failed(job, len(parts), len(waiting)))


def _what_failed(job: '_Job', total: int, missing: int) -> str:
  """Returns the message where a job ended without having made every shard."""
  why = 'its workers wrote nothing; do they see the same folder?' if missing == total else ''
  if job.error is not None:
    text = str(job.error).strip() or type(job.error).__name__
    why = errors.quoted(text.splitlines()[-1])
  elif job.state != 'DONE':
    why = f'it is {job.state}'
  return (f'the job of {job.runner.name} ended without {missing} of {total} shards'
          f'{f" ({why})" if why else ""}; {manifest.ADVICE}')


class _Job:
  """A running pipeline.

  It runs in a thread: runners differ in whether they return before the end, and a thread that
  waits for a server does not heed Ctrl-C.

  Attributes:
    runner: that it runs on.
    error: why it could not be run, once it is over.
    state: Beam's word for how it ended; '' before.
  """

  def __init__(self, runner: Runner, files_of_job: Exchange, source: Source, names: list[str]):
    """Starts the pipeline; raises UserError where Beam does not accept the options."""
    self.runner = runner
    self.error: Exception | None = None
    self.state = ''
    self._result: Any = None
    self._files = files_of_job
    self._pipeline = _pipeline(runner, files_of_job.folder, source, names)
    self._thread = threading.Thread(target=self._run, daemon=True)
    self._thread.start()

  def wait(self, seconds: float | None) -> bool:
    """Waits for the end, at most so long; returns whether it is over."""
    self._thread.join(seconds)
    return not self._thread.is_alive()

  def close(self) -> None:
    """Ends the job, if it is not over."""
    if not self._thread.is_alive():
      return
    self._files.end()
    if self._result is not None:
      with contextlib.suppress(Exception):  # not every runner can; its workers stop by themselves
        self._result.cancel()
    self._thread.join(_LAST_WAIT)

  def _run(self) -> None:
    try:
      self._result = self._pipeline.run()
      self.state = str(self._result.wait_until_finish())
    except Exception as e:  # pylint: disable=broad-except
      self.error = e


def _pipeline(runner: Runner, folder: str, source: Source, names: list[str]) -> Any:
  """Returns a pipeline with an element per shard."""
  beam = runners.beam()
  from apache_beam.options import pipeline_options
  options = pipeline_options.PipelineOptions(runner.flags())
  try:
    engine = _engine(runner)
    pipeline = beam.Pipeline(runner=engine, options=options)
  except (ImportError, ValueError) as e:
    raise errors.UserError(f'{runner.name} cannot be used: {errors.quoted(e)}') from e
  work = functools.partial(
      exchange.make, folder=folder, source=source, max_pixels=images.max_pixels())
  # Without the reshuffle one worker would make all shards.
  _ = (pipeline | 'Shards' >> beam.Create(names, reshuffle=False)
       | 'Spread' >> beam.Reshuffle() | 'Convert' >> beam.Map(work))
  return pipeline


def _engine(runner: Runner) -> Any:
  """Returns what `beam.Pipeline` calls a runner.

  Beam's DirectRunner first tries to fetch a server, Prism, from the internet, and works without it;
  here it is not asked for unless it is named.
  """
  if runner.name != 'DirectRunner':
    return runner.name
  from apache_beam.runners.portability.fn_api_runner import fn_runner
  return fn_runner.FnApiRunner()


@contextlib.contextmanager
def _quiet(runner: Runner) -> Iterator[None]:
  """Keeps Beam's log off the screen: what fails is said in one line."""
  log = logging.getLogger('apache_beam')
  former = log.level
  if not runner.debug:
    log.setLevel(logging.CRITICAL)
  try:
    yield
  finally:
    log.setLevel(former)
