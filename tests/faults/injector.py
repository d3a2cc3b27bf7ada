"""Makes the n-th call of a program that changes a file fail, or kills the program there.

`injector.c` says how; here it is compiled, and its environment is made.
"""

import dataclasses
import pathlib
import re
import shutil
import subprocess

_SOURCE = pathlib.Path(__file__).with_name('injector.c')
ACTIONS = ('full', 'once', 'kill_before', 'kill_after')


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
  """The compiled injector; one object serves any number of programs, one after the other."""

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
        [compiler, '-O1', '-Wall', '-Werror', '-shared', '-fPIC',
         '-o', self._library, _SOURCE, '-ldl'], check=True)

  def environment(self, watched: pathlib.Path, action: str = 'full', at: int = 0
                  ) -> dict[str, str]:
    """Returns the variables by which a program meets the fault; its counter starts from 0.

    Args:
      watched: folder whose files count.
      action: one of ACTIONS.
      at: number of the call; 0: calls are only logged, see `calls`.
    """
    state = self._folder / 'state'
    state.write_bytes(bytes(8))
    log = self._folder / 'log'
    log.unlink(missing_ok=True)
    self._watched = watched
    return {
        'LD_PRELOAD': str(self._library), 'FAULT_PREFIX': str(watched), 'FAULT_STATE': str(state),
        'FAULT_LOG': str(log), 'FAULT_AT': str(at), 'FAULT_ACTION': action}

  def calls(self) -> list[Call]:
    """Returns the calls of the program that had the latest `environment`."""
    log = self._folder / 'log'
    if not log.exists():
      return []
    calls = []
    for line in log.read_text(errors='replace').splitlines():
      number, name, path = line.split(' ', 2)
      relative = path.removeprefix(str(self._watched)).lstrip('/')
      calls.append(Call(int(number), name, relative))
    return calls
