"""Logits of the last images, for answers at other thresholds without running the network."""

import collections
import dataclasses
import secrets
import threading
from collections.abc import Mapping

import numpy as np

_TOKEN_BYTES = 16  # nobody guesses a token of that length


@dataclasses.dataclass(frozen=True, eq=False)
class Kept:
  """What an image's answer is made from.

  Attributes:
    image: uint8 [height, width, 3].
    logits: of `serving.export.road.Road.logits`, arrays float32.
    sizes: int32 [2] each, of the padded image, the resized one and the image itself.
  """
  image: np.ndarray
  logits: Mapping[str, np.ndarray]
  sizes: tuple[np.ndarray, ...]

  @property
  def num_bytes(self) -> int:
    """Memory that it takes."""
    return self.image.nbytes + sum(value.nbytes for value in self.logits.values())


class Store:
  """Holds the last images, by tokens, as long as they fit into so many bytes. Threads may share it.
  """

  def __init__(self, max_bytes: int):
    self._max_bytes = max_bytes
    self._num_bytes = 0
    self._of_token: collections.OrderedDict[str, Kept] = collections.OrderedDict()
    self._lock = threading.Lock()

  def put(self, kept: Kept) -> str:
    """Keeps an image, instead of those that were not used for longest; returns its token."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    with self._lock:
      self._of_token[token] = kept
      self._num_bytes += kept.num_bytes
      while self._num_bytes > self._max_bytes and len(self._of_token) > 1:
        _, oldest = self._of_token.popitem(last=False)
        self._num_bytes -= oldest.num_bytes
    return token

  def get(self, token: str) -> Kept | None:
    """Returns what has that token; None where it is no longer kept."""
    with self._lock:
      if token not in self._of_token:
        return None
      self._of_token.move_to_end(token)
      return self._of_token[token]
