"""Where an export appears: complete under its name, or not at all."""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer import lock
from tf_maskformer import output as output_folder
from tf_maskformer.serving.export import metadata
from tf_maskformer.serving.export.plan import Plan

CONFIG = 'config.pbtxt'  # of Triton, next to the versions
_ADVICE = 'nothing was written; correct that and run the command again'


class Place(NamedTuple):
  """Folders of an export that is being written.

  Attributes:
    folder: to be filled; it has another name until the export is complete.
    final: where its content will be.
    model: the folder of all versions, of the layouts that have them; else that of the export.
  """
  folder: pathlib.Path
  final: pathlib.Path
  model: pathlib.Path


def check(output: str, layout: str) -> None:
  """Checks that a folder can become an export, or hold another version of one.

  Raises:
    UserError: it cannot.
  """
  output_folder.check(output)
  if '://' in output:
    raise errors.UserError(
        f'--output {output} is remote; export to a local folder and copy it')
  path = pathlib.Path(output)
  if not os.path.lexists(path):
    return
  if not path.is_dir():
    raise errors.UserError(f'--output {output} is not a directory; name another')
  with files.reading(f'--output {output}'):
    names = [one.name for one in path.iterdir() if not one.name.startswith(files.PREFIX)]
  if layout != 'plain':
    names = [name for name in names if not name.isdigit() and name != CONFIG]
  if names:
    only = ' besides versions of a model' if layout != 'plain' else ''
    raise errors.UserError(
        f'--output {output} holds {errors.quoted(names[0])}{only}; name a new folder, or remove it')


@contextlib.contextmanager
def opened(output: str, plan: Plan) -> Iterator[Place]:
  """Yields where to write; what is there appears under its name once the block is left.

  Where the block raises, nothing is left. Another process cannot write there at the same time.

  Args:
    output: folder, see `check`.
    plan: its layout is read: 'plain' is the folder itself; 'serving' a new version in it, and
      'triton' the same with the model's file or folder inside.

  Raises:
    UserError: the file system refuses, or another process writes there.
  """
  check(output, plan.layout)
  path = pathlib.Path(os.path.abspath(output))
  with files.writing(f'--output {output}', _ADVICE):
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock.held(path.parent, f'.{path.name}.lock'), _placed(path, plan) as place:
      yield place


@contextlib.contextmanager
def _placed(path: pathlib.Path, plan: Plan) -> Iterator[Place]:
  """`opened` once the lock is held; `path` is absolute."""
  has_versions = plan.layout != 'plain'
  is_new = not path.exists()
  target = path
  if has_versions:
    path.mkdir(exist_ok=True)
    target = path / str(max((int(one.name) for one in path.iterdir() if one.name.isdigit()),
                            default=0) + 1)
  temporary = target.with_name(files.PREFIX + target.name)
  shutil.rmtree(temporary, ignore_errors=True)  # of an export that was killed
  try:
    temporary.mkdir()
    inside = plan.layout == 'triton' and plan.format == 'saved_model'
    place = Place(
        temporary / metadata.SAVED_MODEL_IN_TRITON if inside else temporary,
        target / metadata.SAVED_MODEL_IN_TRITON if inside else target, path)
    place.folder.mkdir(exist_ok=True)
    yield place
    _flush(temporary)
    os.rename(temporary, target)
    files.flush(target.parent)
  except BaseException:
    shutil.rmtree(temporary, ignore_errors=True)
    if has_versions and is_new:
      with contextlib.suppress(OSError):
        (path / CONFIG).unlink(missing_ok=True)
        path.rmdir()
    raise


def _flush(folder: pathlib.Path) -> None:
  """Returns once everything in a folder outlives a power cut."""
  for path in sorted(folder.rglob('*')):
    files.flush(path)
  files.flush(folder)


def size_of(folder: str | os.PathLike) -> int:
  """Returns the bytes of all files in a folder."""
  return sum(path.stat().st_size for path in pathlib.Path(folder).rglob('*') if path.is_file())
