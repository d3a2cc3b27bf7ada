"""Makes the n-th call of a program that changes a file fail, or kills the program there.

`injector.c` says how; here it is compiled, and its environment is made.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

_SOURCE = pathlib.Path(__file__).with_name('injector.c')
ACTIONS = ('full', 'once', 'read_only', 'kill_before', 'kill_after')


@dataclasses.dataclass(frozen=True)
class Call:
  """A call that changes a file.

  Attributes:
    number: in the order of the program's calls, from 1.
    name: of the function, e.g. 'rename'.
    path: of the file, relative to the watched folder.
  """
  number: int
  name: str
  path: str

  @property
  def kind(self) -> tuple[str, str]:
    """What calls of the same place in the program have in common: numbers in names do not count."""
    return self.name, re.sub(r'[0-9a-f]{8,}|\d+', '#', self.path)


class Injector:
  """The compiled injector."""

  def __init__(self, folder: pathlib.Path):
    """Compiles it into a folder.

    Raises:
      SystemExit: there is not a C compiler.
    """
    compiler = shutil.which('cc') or shutil.which('gcc')
    if not compiler:
      raise SystemExit('the campaign needs a C compiler (cc or gcc) for its injector')
    self._folder = folder
    self._library = folder / 'injector.so'
    subprocess.run(
        [compiler, '-O1', '-Wall', '-Werror', '-shared', '-fPIC', '-o', self._library, _SOURCE,
         '-ldl'], check=True)

  def environment(self, watched: pathlib.Path, action: str = 'full', at: int = 0,
                  log: pathlib.Path | None = None) -> dict[str, str]:
    """Returns the variables by which one program meets the fault; its counter starts from 0.

    Args:
      watched: folder whose files count.
      action: one of ACTIONS.
      at: number of the call; 0: none.
      log: a file for `calls`.
    """
    state, path = tempfile.mkstemp(dir=self._folder)
    os.write(state, bytes(8))
    os.close(state)
    variables = {
        'LD_PRELOAD': str(self._library), 'FAULT_PREFIX': str(watched), 'FAULT_STATE': path,
        'FAULT_AT': str(at), 'FAULT_ACTION': action}
    return {**variables, 'FAULT_LOG': str(log)} if log else variables


def calls(log: pathlib.Path, watched: pathlib.Path) -> list[Call]:
  """Returns the calls that a program logged, in their order."""
  found = []
  for line in log.read_text(errors='replace').splitlines():
    number, name, path = line.split(' ', 2)
    found.append(Call(int(number), name, path.removeprefix(str(watched)).lstrip('/')))
  return found
