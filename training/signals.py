"""SIGTERM and SIGINT: the first asks to stop after the step, the second ends at once."""

import signal


class Stop:
  """Hears the two signals while it is entered.

  Attributes:
    signal: the number of the first one heard, or None.
  """

  def __init__(self):
    self.signal = None

  def _hear(self, number, frame):
    del frame
    self.signal = number
    for one in (signal.SIGTERM, signal.SIGINT):
      signal.signal(one, signal.SIG_DFL)
    print('stopping after this step; a second signal ends at once', flush=True)

  def __enter__(self) -> 'Stop':
    self._before = {one: signal.signal(one, self._hear) for one in (signal.SIGTERM, signal.SIGINT)}
    return self

  def __exit__(self, *unused) -> None:
    for one, handler in self._before.items():
      signal.signal(one, handler)

  @property
  def exit_code(self) -> int:
    """What a shell expects of a process that a signal ended: 143 or 130."""
    return 128 + self.signal
