"""Files that appear complete or not at all."""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator

PREFIX = '.part-'  # of the names of files that are being written


@contextlib.contextmanager
def write_atomically(path: str | os.PathLike) -> Iterator[str]:
  """Yields a temporary path in the same folder; what is written there becomes `path` in the end.

  The temporary name ends as `path` does, so that libraries that choose a format by it work. Where
  the block raises, the temporary file is removed and `path` stays as it was.

  Args:
    path: of the file, local or remote (gs://…); its folder exists.
  """
  path = os.fspath(path)
  folder, name = os.path.split(path)
  temporary = os.path.join(folder, PREFIX + name)
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
  with open(temporary, 'rb') as file:
    os.fsync(file.fileno())
  os.replace(temporary, path)


def _remove(path: str) -> None:
  if _is_remote(path):
    from tensorflow.io import gfile
    gfile.remove(path)
  else:
    os.remove(path)


def write_text(path: str | os.PathLike, text: str) -> None:
  """Writes a text file (UTF-8), complete or not at all; local or remote."""
  with write_atomically(path) as temporary:
    if _is_remote(temporary):
      from tensorflow.io import gfile
      with gfile.GFile(temporary, 'w') as file:
        file.write(text)
    else:
      pathlib.Path(temporary).write_text(text, encoding='utf-8')


def write_json(path: str | os.PathLike, content: object, indent: int | None = 1) -> None:
  """Writes a JSON file, complete or not at all; local or remote."""
  write_text(path, json.dumps(content, indent=indent))
