"""Files that appear complete or not at all."""

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator

from tf_maskformer import errors
from tf_maskformer import json_text

PREFIX = '.part-'  # of the names of files that are being written


@contextlib.contextmanager
def write_atomically(path: str | os.PathLike, attempt: str = '') -> Iterator[str]:
  """Yields a temporary path in the same folder; what is written there becomes `path` in the end.

  The temporary name ends as `path` does, so that libraries that choose a format by it work. Where
  the block raises, the temporary file is removed and `path` stays as it was.

  Args:
    path: of the file, local or remote (gs://…); its folder exists.
    attempt: part of the temporary name, which tells apart several writers of one path.
  """
  path = os.fspath(path)
  folder, name = os.path.split(path)
  temporary = os.path.join(folder, PREFIX + attempt + name)
  try:
    yield temporary
    _replace(temporary, path)
  except BaseException:
    with contextlib.suppress(Exception):  # the first error counts; the file may not have been made
      _remove(temporary)
    raise


def _is_remote(path: str) -> bool:
  return '://' in path


def _replace(temporary: str, path: str) -> None:
  """Renames a file; a local one once its bytes are on the disk."""
  if _is_remote(path):
    from tensorflow.io import gfile
    gfile.rename(temporary, path, overwrite=True)
    return
  flush(temporary)
  os.replace(temporary, path)


def flush(path: str | os.PathLike) -> None:
  """Returns once a local file's bytes, or the names in a folder, outlive a power cut."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


def _remove(path: str) -> None:
  if _is_remote(path):
    from tensorflow.io import gfile
    gfile.remove(path)
  else:
    os.remove(path)


@contextlib.contextmanager
def writing(what: str, advice: str) -> Iterator[None]:
  """Turns what the file system refuses inside the block into one line.

  Args:
    what: is written, e.g. 'records in /data/records'.
    advice: what is safe and what to do.

  Raises:
    UserError: the disk is full or read-only, a folder is gone, or the like.
  """
  try:
    yield
  except Exception as error:  # pylint: disable=broad-except
    if not errors.is_of_file_system(error):
      raise
    raise errors.UserError(
        f'{what} cannot be written ({errors.reason(error)}); {advice}') from error


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
  """Turns what the file system refuses inside the block into one line.

  Args:
    what: is read, e.g. 'checkpoint runs/coco'.

  Raises:
    UserError: it may not be read, is of a file system that is not known, or cannot be a name.
  """
  try:
    yield
  except UnicodeError as error:
    raise errors.UserError(f'{what} cannot be read (its name is not UTF-8)') from error
  except Exception as error:  # pylint: disable=broad-except
    if not errors.is_of_file_system(error):
      raise
    raise errors.UserError(f'{what} cannot be read ({errors.reason(error)})') from error


def remove_unfinished(folder: str | os.PathLike) -> None:
  """Removes what a killed process left unfinished in a folder; only the folder's one user may.

  Args:
    folder: local or remote; need not exist.
  """
  folder = os.fspath(folder)
  if _is_remote(folder):
    from tensorflow.io import gfile
    for path in gfile.glob(os.path.join(folder, PREFIX + '*')):
      gfile.rmtree(path) if gfile.isdir(path) else gfile.remove(path)
    return
  for path in pathlib.Path(folder).glob(PREFIX + '*'):
    if path.is_dir() and not path.is_symlink():
      shutil.rmtree(path)
    else:
      path.unlink()


def make_folder(folder: str | os.PathLike) -> None:
  """Makes a folder, local or remote, and those above it, where they are missing."""
  folder = os.fspath(folder)
  if _is_remote(folder):
    from tensorflow.io import gfile
    gfile.makedirs(folder)
  else:
    os.makedirs(folder, exist_ok=True)


def is_file(path: str | os.PathLike) -> bool:
  """Whether there is a file of that name, local or remote."""
  path = os.fspath(path)
  if _is_remote(path):
    from tensorflow.io import gfile
    return gfile.exists(path) and not gfile.isdir(path)
  return os.path.isfile(path)


def write_bytes(path: str | os.PathLike, data: bytes, attempt: str = '') -> None:
  """Writes a file, complete or not at all; local or remote. `attempt`: see `write_atomically`.

  Images go this way: an encoder that writes to a file itself may not notice that a disk is full.
  """
  with write_atomically(path, attempt) as temporary:
    if _is_remote(temporary):
      from tensorflow.io import gfile
      with gfile.GFile(temporary, 'wb') as file:
        file.write(data)
    else:
      pathlib.Path(temporary).write_bytes(data)


def write_text(path: str | os.PathLike, text: str) -> None:
  """Writes a text file (UTF-8), complete or not at all; local or remote."""
  write_bytes(path, text.encode('utf-8'))


def write_json(path: str | os.PathLike, content: object, indent: int | None = 1) -> None:
  """Writes a JSON file, complete or not at all; local or remote."""
  write_text(path, json.dumps(content, indent=indent))


def read_json(path: str | os.PathLike) -> object:
  """Returns the content of a JSON file of this project; local or remote.

  Raises:
    UserError: it cannot be read or is not JSON, e.g. cut off, not UTF-8 or nested too deeply.
  """
  path = os.fspath(path)
  with reading(path):
    data = read_bytes(path)
  try:
    return json_text.parse(data, finite=False)
  except ValueError as e:
    raise errors.UserError(f'{path} {e}; is it damaged?') from e


def read_bytes(path: str | os.PathLike) -> bytes:
  """Returns the bytes of a file, local or remote; see `reading` for what it raises."""
  path = os.fspath(path)
  if _is_remote(path):
    from tensorflow.io import gfile
    with gfile.GFile(path, 'rb') as file:
      return file.read()
  return pathlib.Path(path).read_bytes()
