"""Reads pickled checkpoints (detectron2 `.pkl`, PyTorch `.pth`, `.bin`) without running them.

A pickle names the functions that rebuild its objects. Here the few that checkpoints need are
stand-ins that can only make arrays and plain containers; any other name is refused before anything
is called. PyTorch is not needed.
"""

import collections
import io
import math
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from tf_maskformer.errors import UserError

_TORCH_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of PyTorch's older format
_TORCH_TYPES = {
    'FloatStorage': np.float32, 'DoubleStorage': np.float64, 'HalfStorage': np.float16,
    'BFloat16Storage': ml_dtypes.bfloat16, 'LongStorage': np.int64, 'IntStorage': np.int32,
    'ShortStorage': np.int16,
    'CharStorage': np.int8, 'ByteStorage': np.uint8, 'BoolStorage': np.bool_,
}
_NUMPY_TYPES = {'f2', 'f4', 'f8', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'b1'}
# What a damaged or foreign file can make the reader raise.
_DAMAGE = (
    pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError,
    struct.error, RecursionError, OverflowError, MemoryError, AssertionError, zipfile.BadZipFile,
    NotImplementedError)


class Refused(Exception):
  """The pickle asks for something that no checkpoint needs."""


class _Dtype:
  """Stand-in of numpy.dtype: plain numbers only."""

  def __init__(self, code, *unused):
    del unused
    code = str(code)
    if code not in _NUMPY_TYPES:
      raise Refused(f'an array of type {code[:20]!r}')
    self.value = np.dtype(code)

  def __setstate__(self, state):
    order = state[1]
    if order not in ('<', '>', '|', '='):
      raise ValueError('byte order')
    if order in '<>':
      self.value = self.value.newbyteorder(order)


class _Array:
  """Stand-in of numpy.ndarray while it is rebuilt."""
  value: np.ndarray

  def __setstate__(self, state):
    _, shape, dtype, fortran, data = state
    if isinstance(data, str):
      data = data.encode('latin1')
    shape = tuple(int(n) for n in shape)
    if not isinstance(data, bytes) or min(shape, default=0) < 0:
      raise ValueError('an array is not made of bytes')
    if len(data) != math.prod(shape) * dtype.value.itemsize:
      raise ValueError(f'an array of shape {shape} has {len(data)} bytes')
    self.value = np.frombuffer(data, dtype.value).reshape(shape, order='F' if fortran else 'C')


class _Marker:
  """Stand-in of a class that is only named, never called."""


class _StorageType:
  """Stand-in of torch.FloatStorage and similar types."""

  def __init__(self, dtype):
    self.dtype = np.dtype(dtype)


class _Storage:
  """A flat run of numbers; `read` fetches its bytes when they are wanted."""

  def __init__(self, dtype: np.dtype, count: int, read: Callable[[], bytes]):
    self._dtype = dtype
    self._count = int(count)
    self._read = read

  def tensor(self, offset, size, stride) -> np.ndarray:
    """Returns the view that PyTorch's (offset, size, stride) means, checked against the storage."""
    size = tuple(int(n) for n in size)
    stride = tuple(int(n) for n in stride)
    last = int(offset) + sum((n - 1) * step for n, step in zip(size, stride) if n)
    if min((*size, *stride, int(offset)), default=0) < 0 or len(size) != len(stride):
      raise ValueError('a tensor has a negative size')
    if math.prod(size) > self._count or (math.prod(size) and last >= self._count):
      raise ValueError(f'a tensor of shape {size} reaches beyond its {self._count} numbers')
    data = self._read()
    if len(data) < self._count * self._dtype.itemsize:
      raise ValueError(f'a storage has {len(data)} bytes, {self._count} numbers were announced')
    flat = np.frombuffer(data, self._dtype, self._count)
    steps = tuple(step * self._dtype.itemsize for step in stride)
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat[int(offset):], size, steps))


