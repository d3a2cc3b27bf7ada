"""Reads LevelDB's sorted tables, the format of TensorFlow's `.index` files, from untrusted bytes.

Format: https://github.com/google/leveldb/blob/main/doc/table_format.md; checksums are CRC-32C
(Castagnoli), rotated and with a constant added ("masked"), as in TensorFlow's core/lib/hash/crc32c.
A table is accepted only if every byte range is inside the file, every checksum is right, blocks do
not overlap, and keys ascend: no reader can be led in circles or to memory that is not there.
"""

import struct
from collections.abc import Iterator

LARGEST = 1 << 24  # bytes of a table; the largest published model's has 200 000
_LONGEST_KEY = 2048
_MOST_ROWS = 100_000
_MAGIC = 0xdb4775248b80fb57
_FOOTER = 48  # bytes: two handles, zeros, the magic number
_TRAILER = 5  # bytes after a block: its compression, its checksum
_POLYNOMIAL = 0x82f63b78  # of CRC-32C, bits reversed
_MASK = 0xa282ead8


class Damaged(ValueError):
  """The bytes are not what a complete, honest writer leaves; the text says where, in few words."""


def require(holds: bool, problem: str) -> None:
  """Raises Damaged with that text unless the condition holds."""
  if not holds:
    raise Damaged(problem)


def read(data: bytes) -> list[tuple[bytes, bytes]]:
  """Returns the keys of a table, ascending, with their values.

  Args:
    data: the complete file.

  Raises:
    Damaged: it is cut off, changed, compressed, or of another format.
  """
  require(_FOOTER <= len(data) <= LARGEST, f'its index has {len(data)} bytes')
  end = len(data) - _FOOTER
  magic, = struct.unpack_from('<Q', data, len(data) - 8)
  require(magic == _MAGIC, 'its index does not end as a table does; it is cut off or not an index')
  _, position = _handle(data, end, len(data) - 8)
  index_handle, _ = _handle(data, position, len(data) - 8)
  rows: list[tuple[bytes, bytes]] = []
  after = 0  # where the last block ended: blocks neither overlap nor repeat
  for limit, value in _rows(_block(data, index_handle, end)):
    require(not rows or rows[-1][0] < limit, 'the keys of its index do not ascend')
    handle, _ = _handle(value, 0, len(value))
    require(handle[0] >= after, 'blocks of its index overlap')
    after = handle[0] + handle[1] + _TRAILER
    for row in _rows(_block(data, handle, end)):
      require(not rows or rows[-1][0] < row[0], 'the keys of its index do not ascend')
      require(row[0] <= limit, 'the keys of its index do not ascend')
      require(len(rows) < _MOST_ROWS, f'its index has more than {_MOST_ROWS} entries')
      rows.append(row)
  return rows


def varint(data: bytes, position: int, end: int) -> tuple[int, int]:
  """Returns a number of at most 64 bits, 7 in a byte, and the position after it.

  Raises:
    Damaged: it does not end before `end`, or is larger.
  """
  value = 0
  for i in range(10):
    require(position + i < end, 'a number in it is cut off')
    byte = data[position + i]
    value |= (byte & 127) << (7 * i)
    if byte < 128:
      require(value < 1 << 64, 'a number in it is too large')
      return value, position + i + 1
  raise Damaged('a number in it is too large')


def _handle(data: bytes, position: int, end: int) -> tuple[tuple[int, int], int]:
  """Returns a block's offset and size, and the position after them."""
  offset, position = varint(data, position, end)
  size, position = varint(data, position, end)
  return (offset, size), position


def _block(data: bytes, handle: tuple[int, int], end: int) -> bytes:
  """Returns the content of a block whose checksum is right."""
  offset, size = handle
  require(offset + size + _TRAILER <= end, 'a block of its index is outside the file')
  require(data[offset + size] == 0, 'its index is compressed, which TensorFlow never writes')
  written, = struct.unpack_from('<I', data, offset + size + 1)
  right = masked_crc(data[offset:offset + size + 1])
  require(written == right, 'a checksum of its index is wrong')
  return data[offset:offset + size]


def _rows(block: bytes) -> Iterator[tuple[bytes, bytes]]:
  """Yields the keys and values of a block; a key is stored without what it shares with the last."""
  require(len(block) >= 4, 'a block of its index is cut off')
  count, = struct.unpack_from('<I', block, len(block) - 4)
  end = len(block) - 4 - 4 * count
  require(count >= 1 and end >= 0, 'a block of its index is cut off')
  full = {0}  # positions of rows whose key is complete
  key = b''
  position = 0
  while position < end:
    start = position
    shared, position = varint(block, position, end)
    own, position = varint(block, position, end)
    length, position = varint(block, position, end)
    require(shared <= len(key) and position + own + length <= end, 'a row of its index is cut off')
    require(shared + own <= _LONGEST_KEY, 'a name in its index is too long')
    if shared == 0:
      full.add(start)
    key = key[:shared] + block[position:position + own]
    position += own + length
    yield key, block[position - length:position]
  restarts = struct.unpack_from(f'<{count}I', block, end)
  require(restarts[0] == 0 and full.issuperset(restarts), 'a block of its index is inconsistent')


def _crc_table() -> list[int]:
  table = []
  for value in range(256):
    for _ in range(8):
      value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    table.append(value)
  return table


_CRC_TABLE = _crc_table()


def masked_crc(data: bytes) -> int:
  """Returns the checksum that TensorFlow stores: CRC-32C, rotated by 15 bits, plus a constant."""
  crc = 0xffffffff
  for byte in data:
    crc = _CRC_TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
  crc ^= 0xffffffff
  return ((crc >> 15 | crc << 17) + _MASK) & 0xffffffff
