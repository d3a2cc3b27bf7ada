"""Work on a runner of Apache Beam: one element per shard, so that no worker waits for another."""

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
_LOG_LEVEL = 'default_sdk_harness_log_level'
_WORKER_THREAD = 'run_worker'  # Beam's name of the threads that wait for worker processes
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
    error: why it could not be run to its end, once it is over.
    state: Beam's word for how it ended; '' before.
  """

  def __init__(self, runner: Runner, files_of_job: Exchange, source: Source, names: list[str]):
    """Starts the pipeline; raises UserError where Beam does not accept the options."""
    self.runner = runner
    self.error: BaseException | None = None
    self.state = ''
    self._files = files_of_job
    self._result: Any = None
    self._is_over = threading.Event()  # `Thread.join` takes a signal for the thread's end
    self._pipeline = _pipeline(runner, files_of_job.folder, source, names)
    self._former_hook = threading.excepthook
    threading.excepthook = self._note_dead_worker
    threading.Thread(target=self._run, daemon=True).start()

  def wait(self, seconds: float | None) -> bool:
    """Waits for the end, at most so long; returns whether it is over."""
    return self._is_over.wait(seconds)

  def close(self) -> None:
    """Ends the job, if it is not over."""
    self._files.end()
    if not self._is_over.is_set():
      if self._result is not None:
        with contextlib.suppress(Exception):  # not every runner can; its workers stop by themselves
          self._result.cancel()
      self._is_over.wait(_LAST_WAIT)
    threading.excepthook = self._former_hook

  def _run(self) -> None:
    try:
      self._result = self._pipeline.run()
      self.state = str(self._result.wait_until_finish())
    except Exception as e:  # pylint: disable=broad-except
      self.error = e
    finally:
      self._is_over.set()

  def _note_dead_worker(self, hook: threading.ExceptHookArgs) -> None:
    """Ends the wait where a worker process of this machine died; Beam would wait for it forever."""
    if hook.thread is None or hook.thread.name != _WORKER_THREAD:
      self._former_hook(hook)
    elif not self._is_over.is_set():
      self.error = hook.exc_value
      self._is_over.set()


def _pipeline(runner: Runner, folder: str, source: Source, names: list[str]) -> Any:
  """Returns a pipeline with an element per shard."""
  beam = runners.beam()
  from apache_beam.options import pipeline_options
  options = pipeline_options.PipelineOptions(_flags(runner))
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

  Beam's DirectRunner first tries to fetch a server, Prism, from the internet, and works without it,
  which is what it does where someone works interactively. Here Prism has to be named.
  """
  if runner.name != 'DirectRunner':
    return runner.name
  from apache_beam.runners.direct import direct_runner
  engine = direct_runner.DirectRunner()
  engine.is_interactive()
  return engine


def _flags(runner: Runner) -> list[str]:
  """Returns the options as Beam parses them; worker processes of this machine are kept quiet."""
  is_set = any(option.startswith(_LOG_LEVEL) for option in runner.options)
  if runner.name != 'DirectRunner' or runner.debug or is_set:
    return runner.flags()
  return [*runner.flags(), f'--{_LOG_LEVEL}=CRITICAL']


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