class _Tensor:
  """A tensor that is cut out of its storage once all of the file is read."""

  def __init__(self, storage, offset, size, stride, *unused):
    del unused
    if not isinstance(storage, _Storage):
      raise ValueError('a tensor has no storage')
    self._view = storage, offset, size, stride

  def resolve(self) -> np.ndarray:
    storage, *view = self._view
    return storage.tensor(*view)


def _encode(text, encoding):
  """Stand-in of codecs.encode, by which Python 2's protocol writes bytes."""
  if encoding not in ('latin1', 'latin-1'):
    raise Refused(f'codecs.encode to {encoding!r}')
  return text.encode('latin1')


def _scalar(dtype, data):
  """Stand-in of numpy's scalar."""
  if isinstance(data, str):
    data = data.encode('latin1')
  return np.frombuffer(data, dtype.value, 1)[0]


def _from_buffer(data, dtype, shape, order):
  """Stand-in of numpy's _frombuffer, by which protocol 5 writes arrays."""
  array = _Array()
  array.__setstate__((1, shape, dtype, order == 'F', data))
  return array


def _from_bytes(data):
  """Stand-in of torch.storage._load_from_bytes: a storage inside an ordinary pickle."""
  return _read_older_torch(io.BytesIO(data))


_KNOWN = {
    'collections.OrderedDict': collections.OrderedDict,
    '_codecs.encode': _encode,
    # Of an empty array; bytes(n) would allow arbitrary allocation.
    '__builtin__.bytes': lambda: b'',
    'builtins.bytes': lambda: b'',
    'numpy.ndarray': _Marker,
    'numpy.dtype': _Dtype,
    'torch._utils._rebuild_tensor': _Tensor,
    'torch._utils._rebuild_tensor_v2': _Tensor,
    'torch._utils._rebuild_parameter': lambda data, *unused: data,
    'torch.nn.parameter.Parameter': lambda data, *unused: data,
    'torch.Size': tuple,
    'torch.storage._load_from_bytes': _from_bytes,
    **{f'torch.{name}': _StorageType(dtype) for name, dtype in _TORCH_TYPES.items()},
}
for _module in ('numpy.core', 'numpy._core'):
  _KNOWN |= {
      f'{_module}.multiarray._reconstruct': lambda *unused: _Array(),
      f'{_module}.multiarray.scalar': _scalar,
      f'{_module}.numeric._frombuffer': _from_buffer}


class _Unpickler(pickle._Unpickler):  # pylint: disable=protected-access
  """Python's own unpickler, restricted.

  Its memo is a dictionary, so a number in the file never sizes an allocation.
  """
  _REFUSED = (pickle.NEXT_BUFFER[0], pickle.EXT1[0], pickle.EXT2[0], pickle.EXT4[0])
  dispatch = dict(pickle._Unpickler.dispatch)  # pylint: disable=protected-access
  for _code in _REFUSED:
    del dispatch[_code]

  def load_bytearray8(self):
    """As bytes: the original makes room for as many bytes as the file announces."""
    (count,) = struct.unpack('<Q', self.read(8))
    self.append(self.read(count))

  dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

  def __init__(self, file: BinaryIO, storage_of: Callable[[Any], _Storage] | None = None):
    super().__init__(file, encoding='latin1')
    self._storage_of = storage_of

  def find_class(self, module, name):
    full = f'{module}.{name}'
    if full not in _KNOWN:
      raise Refused(full)
    return _KNOWN[full]

  def persistent_load(self, pid):
    if self._storage_of is None:
      raise ValueError('a reference to outside of the file')
    return self._storage_of(pid)


def _parse_storage_id(pid) -> tuple[np.dtype, str, int]:
  kind, storage_type, key, _, count = pid[:5]
  if kind != 'storage' or not isinstance(storage_type, _StorageType):
    raise ValueError('a reference that is not a storage')
  return storage_type.dtype, str(key), int(count)


