"""SIGTERM and SIGINT: the first asks to stop after the step, the second ends at once."""

import signal
import types
from typing import Any

HANDLED = (signal.SIGTERM, signal.SIGINT)
_SHELL_OFFSET = 128  # a shell reports the signal that ended a process as 128 + its number


class Stop:
  """Handles the two signals while it is entered.

  Attributes:
    signal: number of the first one received, None so far.
  """

  def __init__(self) -> None:
    self.signal: int | None = None
    self._former: dict[signal.Signals, Any] = {}

  def __enter__(self) -> 'Stop':
    for one in HANDLED:
      self._former[one] = signal.signal(one, self._handle)
    return self

  def __exit__(self, *unused: object) -> None:
    for one, handler in self._former.items():
      signal.signal(one, handler)

  def _handle(self, number: int, frame: types.FrameType | None) -> None:
    del frame
    self.signal = number
    for one in HANDLED:
      signal.signal(one, signal.SIG_DFL)
    print('stopping after this step or evaluation; a second signal ends at once', flush=True)


def exit_code(number: int) -> int:
  """Returns what a shell expects of a process that the signal of that number ended: 143 or 130."""
  return _SHELL_OFFSET + number
