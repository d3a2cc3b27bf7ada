"""The known data sets, a file each, and those of a user's files. Nothing else asks for a name."""

import functools
import os
import pathlib

from tf_maskformer import errors
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.datasets.descriptor_file import Description

_FOLDER = pathlib.Path(__file__).parent
_ENDINGS = ('.yaml', '.yml')


# Data sets that a checkpoint brought along, by name.
_added: dict[str, DataSet] = {}


def names() -> list[str]:
  """Returns the names of the built-in data sets, sorted."""
  return list(_names())


@functools.cache
def _names() -> tuple[str, ...]:
  return tuple(sorted(path.stem for path in _FOLDER.glob('*.yaml')))


def is_path(name: str) -> bool:
  """Whether a name is that of a file that describes a data set, or of a folder with one."""
  return name not in _names() and name not in _added and (
      '/' in name or name.endswith(_ENDINGS) or os.path.isdir(name))


def add(data_set: DataSet) -> DataSet:
  """Makes a data set known under its name until the process ends, and returns it.

  Raises:
    UserError: the name is that of another data set.
  """
  if data_set.name in _names() or _added.get(data_set.name, data_set) != data_set:
    raise errors.UserError(
        f'data set {data_set.name} is known with other classes; give the new one another name')
  _added[data_set.name] = data_set
  return data_set


def get(name: str) -> DataSet:
  """Returns a data set.

  Args:
    name: of a built-in one, of one that was added, or see `describe`.

  Raises:
    UserError: the name is unknown, or the file cannot be used.
  """
  if name in _added:
    return _added[name]
  return describe(name).data_set


def describe(name: str) -> Description:
  """Returns what the file of a data set says.

  Args:
    name: of a built-in data set, or the path of a file, local or remote, which is read again when
      it has changed, or of a folder that holds `descriptor_file.NAME`.

  Raises:
    UserError: the name is unknown, or the file cannot be used.
  """
  if name in _names():
    return _built_in(name)
  if not name:
    raise errors.UserError(
        'no data set is named; give task.data_set=RECORDS, the folder that tf-maskformer prepare '
        'wrote, or the YAML file of a data set')
  if not is_path(name):
    known = [*_names(), *_added]
    raise errors.UserError(
        f'{errors.unknown("data set", name, known)} (a data set of your own is named by the path '
        'of its YAML file)')
  path = name if name.endswith(_ENDINGS) else os.path.join(name, descriptor_file.NAME)
  return _of_file(path, _state(path))


def forget_files() -> None:
  """Forgets what was read of files; whoever writes one calls this.

  Of a remote file nothing else tells that it has changed.
  """
  _of_file.cache_clear()


@functools.cache
def _built_in(name: str) -> Description:
  path = _FOLDER / f'{name}.yaml'
  return descriptor_file.parse(path.read_text(encoding='utf-8'), str(path), get)


def _state(path: str) -> tuple[int, ...]:
  """Returns what changes with a local file; nothing of a remote one, which is slow to ask."""
  if '://' in path or not os.path.isfile(path):
    return ()
  stat = os.stat(path)
  return stat.st_mtime_ns, stat.st_size


@functools.lru_cache(maxsize=32)
def _of_file(path: str, state: tuple[int, ...]) -> Description:
  del state  # only tells whether the file is still the same
  from tf_maskformer.configs import override_files  # loads TensorFlow
  text = override_files.read_text(path, descriptor_file.LARGEST, 'data set')
  return descriptor_file.parse(text, path, get)
