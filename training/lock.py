"""One process per folder: a lock file with host and process, recognized when its owner is gone."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator

from tf_maskformer.errors import UserError

_NO_PROCESS = 2**30  # above every process id of Linux, which ends at 2**22


@contextlib.contextmanager
def held(folder: str, name: str = '.lock') -> Iterator[None]:
  """Holds the folder's lock.

  Args:
    folder: exists; a remote one is not locked, since object stores cannot create exclusively.
    name: of the lock file.

  Raises:
    UserError: another process holds it.
  """
  if '://' in folder:
    yield
    return
  path = os.path.join(folder, name)
  if os.path.exists(path) and not _may_run(_owner(path)):
    os.remove(path)
  try:
    _create(path)
  except FileExistsError as e:
    owner = _owner(path)
    raise UserError(
        f'{folder} is in use by process {owner["pid"]} on {owner["host"]}; stop it, choose '
        f'another --model_dir or, if it is gone, remove {path}') from e
  try:
    yield
  finally:
    os.remove(path)


def _create(path: str) -> None:
  """Creates the lock file with this process as its owner; raises where it exists."""
  with open(path, 'x', encoding='utf-8') as file:
    json.dump({'host': socket.gethostname(), 'pid': os.getpid()}, file)


def _owner(path: str) -> dict:
  """Returns host and process of a lock file; of an empty one, a process that does not exist."""
  with open(path, encoding='utf-8') as file:
    text = file.read()
  return json.loads(text) if text else {'host': socket.gethostname(), 'pid': _NO_PROCESS}


def _may_run(owner: dict) -> bool:
  """Whether the process that wrote the lock may still run; on other hosts that cannot be known."""
  if owner['host'] != socket.gethostname():
    return True
  try:
    os.kill(owner['pid'], 0)
  except ProcessLookupError:
    return False
  except PermissionError:  # another user's process
    return True
  return True