def _read_zip(file: BinaryIO) -> Any:
  """PyTorch's format since 1.6: a zip of one pickle and a file for each storage."""
  archive = zipfile.ZipFile(file)
  entries = {entry.filename: entry for entry in archive.infolist()}
  packed = [name for name, entry in entries.items() if entry.compress_type != zipfile.ZIP_STORED]
  if packed:
    raise ValueError(f'{packed[0]} is compressed, which PyTorch never does')
  pickled = [name for name in entries if name.endswith('/data.pkl') or name == 'data.pkl']
  if len(pickled) != 1:
    raise ValueError('a zip file without data.pkl')
  root = pickled[0].removesuffix('data.pkl')
  if f'{root}byteorder' in entries and archive.read(f'{root}byteorder') != b'little':
    raise ValueError('numbers with the highest byte first')
  def storage_of(pid):
    dtype, key, count = _parse_storage_id(pid)
    return _Storage(dtype, count, lambda: archive.read(f'{root}data/{key}'))
  return _resolved(_Unpickler(io.BytesIO(archive.read(pickled[0])), storage_of).load())


def _read_older_torch(file: BinaryIO) -> Any:
  """Reads PyTorch's format before 1.6.

  That is: magic number, version, machine, the object, the keys of its storages, their bytes.
  """
  magic, _, _ = (_Unpickler(file).load() for _ in range(3))
  if magic != _TORCH_MAGIC:
    raise ValueError('it does not start with the magic number of PyTorch')
  storages: dict[Any, tuple[np.dtype, int]] = {}
  contents: dict[Any, bytes] = {}
  def storage_of(pid):
    dtype, key, count = _parse_storage_id(pid)
    storages.setdefault(key, (dtype, count))
    return _Storage(dtype, count, lambda: contents[key])
  found = _Unpickler(file, storage_of).load()
  for key in _Unpickler(file).load():
    (count,) = struct.unpack('<q', file.read(8))
    dtype, announced = storages[key]
    if count != announced:
      raise ValueError(f'a storage of {announced} numbers has {count}')
    contents[key] = file.read(count * dtype.itemsize)
  return _resolved(found) if not isinstance(found, _Storage) else found


def _resolved(value: Any, depth: int = 0, done: dict[int, Any] | None = None) -> Any:
  """Replaces the stand-ins inside containers by arrays; what is named twice is done once."""
  done = {} if done is None else done
  if depth > 16:
    raise ValueError('containers nested too deeply')
  if id(value) in done:
    return done[id(value)]
  if isinstance(value, _Tensor):
    result = value.resolve()
  elif isinstance(value, _Array):
    result = value.value
  elif isinstance(value, dict):
    result = {key: _resolved(item, depth + 1, done) for key, item in dict.items(value)}
  elif isinstance(value, (list, tuple)):
    result = [_resolved(item, depth + 1, done) for item in value]
  else:
    return value
  done[id(value)] = result
  return result


def load(path: str, file: BinaryIO) -> Any:
  """Returns what a pickled file holds: dictionaries, lists, numbers, text, numpy arrays.

  Args:
    path: for messages.
    file: opened for reading, with `seek`.

  Raises:
    UserError: the file is damaged, or its pickle asks for something else than arrays and
      containers.
  """
  start = file.read(4)
  file.seek(0)
  try:
    if start == b'PK\x03\x04':
      return _read_zip(file)
    first = _Unpickler(file).load()
    if first == _TORCH_MAGIC:
      file.seek(0)
      return _read_older_torch(file)
    return _resolved(first)
  except Refused as e:
    raise UserError(
        f'checkpoint {path} is refused: its pickle asks for {e}, which no checkpoint needs; '
        'nothing in it was run, take the file from its publisher') from e
  except _DAMAGE as e:
    reason = str(e).splitlines()[0] if str(e) else type(e).__name__
    raise UserError(
        f'checkpoint {path} cannot be read as a pickled checkpoint ({reason}); is it damaged or '
        'cut off?') from e
