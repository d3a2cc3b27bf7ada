"""How much a server accepts, and how it refuses the rest."""

import contextlib
import dataclasses
from collections.abc import Iterator

from tf_maskformer import errors


@dataclasses.dataclass(frozen=True)
class Limits:
  """Bounds of what a server accepts.

  Attributes:
    requests: images that may be accepted and not answered yet; more are refused.
    body_bytes: of a request.
    upload_seconds: that a request's body may take to arrive.
    answer_seconds: that an answer may take once the body is there.
  """
  requests: int = 64
  body_bytes: int = 20 * 2**20
  upload_seconds: float = 30.0
  answer_seconds: float = 120.0


class Refused(Exception):
  """A request is not answered; the text says why, in one printable line.

  Attributes:
    status: of HTTP, 400 or more.
    retry_after: seconds after which the client may try again; None: that would not help.
  """

  def __init__(self, status: int, message: str, retry_after: int | None = None):
    super().__init__(errors.one_line(message))
    self.status = status
    self.retry_after = retry_after


class Seats:
  """Counts the requests that are accepted and not answered yet. Used by one thread alone.

  Attributes:
    taken: as many are.
  """

  def __init__(self, limit: int):
    self.taken = 0
    self._limit = limit

  @contextlib.contextmanager
  def one(self, retry_after: int) -> Iterator[None]:
    """Takes a seat for the block.

    Args:
      retry_after: seconds until it is worth trying again.

    Raises:
      Refused: all are taken.
    """
    if self.taken >= self._limit:
      raise Refused(
          503, f'the server is busy with {self.taken} requests; try again in {retry_after} s',
          retry_after)
    self.taken += 1
    try:
      yield
    finally:
      self.taken -= 1
