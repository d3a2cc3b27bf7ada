"""One process a folder: a lock file with host and process, recognized when its owner is gone."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator

from tf_maskformer.errors import UserError


def _owner_lives(owner: dict) -> bool:
  """Whether the process that wrote the lock may still run; on other hosts that cannot be known."""
  if owner['host'] != socket.gethostname():
    return True
  try:
    os.kill(owner['pid'], 0)
  except ProcessLookupError:
    return False
  except PermissionError:  # somebody else's process
    return True
  return True


@contextlib.contextmanager
def held(folder: str, name: str = '.lock') -> Iterator[None]:
  """Holds the folder's lock.

  Raises:
    UserError: another process holds it.
  """
  path = os.path.join(folder, name)
  if '://' in folder:  # object stores have no exclusive creation
    yield
    return
  for _ in range(2):
    try:
      with open(path, 'x', encoding='utf-8') as file:
        json.dump({'host': socket.gethostname(), 'pid': os.getpid()}, file)
      break
    except FileExistsError as e:
      with open(path, encoding='utf-8') as file:
        text = file.read()
      owner = json.loads(text) if text else {'host': socket.gethostname(), 'pid': 2**30}
      if _owner_lives(owner):
        raise UserError(f'{folder} is in use by process {owner["pid"]} on {owner["host"]}; stop it, choose another '
                        f'--model_dir or, if it is gone, remove {path}') from e
      os.remove(path)
  try:
    yield
  finally:
    os.remove(path)
