"""What the globals in a checkpoint's pickle mean: NumPy's arrays and PyTorch's tensors.

Nothing here calls what a file names, and every argument's type is checked before it is used.
"""

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from tf_maskformer.modeling.conversion import budget as budgets
from tf_maskformer.modeling.conversion.budget import Budget
from tf_maskformer.modeling.conversion.budget import Damaged
from tf_maskformer.modeling.conversion.pickle_machine import Functions
from tf_maskformer.modeling.conversion.pickle_machine import Global
from tf_maskformer.modeling.conversion.pickle_machine import Rebuilt
from tf_maskformer.modeling.conversion.pickle_machine import Refused
from tf_maskformer.modeling.conversion.pickle_machine import items

_STORAGES = {
    'torch.FloatStorage': np.float32, 'torch.DoubleStorage': np.float64,
    'torch.HalfStorage': np.float16, 'torch.BFloat16Storage': ml_dtypes.bfloat16,
    'torch.LongStorage': np.int64, 'torch.IntStorage': np.int32, 'torch.ShortStorage': np.int16,
    'torch.CharStorage': np.int8, 'torch.ByteStorage': np.uint8, 'torch.BoolStorage': np.bool_}
_NUMPY_TYPES = ('f2', 'f4', 'f8', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'b1')
_MOST_DIMENSIONS = 32  # NumPy 1's
_MOST_NUMBERS = 2**62


def whole(value: Any) -> int:
  """Returns an argument that must be a whole number from 0 on; raises Damaged for another."""
  if type(value) is not int or not 0 <= value < _MOST_NUMBERS:
    raise Damaged('a size is not a whole number')
  return value


def _shape(value: Any) -> tuple[int, ...]:
  if type(value) not in (list, tuple) or len(value) > _MOST_DIMENSIONS:
    raise Damaged('a shape is not a list of sizes')
  return tuple(whole(n) for n in value)


def _bytes(budget: Budget, data: Any) -> bytes:
  """Returns an array's content, which Python 2 wrote as text."""
  if type(data) is str:
    return encoded(budget, data)
  if type(data) is not bytes:
    raise Damaged('an array is not made of bytes')
  return data


def encoded(budget: Budget, text: str) -> bytes:
  """Returns the bytes that a text's characters stand for."""
  budget.spend(budgets.COPIES, len(text))
  return text.encode('latin1')


class Dtype(Rebuilt):
  """Stands for a numpy.dtype: plain numbers only."""

  def __init__(self, code: Any):
    if type(code) is not str or code not in _NUMPY_TYPES:
      named = repr(code[:20]) if type(code) is str else 'without a name'
      raise Refused(f'an array of type {named}')
    self.value = np.dtype(code)

  def set_state(self, budget: Budget, state: Any) -> None:
    """Takes the byte order."""
    del budget
    if type(state) is not tuple or len(state) < 2 or type(state[1]) is not str:
      raise Damaged('a type has a wrong state')
    order = state[1]
    if order not in ('<', '>', '|', '='):
      raise Damaged('a type has a wrong byte order')
    if order in '<>':
      self.value = self.value.newbyteorder(order)


class Array(Rebuilt):
  """Stands for a numpy.ndarray."""

  def __init__(self) -> None:
    self._value: np.ndarray | None = None

  def set_state(self, budget: Budget, state: Any) -> None:
    """Takes shape, type and content."""
    if type(state) is not tuple or len(state) != 5:
      raise Damaged('an array has a wrong state')
    _, shape, dtype, fortran, data = state
    self.fill(budget, shape, dtype, 'F' if fortran is True else 'C', data)

  def fill(self, budget: Budget, shape: Any, dtype: Any, order: str, data: Any) -> None:
    """Takes the content; `order` is 'C' or 'F'."""
    shape = _shape(shape)
    content = _bytes(budget, data)
    if type(dtype) is not Dtype:
      raise Damaged('an array has no type')
    if len(content) != math.prod(shape) * dtype.value.itemsize:
      raise Damaged(f'an array of shape {shape} has {len(content)} bytes')
    self._value = np.frombuffer(content, dtype.value).reshape(shape, order=order)

  def resolve(self, budget: Budget) -> np.ndarray:
    """Returns the array."""
    if self._value is None:
      raise Damaged('an array has no content')
    budget.spend(budgets.ARRAYS, self._value.nbytes)
    return self._value


