"""Writes indexes of TensorFlow checkpoints with right checksums, whatever they say."""

import pathlib
import random
import struct

from tensorflow.core.protobuf import tensor_bundle_pb2

from tf_maskformer import sorted_tables

HEADER = b''


def rows(prefix: str) -> dict[bytes, bytes]:
  """Returns the keys and values of a checkpoint's index."""
  return dict(sorted_tables.read(pathlib.Path(prefix + '.index').read_bytes()))


def entry(value: bytes) -> tensor_bundle_pb2.BundleEntryProto:
  """Returns a tensor's row as a message."""
  return tensor_bundle_pb2.BundleEntryProto.FromString(value)


def write(prefix: str, content: dict[bytes, bytes], rng: random.Random | None = None) -> None:
  """Replaces a checkpoint's index; see `table`."""
  pathlib.Path(prefix + '.index').write_bytes(table(sorted(content.items()), rng))


def table(content: list[tuple[bytes, bytes]], rng: random.Random | None = None) -> bytes:
  """Returns a sorted table with one block of these rows, in this order.

  Args:
    content: keys and values.
    rng: changes bytes in one place, under right checksums; None: nothing is changed.
  """
  place = rng.randrange(4) if rng else None
  data = sealed(_maybe_mangled(raw_block(content), rng, place == 0))
  where = handle(0, len(data) - 5)
  meta_offset = len(data)
  data += sealed(_maybe_mangled(raw_block([]), rng, place == 1))
  meta = handle(meta_offset, len(data) - meta_offset - 5)
  index_offset = len(data)
  rows_of_index = [(content[-1][0] if content else b'', where)]
  data += sealed(_maybe_mangled(raw_block(rows_of_index), rng, place == 2))
  index = handle(index_offset, len(data) - index_offset - 5)
  return data + footer(_maybe_mangled(meta + index, rng, place == 3))


def footer(handles: bytes) -> bytes:
  """Returns the last 48 bytes of a table."""
  return handles[:40].ljust(40, b'\0') + struct.pack('<Q', 0xdb4775248b80fb57)


def handle(offset: int, size: int) -> bytes:
  """Returns the place of a block."""
  return _varint(offset) + _varint(size)


def sealed(data: bytes) -> bytes:
  """Returns the content of a block with what follows it: its compression (none), its checksum."""
  return data + b'\0' + struct.pack('<I', sorted_tables.masked_crc(data + b'\0'))


def raw_block(content: list[tuple[bytes, bytes]]) -> bytes:
  """Returns rows as the content of a block."""
  data = b''
  for key, value in content:
    data += _varint(0) + _varint(len(key)) + _varint(len(value)) + key + value
  return data + struct.pack('<II', 0, 1)


def _maybe_mangled(data: bytes, rng: random.Random | None, does: bool) -> bytes:
  """Returns bytes of which a few are changed, left out or doubled."""
  if not does or rng is None:
    return data
  changed = bytearray(data)
  for _ in range(rng.choice([1, 1, 2, 5])):
    at = rng.randrange(len(changed))
    changed[at] = rng.choice([0, 1, 127, 128, 255, changed[at] ^ 1 << rng.randrange(8)])
  if rng.random() < 0.2:
    at = rng.randrange(len(changed))
    part = bytes(changed[at:at + rng.choice([1, 8])])
    changed[at:at] = part * rng.choice([1, 20])
  return bytes(changed)


def _varint(number: int) -> bytes:
  out = bytearray()
  while number >= 128:
    out.append(number & 127 | 128)
    number >>= 7
  return bytes(out) + bytes([number])


_NUMBERS = (-1, 0, 1, 2, 3, 7, 1000, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 40, (1 << 63) - 1)
_SMALL = [n for n in _NUMBERS if n < 1 << 31]


def mutate(content: dict[bytes, bytes], rng: random.Random) -> str:
  """Changes one thing that an index says; returns what."""
  keys = sorted(key for key in content if key)
  key = rng.choice(keys)
  message = entry(content[key])
  what = rng.choice([
      'type', 'size', 'offset', 'shard_id', 'dims', 'rank', 'unknown_rank', 'slices', 'bytes',
      'header', 'no header', 'key', 'dropped', 'copied', 'crc32c'])
  if what == 'type':
    message.dtype = rng.choice([0, 7, 20, 21, 22, 30, 99, 101, 120, 1000, 2 ** 31 - 1, 10, 8, 11])
  elif what in ('size', 'offset'):
    setattr(message, what, rng.choice(_NUMBERS))
  elif what == 'shard_id':
    message.shard_id = rng.choice(_SMALL)
  elif what == 'crc32c':
    message.crc32c ^= 1 << rng.randrange(32)
  elif what == 'dims' and message.shape.dim:
    rng.choice(message.shape.dim).size = rng.choice(_NUMBERS)
  elif what in ('rank', 'dims'):
    for _ in range(rng.choice([1, 10, 64, 255, 300])):
      message.shape.dim.add().size = rng.choice(_NUMBERS)
  elif what == 'unknown_rank':
    message.shape.unknown_rank = True
  elif what == 'slices':
    message.slices.add().extent.add(start=rng.choice(_NUMBERS), length=rng.choice(_NUMBERS))
  content[key] = message.SerializeToString()
  if what == 'bytes':
    content[key] = bytes(rng.randrange(256) for _ in range(rng.randrange(40)))
  elif what == 'header':
    content[HEADER] = tensor_bundle_pb2.BundleHeaderProto(
        num_shards=rng.choice(_SMALL), endianness=rng.randrange(2),
        version={'producer': rng.choice(_SMALL), 'min_consumer': rng.choice(_SMALL)},
    ).SerializeToString()
  elif what == 'no header':
    content[HEADER] = bytes(rng.randrange(256) for _ in range(rng.randrange(9)))
  elif what == 'key':
    value = content.pop(key)
    content[bytes(rng.randrange(256) for _ in range(rng.choice([1, 20, 3000])))] = value
  elif what == 'dropped':
    del content[key]
  elif what == 'copied':
    content[key] = content[rng.choice(keys)]
  return what
