"""Writes the index of a TensorFlow checkpoint again, with changed entries and right checksums.

TensorFlow checks sums before anything else, so that only such files get at the rest of its reader.
The format is LevelDB's sorted table of BundleHeaderProto and BundleEntryProto.
"""

import struct

from tensorflow.core.protobuf import tensor_bundle_pb2

_MAGIC = 0xdb4775248b80fb57
_POLYNOMIAL = 0x82f63b78  # of CRC-32C
Rows = list[tuple[bytes, bytes]]


def read(data: bytes) -> Rows:
  """Returns keys and values of an index that TensorFlow wrote, uncompressed."""
  _, position = _number(data, len(data) - 48)
  _, position = _number(data, position)
  offset, position = _number(data, position)
  size, _ = _number(data, position)
  rows: Rows = []
  for _, handle in _rows(data[offset:offset + size]):
    start, after = _number(handle, 0)
    length, _ = _number(handle, after)
    rows += _rows(data[start:start + length])
  return rows


def write(rows: Rows) -> bytes:
  """Returns an index with these rows, in the given order, in one block."""
  body = _block(rows)
  data = body + _trailer(body)
  empty = _block([])
  empty_at = len(data)
  data += empty + _trailer(empty)
  index = _block([(rows[-1][0] + b'\xff' if rows else b'', _varint(0) + _varint(len(body)))])
  index_at = len(data)
  data += index + _trailer(index)
  handles = b''.join(map(_varint, (empty_at, len(empty), index_at, len(index))))
  return data + handles.ljust(40, b'\0') + struct.pack('<Q', _MAGIC)


def entry(value: bytes) -> tensor_bundle_pb2.BundleEntryProto:
  """Returns the entry of a tensor."""
  return tensor_bundle_pb2.BundleEntryProto.FromString(value)


def header(value: bytes) -> tensor_bundle_pb2.BundleHeaderProto:
  """Returns the first row's value: number of shards, order of bytes, version."""
  return tensor_bundle_pb2.BundleHeaderProto.FromString(value)


def _number(data: bytes, position: int) -> tuple[int, int]:
  value = shift = 0
  while True:
    byte = data[position]
    position += 1
    value |= (byte & 127) << shift
    shift += 7
    if byte < 128:
      return value, position


def _varint(value: int) -> bytes:
  data = bytearray()
  while value > 127:
    data.append(value & 127 | 128)
    value >>= 7
  return bytes([*data, value])


def _rows(block: bytes) -> Rows:
  count = struct.unpack('<I', block[-4:])[0]
  end = len(block) - 4 - 4 * count
  rows: Rows = []
  position = 0
  key = b''
  while position < end:
    shared, position = _number(block, position)
    own, position = _number(block, position)
    length, position = _number(block, position)
    key = key[:shared] + block[position:position + own]
    position += own
    rows.append((key, block[position:position + length]))
    position += length
  return rows


def _block(rows: Rows) -> bytes:
  """Returns a block; every key is stored complete, and every 16th is a restart."""
  data = b''
  restarts = [0]
  for i, (key, value) in enumerate(rows):
    if i and i % 16 == 0:
      restarts.append(len(data))
    data += _varint(0) + _varint(len(key)) + _varint(len(value)) + key + value
  return data + struct.pack(f'<{len(restarts) + 1}I', *restarts, len(restarts))


def _trailer(block: bytes) -> bytes:
  return b'\0' + struct.pack('<I', masked_crc(block + b'\0'))


def _table() -> list[int]:
  table = []
  for value in range(256):
    for _ in range(8):
      value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    table.append(value)
  return table


_TABLE = _table()


def masked_crc(data: bytes) -> int:
  """Returns the checksum that TensorFlow stores."""
  crc = 0xffffffff
  for byte in data:
    crc = _TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
  crc ^= 0xffffffff
  return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff
