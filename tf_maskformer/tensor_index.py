"""Checks the index of a TensorFlow checkpoint before TensorFlow reads it.

An index with right checksums can still say what ends the process: TensorFlow aborts for a type that
it does not know, and asks for whatever memory a shape or the length of a text names. Read here:
the table (`sorted_tables`), its first row (BundleHeaderProto) and one BundleEntryProto per tensor
(tensorflow/core/protobuf/tensor_bundle.proto). What is accepted takes no more memory than its
files.
"""

import dataclasses
import math

import tensorflow as tf
from google.protobuf.message import DecodeError
from google.protobuf.message import Message
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import tensor_bundle_pb2

from tf_maskformer import sorted_tables
from tf_maskformer.sorted_tables import Damaged
from tf_maskformer.sorted_tables import require

# Bytes of one element; 0: texts, of any length. Types that checkpoints never have are refused.
_BYTES = {
    'DT_FLOAT': 4, 'DT_DOUBLE': 8, 'DT_HALF': 2, 'DT_BFLOAT16': 2, 'DT_BOOL': 1,
    'DT_INT8': 1, 'DT_INT16': 2, 'DT_INT32': 4, 'DT_INT64': 8,
    'DT_UINT8': 1, 'DT_UINT16': 2, 'DT_UINT32': 4, 'DT_UINT64': 8,
    'DT_COMPLEX64': 8, 'DT_COMPLEX128': 16, 'DT_STRING': 0}
_MOST_DIMENSIONS = 32
_MOST_ELEMENTS = 1 << 40
_MOST_TEXTS = 100_000
_MOST_SHARDS = 1024


@dataclasses.dataclass(frozen=True)
class Tensor:
  """Where a tensor is stored.

  Attributes:
    type: as TensorFlow's protocol buffers name it, e.g. 'DT_FLOAT'.
    shape: its sizes.
    shard: number of the data file.
    offset: of its first byte there.
    size: in bytes, as stored.
    checksum: of these bytes (`sorted_tables.masked_crc`).
  """
  type: str
  shape: tuple[int, ...]
  shard: int
  offset: int
  size: int
  checksum: int


class Index:
  """The tensors of a checkpoint whose index is sound and whose data files have their bytes."""

  def __init__(self, prefix: str):
    """Reads the index; of the data, only their sizes and the lengths of texts.

    Args:
      prefix: of the checkpoint's files, local or remote.

    Raises:
      Damaged: a file is missing, cut off, changed, or says what no writer says.
    """
    self._prefix = prefix
    path = prefix + '.index'
    size = _size(path)
    require(0 < size <= sorted_tables.LARGEST, f'{_last(path)} has {size} bytes')
    rows = sorted_tables.read(_content(path, 0, size))
    require(bool(rows) and rows[0][0] == b'', 'its index has no header')
    self._shards = _shards(rows[0][1])
    self.tensors = {_name(key): self._tensor(key, value) for key, value in rows[1:]}
    self._check_extents()
    for name, tensor in self.tensors.items():
      if tensor.type == 'DT_STRING':
        self._check_texts(name, tensor)

  def stored(self, name: str, size: int | None = None) -> bytes:
    """Returns the first `size` bytes of a tensor as they are stored; None: all of them."""
    tensor = self.tensors[name]
    size = tensor.size if size is None else min(size, tensor.size)
    return _content(self._data_file(tensor.shard), tensor.offset, size)

  def number(self, name: str) -> int | None:
    """Returns the value of an integer; None where there is no such tensor.

    Raises:
      Damaged: its bytes are not those that were written.
    """
    tensor = self.tensors.get(name)
    if tensor is None or tensor.type not in ('DT_INT64', 'DT_INT32') or tensor.shape:
      return None
    data = self.stored(name)
    require(sorted_tables.masked_crc(data) == tensor.checksum, f'the checksum of {name} is wrong')
    return int.from_bytes(data, 'little', signed=True)

  def _data_file(self, shard: int) -> str:
    return f'{self._prefix}.data-{shard:05d}-of-{self._shards:05d}'

  def _tensor(self, key: bytes, value: bytes) -> Tensor:
    """Returns what a row says; its numbers fit each other, not yet the files."""
    name = _name(key)
    entry = _parsed(tensor_bundle_pb2.BundleEntryProto, value, f'the entry of {name}')
    known = entry.dtype in types_pb2.DataType.values()
    kind = types_pb2.DataType.Name(entry.dtype) if known else f'number {entry.dtype}'
    require(kind in _BYTES, f'{name} has the type {kind}, which weights never have')
    require(not entry.slices, f'{name} is stored in slices, which are not read here')
    require(not entry.shape.unknown_rank, f'{name} has no shape')
    shape = tuple(dim.size for dim in entry.shape.dim)
    require(
        len(shape) <= _MOST_DIMENSIONS and all(n >= 0 for n in shape)
        and math.prod(max(n, 1) for n in shape) <= _MOST_ELEMENTS, f'{name} has an absurd shape')
    _check_size(name, kind, math.prod(shape), entry.size)
    require(0 <= entry.shard_id < self._shards, f'{name} is in a data file that is not there')
    require(entry.offset >= 0, f'{name} begins before its data file')
    return Tensor(kind, shape, entry.shard_id, entry.offset, entry.size, entry.crc32c)

  def _check_extents(self) -> None:
    """Raises Damaged unless the tensors are next to each other inside the data files."""
    sizes = [_size(self._data_file(shard)) for shard in range(self._shards)]
    ends = [0] * self._shards
    for name, tensor in sorted(self.tensors.items(), key=lambda item: item[1].offset):
      if tensor.size == 0:
        continue
      require(tensor.offset >= ends[tensor.shard], f'{name} overlaps another tensor')
      ends[tensor.shard] = tensor.offset + tensor.size
      require(ends[tensor.shard] <= sizes[tensor.shard], f'its data file ends within {name}')

  def _check_texts(self, name: str, tensor: Tensor) -> None:
    """Raises Damaged unless the lengths of texts, stored before them, add up to what is stored."""
    count = math.prod(tensor.shape)
    require(count <= _MOST_TEXTS, f'{name} has an absurd shape')
    if count == 0:
      return  # nothing is allocated for it
    head = self.stored(name, 10 * count)
    position = 0
    length = 0
    for _ in range(count):
      one, position = sorted_tables.varint(head, position, len(head))
      length += one
    checksum = 4  # bytes, of the lengths
    require(position + checksum + length == tensor.size, f'the lengths of {name} do not add up')


def _parsed(kind: type[Message], value: bytes, what: str) -> Message:
  message = kind()
  try:
    message.ParseFromString(value)
  except DecodeError as e:
    raise Damaged(f'{what} is damaged') from e
  return message


def _shards(header: bytes) -> int:
  """Returns the number of data files."""
  message = _parsed(tensor_bundle_pb2.BundleHeaderProto, header, 'the header of its index')
  little = tensor_bundle_pb2.BundleHeaderProto.LITTLE
  require(message.endianness == little, 'it was written with another order of bytes')
  require(1 <= message.num_shards <= _MOST_SHARDS, f'it has {message.num_shards} data files')
  return message.num_shards


def _name(key: bytes) -> str:
  try:
    return key.decode('utf-8')
  except UnicodeDecodeError as e:
    raise Damaged('a name in its index is not UTF-8') from e


def _check_size(name: str, kind: str, elements: int, size: int) -> None:
  if kind == 'DT_STRING':
    fits = size >= elements
  else:
    fits = size == elements * _BYTES[kind]
  require(fits, f'{name} has {size} bytes, its shape does not')


def _size(path: str) -> int:
  """Returns the bytes of a file; devices and pipes have none."""
  try:
    return tf.io.gfile.stat(path).length
  except tf.errors.OpError as e:
    raise Damaged(f'{_last(path)} is missing or cannot be read') from e


def _content(path: str, offset: int, size: int) -> bytes:
  """Returns `size` bytes of a file from `offset` on."""
  try:
    with tf.io.gfile.GFile(path, 'rb') as file:
      file.seek(offset)
      return file.read(size)
  except tf.errors.OpError as e:
    raise Damaged(f'{_last(path)} cannot be read') from e


def _last(path: str) -> str:
  return path.rpartition('/')[2]
