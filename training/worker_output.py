"""What a worker that is not the chief prints: its own warnings and errors, with its number."""

import sys
from typing import TextIO

_OWN = ('warning: ', 'stopping ')  # the latter is of `signals`


class _Lines:
  """Takes what is printed, and hands on lines, some or all, with a prefix."""

  def __init__(self, stream: TextIO, prefix: str, own: tuple[str, ...]):
    """Makes the stream.

    Args:
      stream: that lines are handed on to.
      prefix: of each line.
      own: what a line must begin with, one of these; '': every line is handed on.
    """
    self._stream = stream
    self._prefix = prefix
    self._own = own
    self._rest = ''  # of a line that is not finished

  def write(self, text: str) -> int:
    """Hands on the lines that are finished."""
    *lines, self._rest = (self._rest + text).split('\n')
    for line in lines:
      if line.startswith(self._own):
        self._stream.write(f'{self._prefix}{line}\n')
    return len(text)

  def __getattr__(self, name: str):
    return getattr(self._stream, name)


def reduce_to_own(index: int) -> None:
  """From now on this process prints warnings and errors alone, each line with its worker's number.

  What TensorFlow's C++ prints is not changed.

  Args:
    index: of the worker.
  """
  prefix = f'worker {index}: '
  sys.stdout = _Lines(sys.stdout, prefix, _OWN)
  sys.stderr = _Lines(sys.stderr, prefix, ('',))