class Storage:
  """Numbers of one type in a row, of which tensors are views.

  Args:
    dtype: of the numbers.
    count: of the numbers.
    read: returns their bytes; called once everything else of the file is known.
  """

  def __init__(self, dtype: np.dtype, count: int, read: Callable[[], bytes]):
    self._dtype = dtype
    self._count = count
    self._read = read

  def resolve(self, budget: Budget) -> np.ndarray:
    """Returns all numbers."""
    return self.view(budget, 0, (self._count,), (1,))

  def view(self, budget: Budget, offset: int, size: tuple, stride: tuple) -> np.ndarray:
    """Returns the view that PyTorch's (offset, size, stride) means, checked against the storage."""
    count = math.prod(size)
    if count == 0:
      return np.zeros(size, self._dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    if last >= self._count:
      raise Damaged(f'a tensor of shape {size} reaches beyond its {self._count} numbers')
    width = self._dtype.itemsize
    budget.spend(budgets.ARRAYS, count * width)
    data = self._read()
    if len(data) < self._count * width:
      raise Damaged(f'a storage has {len(data)} bytes, {self._count} numbers were announced')
    flat = np.frombuffer(data, self._dtype, self._count)
    steps = tuple(step * width if n > 1 else width for n, step in zip(size, stride))
    return np.asarray(np.lib.stride_tricks.as_strided(flat[offset:], size, steps), order='C')


class Tensor:
  """A tensor that is cut out of its storage once all of the file is read."""

  def __init__(self, storage: Any, offset: Any, size: Any, stride: Any):
    if type(storage) is not Storage:
      raise Damaged('a tensor has no storage')
    self._storage = storage
    self._offset = whole(offset)
    self._size = _shape(size)
    self._stride = _shape(stride)
    if len(self._size) != len(self._stride):
      raise Damaged('a tensor has another number of sizes than of strides')

  def resolve(self, budget: Budget) -> np.ndarray:
    """Returns the tensor's numbers."""
    return self._storage.view(budget, self._offset, self._size, self._stride)


def parse_reference(pid: Any) -> tuple[np.dtype, str, int]:
  """Returns type, key and count of the numbers that PyTorch's reference to a storage means."""
  if type(pid) is not tuple or len(pid) < 5:
    raise Damaged('a reference that is not a storage')
  kind, storage_type, key, _, count = pid[:5]
  if type(kind) is not str or kind != 'storage' or type(storage_type) is not Global:
    raise Damaged('a reference that is not a storage')
  if storage_type.name not in _STORAGES or type(key) not in (str, int):
    raise Damaged('a reference that is not a storage')
  return np.dtype(_STORAGES[storage_type.name]), str(key), whole(count)


# What the names mean; `arguments` are of any number and type.


def _ordered_dict(budget: Budget, arguments: tuple) -> dict:
  if not arguments:
    return {}
  pairs, = arguments
  if type(pairs) is not list:
    raise Damaged('an OrderedDict is not made of a list')
  return items(budget, pairs)


def _encode(budget: Budget, arguments: tuple) -> bytes:
  """By which Python 2's protocol writes bytes."""
  text, encoding = arguments
  if type(text) is not str or type(encoding) is not str:
    raise Damaged('what is encoded is not a text')
  if encoding not in ('latin1', 'latin-1'):
    raise Refused(f'codecs.encode to {encoding[:20]!r}')
  return encoded(budget, text)


def _no_bytes(budget: Budget, arguments: tuple) -> bytes:
  """Of an empty array; bytes(n) would allow arbitrary allocation."""
  del budget
  if arguments:
    raise Damaged('bytes are made of something')
  return b''


def _dtype(budget: Budget, arguments: tuple) -> Dtype:
  del budget
  code, *_ = arguments
  return Dtype(code)


def _array(budget: Budget, arguments: tuple) -> Array:
  del budget, arguments
  return Array()


def _scalar(budget: Budget, arguments: tuple) -> np.generic:
  dtype, data = arguments
  array = Array()
  array.fill(budget, (1,), dtype, 'C', data)
  return array.resolve(budget)[0]


def _array_of_buffer(budget: Budget, arguments: tuple) -> Array:
  """By which protocol 5 writes arrays."""
  data, dtype, shape, order = arguments
  if type(order) is not str or order not in ('C', 'F'):
    raise Damaged('an array has a wrong order')
  array = Array()
  array.fill(budget, shape, dtype, order, data)
  return array


def _tensor(budget: Budget, arguments: tuple) -> Tensor:
  del budget
  storage, offset, size, stride, *_ = arguments
  return Tensor(storage, offset, size, stride)


def _first(budget: Budget, arguments: tuple) -> Any:
  """Of what only wraps its first argument."""
  del budget
  first, *_ = arguments
  return first


FUNCTIONS: Functions = {
    'collections.OrderedDict': _ordered_dict,
    '_codecs.encode': _encode,
    '__builtin__.bytes': _no_bytes,
    'builtins.bytes': _no_bytes,
    'numpy.ndarray': None,
    'numpy.dtype': _dtype,
    'numpy.core.multiarray._reconstruct': _array,
    'numpy._core.multiarray._reconstruct': _array,
    'numpy.core.multiarray.scalar': _scalar,
    'numpy._core.multiarray.scalar': _scalar,
    'numpy.core.numeric._frombuffer': _array_of_buffer,
    'numpy._core.numeric._frombuffer': _array_of_buffer,
    'torch._utils._rebuild_tensor': _tensor,
    'torch._utils._rebuild_tensor_v2': _tensor,
    'torch._utils._rebuild_parameter': _first,
    'torch.nn.parameter.Parameter': _first,
    'torch.Size': _first,
    **dict.fromkeys(_STORAGES),
}
