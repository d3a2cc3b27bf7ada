"""PyTorch's two file formats: zip files, and the older rows of pickles."""

import io
import struct
import zipfile
from typing import Any, BinaryIO

import numpy as np

from tf_maskformer.modeling.conversion import budget as budgets
from tf_maskformer.modeling.conversion import pickled_arrays
from tf_maskformer.modeling.conversion.budget import Budget
from tf_maskformer.modeling.conversion.budget import Damaged
from tf_maskformer.modeling.conversion.pickle_machine import Functions
from tf_maskformer.modeling.conversion.pickle_machine import Machine
from tf_maskformer.modeling.conversion.pickled_arrays import Storage

MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of the older format
# Bytes of a zip file's directory; a checkpoint of 1000 tensors with optimizer state has 0.2 MB.
_LARGEST_DIRECTORY = 2 * budgets.MEGABYTE
_LOCAL_HEADER = 30  # bytes before the name
_ENCRYPTED = 0x1 | 0x40 | 0x2000


class _Directory:
  """A file of which a zip file's directory is read: no piece of it is larger than a bound."""

  def __init__(self, file: BinaryIO):
    self._file = file
    self.is_open = False  # then pieces of any size are read
    self.seek = file.seek
    self.tell = file.tell

  def read(self, count: int = -1) -> bytes:
    if self.is_open:
      return self._file.read(count)
    data = self._file.read(_LARGEST_DIRECTORY + 1 if count < 0 else count)
    if len(data) > _LARGEST_DIRECTORY:
      raise Damaged(f'its directory has more than {_LARGEST_DIRECTORY} bytes')
    return data

  def seekable(self) -> bool:
    return True


def read_zip(file: BinaryIO, size: int) -> tuple[Any, Budget]:
  """Reads PyTorch's format since 1.6: a zip of one pickle and a file for each storage.

  Args:
    file: opened for reading, with `seek`.
    size: its bytes.

  Returns:
    What the pickle holds, with stand-ins for the tensors, and what is left of the file's budget.

  Raises:
    Damaged, Refused, zipfile.BadZipFile, NotImplementedError, OSError, ValueError, struct.error:
      it is not such a file.
  """
  budget = Budget(size)
  directory = _Directory(file)
  archive = zipfile.ZipFile(directory)  # type: ignore[arg-type]
  directory.is_open = True
  entries = _entries(archive, size)
  pickled = [name for name in entries if name.endswith('/data.pkl') or name == 'data.pkl']
  if len(pickled) != 1:
    raise Damaged('a zip file without data.pkl')
  root = pickled[0].removesuffix('data.pkl')
  order = entries.get(f'{root}byteorder')
  if order is not None and archive.read(order) != b'little':
    raise Damaged('numbers with the highest byte first')
  contents: dict[str, bytes] = {}

  def content(key: str) -> bytes:
    if key not in contents:
      entry = entries.get(f'{root}data/{key}')
      if entry is None:
        raise Damaged(f'the zip file has no data/{key[:100]}')
      contents[key] = archive.read(entry)
    return contents[key]

  def storage_of(pid: Any) -> Storage:
    dtype, key, count = pickled_arrays.parse_reference(pid)
    return Storage(dtype, count, lambda: content(key))

  data = archive.read(entries[pickled[0]])
  machine = Machine(io.BytesIO(data), len(data), budget, FUNCTIONS, storage_of)
  return machine.run(), budget


def _entries(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
  """Returns the entries of a zip file by name; each has bytes of its own, as they are."""
  entries = {}
  end = 0
  for entry in sorted(archive.infolist(), key=lambda e: e.header_offset):
    name = entry.filename
    if name in entries:
      raise Damaged(f'{name[:100]} is in the zip file twice')
    if entry.flag_bits & _ENCRYPTED:
      raise Damaged(f'{name[:100]} is encrypted')
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
      raise Damaged(f'{name[:100]} is compressed, which PyTorch never does')
    if entry.header_offset < end:
      raise Damaged(f'{name[:100]} overlaps with another entry')
    end = entry.header_offset + _LOCAL_HEADER + entry.compress_size
    if end > size:
      raise Damaged(f'{name[:100]} reaches beyond the end of the file')
    entries[name] = entry
  return entries


def read_older(file: BinaryIO, size: int, budget: Budget, functions: Functions) -> Any:
  """Reads PyTorch's format before 1.6.

  That is: magic number, version, machine, the object, the keys of its storages, their bytes.

  Args:
    file: at its beginning.
    size: its bytes.
    budget: of the file.
    functions: what its globals mean.

  Returns:
    The object, with stand-ins for its tensors.

  Raises:
    Damaged, Refused, ValueError: it is not such a file.
  """
  magic = Machine(file, size, budget, functions).run()
  if type(magic) is not int or magic != MAGIC:
    raise Damaged('it does not start with the magic number of PyTorch')
  for _ in range(2):
    Machine(file, size, budget, functions).run()
  announced: dict[str, tuple[np.dtype, int]] = {}
  contents: dict[str, bytes] = {}

  def content(key: str) -> bytes:
    if key not in contents:
      raise Damaged(f'storage {key[:100]} is missing')
    return contents[key]

  def storage_of(pid: Any) -> Storage:
    dtype, key, count = pickled_arrays.parse_reference(pid)
    announced.setdefault(key, (dtype, count))
    return Storage(dtype, count, lambda: content(key))

  found = Machine(file, size, budget, functions, storage_of).run()
  keys = Machine(file, size, budget, functions).run()
  if type(keys) is not list or any(type(key) not in (str, int) for key in keys):
    raise Damaged('it does not list its storages')
  for key in map(str, keys):
    if key in contents or key not in announced:
      raise Damaged(f'storage {key[:100]} is not one that a tensor needs, or there twice')
    dtype, count = announced[key]
    contents[key] = _read_storage(file, size, budget, count, dtype.itemsize)
  return found


def _read_storage(file: BinaryIO, size: int, budget: Budget, count: int, width: int) -> bytes:
  """Returns the bytes of a storage, which are after the count of its numbers."""
  header = file.read(8)
  if len(header) != 8:
    raise Damaged('it ends early')
  stored, = struct.unpack('<q', header)
  if stored != count:
    raise Damaged(f'a storage of {count} numbers has {stored}')
  if count * width > size - file.tell():
    raise Damaged(f'{count * width} bytes are announced, {size - file.tell()} are left')
  budget.spend(budgets.COPIES, count * width)
  return file.read(count * width)


def _storage_in_bytes(budget: Budget, arguments: tuple) -> Storage:
  """Means torch.storage._load_from_bytes: a storage inside an ordinary pickle."""
  data, = arguments
  if type(data) is not bytes:
    raise Damaged('a file inside of the file is not made of bytes')
  # Such a file holds no other: its functions do not have this one.
  found = read_older(io.BytesIO(data), len(data), budget, pickled_arrays.FUNCTIONS)
  if type(found) is not Storage:
    raise Damaged('a file inside of the file is not a storage')
  return found


FUNCTIONS: Functions = {
    **pickled_arrays.FUNCTIONS, 'torch.storage._load_from_bytes': _storage_in_bytes}
