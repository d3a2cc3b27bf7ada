"""The folder that a program writes into: made if needed, used by it alone, free of strays."""

import contextlib
import os
from collections.abc import Iterator, Sequence

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer import lock


def check(path: str | os.PathLike, flag: str = '--output') -> None:
  """Raises UserError for a path that nothing can be written to, whatever the permissions.

  Args:
    path: local or remote, of a file or folder that need not exist.
    flag: that named it.
  """
  if not os.fspath(path):
    raise errors.UserError(f'{flag} is empty; name a path')
  try:
    os.lstat(path)
  except (FileNotFoundError, NotADirectoryError):
    return  # it can be made, or why not is said where that is tried
  except (OSError, ValueError, UnicodeError) as e:  # ValueError: a NUL
    raise errors.UserError(
        f'{flag} {errors.quoted(path)} is not possible ({errors.reason(e)}); name another') from e


@contextlib.contextmanager
def opened(folder: str | os.PathLike, advice: str, parts: Sequence[str] = ('',)) -> Iterator[None]:
  """Makes a folder and holds its lock; what a killed process left unfinished in it is removed.

  A new folder that is still empty in the end, after a mistake, is removed.

  Args:
    folder: local, or remote (gs://…), which is not locked.
    advice: what is safe and what to do where the file system refuses.
    parts: its folders in which unfinished files are looked for.

  Raises:
    UserError: it cannot be made or written, is not a directory, or another process uses it.
  """
  folder = os.fspath(folder)
  check(folder)
  is_new = not os.path.lexists(folder)
  if not is_new and not os.path.isdir(folder):
    raise errors.UserError(f'{folder} is not a directory; name another')
  with files.writing(folder, advice):
    files.make_folder(folder)
  try:
    with lock.held(folder):
      with files.writing(folder, advice):
        _remove_unfinished(folder, parts)
      try:
        yield
      finally:
        with contextlib.suppress(Exception):  # of an interrupted one; else the next start does it
          _remove_unfinished(folder, parts)
  finally:
    if is_new and '://' not in folder:
      with contextlib.suppress(OSError):
        os.rmdir(folder)


def _remove_unfinished(folder: str, parts: Sequence[str]) -> None:
  for part in parts:
    files.remove_unfinished(os.path.join(folder, part))
