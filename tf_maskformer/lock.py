"""One process per folder: a lock file under `flock`, which the system releases with its process.

Host and process are written into the file for the message alone; what else is in it, and a file
that a killed process left, are no obstacle.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import stat
from collections.abc import Iterator

from tf_maskformer import errors

_LONGEST = 4096  # bytes read of a lock file
_TRIES = 100  # each is lost to a process that released the lock in that moment
_NOT_SUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # by some network folders
_open_files: dict[int, str] = {}  # the locks that this process holds: descriptor, path


@contextlib.contextmanager
def held(folder: str | os.PathLike, name: str = '.lock') -> Iterator[None]:
  """Holds the folder's lock; it ends with the block, or with the process, however that ends.

  Not locked are remote folders (gs://…), which have no locks, and, with a warning, network folders
  whose server has none. Of processes on several hosts the lock lets one in where the network file
  system passes `flock` on to its server, as NFS does.

  Args:
    folder: exists.
    name: of the lock file.

  Raises:
    UserError: another process holds it, or the lock file cannot be made.
  """
  folder = os.fspath(folder)
  if '://' in folder:
    yield
    return
  path = os.path.join(folder, name)
  process = os.getpid()
  descriptor = _acquire(folder, path)
  _open_files[descriptor] = path
  try:
    yield
  finally:
    if os.getpid() == process:  # not in a child, whose copy `_close_inherited` has closed
      _release(descriptor, path)


def is_lost(folder: str | os.PathLike) -> bool:
  """Whether a folder that this process has locked was removed, moved or made again since."""
  folder = os.fspath(folder)
  return any(
      os.path.dirname(path) == folder and not _is_at(descriptor, path)
      for descriptor, path in _open_files.items())


def _acquire(folder: str, path: str) -> int:
  """Returns the descriptor of the lock file, locked; raises UserError."""
  for _ in range(_TRIES):
    descriptor = _open(folder, path)
    try:
      if _is_locked_now(descriptor, folder, path):
        _write_owner(descriptor)
        return descriptor
    except BaseException:
      os.close(descriptor)
      raise
    os.close(descriptor)
  raise errors.UserError(
      f'{folder} cannot be locked ({path} is replaced again and again); choose another folder')


def _open(folder: str, path: str) -> int:
  """Opens the lock file, which is made if needed; raises UserError."""
  flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
  try:
    descriptor = os.open(path, flags, 0o666)
  except (OSError, ValueError) as e:  # ValueError: a NUL in the path
    if os.path.islink(path):
      raise errors.UserError(
          f'{folder} cannot be locked ({path} is a symbolic link); remove that') from e
    raise errors.UserError(
        f'{folder} cannot be locked ({path}: {errors.reason(e)}); make it writable, remove what is '
        'in the place of the lock file, or choose another folder') from e
  status = os.fstat(descriptor)
  if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
    os.close(descriptor)
    raise errors.UserError(
        f'{folder} cannot be locked ({path} is not a file of its own); remove that')
  return descriptor


def _is_locked_now(descriptor: int, folder: str, path: str) -> bool:
  """Locks the file; returns whether it still is the folder's lock file, else it is opened again.

  Raises:
    UserError: another process holds the lock.
  """
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError as e:
    if e.errno in _NOT_SUPPORTED:
      errors.warn(
          f'{folder} is on a file system without locks ({errors.reason(e)}); take care that only '
          'one process uses it')
      return True
    if not isinstance(e, BlockingIOError):
      raise errors.UserError(
          f'{folder} cannot be locked ({errors.reason(e)}); choose another folder') from e
    if not _is_at(descriptor, path):
      return False
    raise errors.UserError(
        f'{folder} is in use by {_owner(descriptor)}; stop it or choose another folder') from e
  return _is_at(descriptor, path)


def _is_at(descriptor: int, path: str) -> bool:
  """Whether an open file is the one at the path; its holder removes it."""
  try:
    there = os.stat(path, follow_symlinks=False)
  except (FileNotFoundError, NotADirectoryError):
    return False
  return os.path.samestat(os.fstat(descriptor), there)


def _write_owner(descriptor: int) -> None:
  """Writes this process into the lock file; on a full disk nobody is told who holds it."""
  owner = json.dumps({'host': socket.gethostname(), 'pid': os.getpid()})
  with contextlib.suppress(OSError):
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, owner.encode(), 0)


def _owner(descriptor: int) -> str:
  """Returns who holds the lock, for a message; whatever is in the file."""
  try:
    owner = json.loads(os.pread(descriptor, _LONGEST, 0))
    return f'process {int(owner["pid"])} on {errors.quoted(owner["host"])}'
  except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
    return 'another process'  # it has not written its name yet, or could not


def _release(descriptor: int, path: str) -> None:
  """Removes the lock file, if it is still there, and lets the next process in."""
  _open_files.pop(descriptor, None)
  with contextlib.suppress(OSError):  # one that stays is no obstacle
    if _is_at(descriptor, path):
      os.remove(path)
  os.close(descriptor)


def _close_inherited() -> None:
  """Closes a forked child's copies, by which it would hold the locks of a parent that is gone."""
  for descriptor in _open_files:
    os.close(descriptor)
  _open_files.clear()


os.register_at_fork(after_in_child=_close_inherited)
