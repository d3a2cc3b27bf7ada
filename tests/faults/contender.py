"""Processes that start at once and want the same lock; only one may have it at a time.

    python -m tests.faults.contender FOLDER 6

Imports nothing but the lock. Each of the processes, once it is in, makes a file that must not be
there and removes it again. Prints what became of them, as JSON: how many got in, were refused, or
ended otherwise.
"""

import collections
import json
import os
import sys
import time
import traceback

from tf_maskformer import lock
from tf_maskformer.errors import UserError

_IN = 0
_REFUSED = 3
_WRONG = 1
_HELD = 0.01  # seconds
_WORDS = {_IN: 'in', _REFUSED: 'refused'}


def _contend(folder: str, go: int) -> int:
  """Waits for the start, then tries the lock; returns the exit code."""
  os.read(go, 1)
  try:
    with lock.held(folder):
      marker = os.path.join(folder, 'inside')
      os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
      time.sleep(_HELD)
      os.remove(marker)
  except UserError as error:
    if 'is in use by' in str(error):
      return _REFUSED
    traceback.print_exc()
    return _WRONG
  except BaseException:  # pylint: disable=broad-except
    traceback.print_exc()
    return _WRONG
  return _IN


def main(folder: str, count: int) -> None:
  """Starts the processes, waits for all, and prints how they ended."""
  read, write = os.pipe()
  children = []
  for _ in range(count):
    child = os.fork()
    if not child:
      os.close(write)
      os._exit(_contend(folder, read))  # pylint: disable=protected-access
    children.append(child)
  os.close(write)  # the end of the pipe: all of them start
  codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
  words = collections.Counter(_WORDS.get(code, 'wrong') for code in codes)
  print(json.dumps({word: words[word] for word in ('in', 'refused', 'wrong')}))


if __name__ == '__main__':
  main(sys.argv[1], int(sys.argv[2]))
