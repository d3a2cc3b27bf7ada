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


def write(prefix: str, content: dict[bytes, bytes]) -> None:
  """Replaces a checkpoint's index."""
  pathlib.Path(prefix + '.index').write_bytes(table(sorted(content.items())))


def table(content: list[tuple[bytes, bytes]]) -> bytes:
  """Returns a sorted table with one block of these rows, in this order."""
  data = block(content)
  handle = _varint(0) + _varint(len(data) - 5)
  meta_offset = len(data)
  data += block([])
  meta = _varint(meta_offset) + _varint(len(data) - meta_offset - 5)
  index_offset = len(data)
  data += block([(content[-1][0] if content else b'', handle)])
  index = _varint(index_offset) + _varint(len(data) - index_offset - 5)
  return data + footer(meta + index)


def footer(handles: bytes) -> bytes:
  """Returns the last 48 bytes of a table."""
  return handles.ljust(40, b'\0') + struct.pack('<Q', 0xdb4775248b80fb57)


def block(content: list[tuple[bytes, bytes]]) -> bytes:
  """Returns rows as a block, with its compression (none) and checksum."""
  data = b''
  for key, value in content:
    data += _varint(0) + _varint(len(key)) + _varint(len(value)) + key + value
  return sealed(data + struct.pack('<II', 0, 1))


def sealed(data: bytes) -> bytes:
  """Returns the content of a block with what follows it."""
  return data + b'\0' + struct.pack('<I', sorted_tables.masked_crc(data + b'\0'))


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
