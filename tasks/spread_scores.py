"""Scores of an evaluation whose images are spread over several workers."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent import futures

from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.errors import UserError
from tf_maskformer.tasks import wire
from tf_maskformer.tasks.merging import Place
from tf_maskformer.tasks.scores import Scores
from tf_maskformer.tasks.sums import Counted

_STEPS = 32  # of the network between two exchanges
_CHIEF = 0
# What a message starts with.
_DATA = b'd'
_FAILURE = b'f'

Gather = Callable[[bytes], list[bytes]]


class SpreadScores(Scores):
  """Scores of all workers' images; every worker calls the same methods and has the same result.

  Each worker answers its own images. Every 32 steps all send what their images add to the chief,
  which adds it up in the order of the records: what one process adds up, to the last digit. At the
  end the chief sends the result to all.

  A worker that fails waits for the next exchange and tells the others, so that none waits for it.
  """

  def __init__(self, evaluation: Evaluation, data_set: DataSet, truth: GroundTruth, place: Place,
               gather: Gather):
    """Starts with nothing seen.

    Args:
      evaluation: what is scored.
      data_set: its classes and rules.
      truth: of the images of all workers.
      place: which of the workers this is.
      gather: returns the payload of every worker, by index; waits for all of them.
    """
    super().__init__(evaluation, data_set, truth)
    self._place = place
    self._gather = gather
    self._positions = {one: k for k, one in enumerate(truth.example_ids)}
    self._own: list[Counted] = []  # since the last exchange
    self._steps = 0
    self._failure: Exception | None = None
    self._adder = futures.ThreadPoolExecutor(1, thread_name_prefix='add')
    self._added: futures.Future | None = None

  def add(self, output):
    """See `Scores`; what is raised is raised by all workers, at the end of a later step."""
    if self._failure is not None:
      return
    with self._until_exchange():
      super().add(output)

  def end_step(self):
    """See `Scores`.

    Raises:
      UserError: a worker failed; `add` says why.
    """
    self._steps += 1
    if self._steps % _STEPS == 0:
      self._exchange_images()

  def result(self):
    """See `Scores`."""
    self._exchange_images()
    message = b''
    if self._place.index == _CHIEF:
      with self._until_exchange():
        self._wait_for_sums()
        message = wire.pack_result(self._sums.result())
    return wire.unpack_result(self._exchange(message)[_CHIEF])

  def _take(self, counted):
    """See `Scores`."""
    self._own.append(counted)

  @contextlib.contextmanager
  def _until_exchange(self) -> Iterator[None]:
    """Keeps what fails in the block for the next exchange."""
    try:
      yield
    except Exception as error:  # raised again in `_exchange`
      self._failure = self._failure or error

  def _exchange_images(self) -> None:
    """Sends this worker's images; the chief begins to add those of all."""
    message = b''
    with self._until_exchange():
      self._work.wait()
      self._wait_for_sums()
      message = wire.pack_images(self._own)
    self._own = []
    messages = self._exchange(message)
    if self._place.index == _CHIEF:
      self._added = self._adder.submit(self._add_all, messages)

  def _wait_for_sums(self) -> None:
    if self._added is not None:
      self._added.result()

  def _add_all(self, messages: list[bytes]) -> None:
    """Adds the images of all workers in the order of their records."""
    images = []
    for worker, message in enumerate(messages):
      for counted in wire.unpack_images(message):
        if counted.example_id not in self._positions:
          raise UserError(
              f'worker {worker} scored an image that the validation records of worker {_CHIEF} do '
              'not hold; give all workers the same records')
        images.append(counted)
    for counted in sorted(images, key=lambda one: self._positions[one.example_id]):
      self._sums.add(counted)

  def _exchange(self, message: bytes) -> list[bytes]:
    """Returns the messages of all workers.

    Raises:
      UserError: a worker failed.
      Exception: this worker failed in a way that is not the user's.
    """
    if self._failure is None:
      own = _DATA + message
    else:
      own = _FAILURE + _reason(self._failure).encode()
    received = self._gather(own)
    for worker, one in enumerate(received):
      if one.startswith(_FAILURE):
        self._close()
        if self._failure is not None and not isinstance(self._failure, UserError):
          raise self._failure
        raise UserError(f'worker {worker}: {one.removeprefix(_FAILURE).decode()}')
    return [one.removeprefix(_DATA) for one in received]

  def _close(self) -> None:
    self._work.close()
    self._adder.shutdown(wait=False, cancel_futures=True)


def _reason(failure: Exception) -> str:
  return str(failure) if isinstance(failure, UserError) else f'{type(failure).__name__}: {failure}'
