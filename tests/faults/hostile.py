"""Damaged and hostile records and annotations: how they are made."""

import copy
import io
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from tf_maskformer.dataloaders import schema

# Replace a value of an annotation; the last ones are names of files outside the folder.
VALUES = (
    None, True, False, -1, 0, 3, 1.5, 2**31, 2**40, 2**63, 2**70, -2**70, 1e308, -0.0, '', '7',
    'car', 'x' * 100000, '\ud800', 'a\nb\x1b[31m', 'a\0b', [], [[]], [None], [[1e9] * 6],
    [[0, 0, 1]], {}, {'size': [10**9, 10**9], 'counts': [10**18]},
    {'size': [2, 2], 'counts': 'oooooo'}, {'size': None, 'counts': None}, '../../x', '/etc/passwd')
_BIG = (-1, 1, 2, 7, 255, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**40, 2**63 - 1, -2**63)
_FILES = (
    b'', b' \n', b'\0' * 500, b'[' * 100000, b'{"a":' * 100000, b'[]', b'null', b'"text"', b'7',
    b'\xff\xfe\x00', b'\x89PNG\r\n\x1a\n' + b'\0' * 50, b'{"images": NaN}', b'{"a": 1, "a": 2}',
    b'{"images": [' + b'9' * 10000 + b']}', b'{"images": {}, "annotations": []}', b'{}',
    b'{"images": [], "annotations": [7]}', b'{"images": [7], "annotations": [], "categories": []}')
_INTS = ('image/height', 'image/width', 'segments/class', 'segments/is_crowd', 'segments/layer',
         'segments/area', 'segments/id', 'polygons/segment', 'polygons/corners', 'instances/class',
         'instances/is_crowd', 'instances/area', 'instances/id')
_BYTES = ('image/encoded', 'image/id_maps', 'image/void', 'image/source_id', 'image/filename',
          'polygons/coordinates', 'instances/runs')
_COORDINATES = (float('nan'), float('inf'), 1e300, -1e9, 2e5)


def png_bomb(height: int, width: int, bits: int = 8, color: int = 0) -> bytes:
  """Returns a PNG whose header promises a size and whose data hold next to nothing."""
  def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))

  header = struct.pack('>IIBBBBB', width, height, bits, color, 0, 0, 0)
  return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header)
          + chunk(b'IDAT', zlib.compress(bytes(1000))) + chunk(b'IEND', b''))


def jpeg_bomb(side: int = 65000) -> bytes:
  """Returns a small JPEG whose header promises a side."""
  buffer = io.BytesIO()
  Image.new('RGB', (8, 8)).save(buffer, 'JPEG')
  data = buffer.getvalue()
  place = data.index(b'\xff\xc0')
  return data[:place + 5] + struct.pack('>HH', side, side) + data[place + 9:]


def lying_example(length: int = 2**32 - 5) -> bytes:
  """Returns the bytes of an Example whose image says that it is so long, and is not."""
  def varint(number: int) -> bytes:
    digits = []
    while number > 127:
      digits.append(number & 127 | 128)
      number >>= 7
    return bytes([*digits, number])

  def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content

  images = b'\x0a' + varint(length) + b'abc'
  entry = field(1, b'image/encoded') + field(2, field(1, images))
  return field(1, field(1, entry))


def other_image(rng: np.random.Generator) -> bytes:
  """Returns an image that a record must not hold in this place: formats, modes, sizes, bombs."""
  kind = rng.choice(['GIF', 'BMP', 'WEBP', 'PNG', 'P', 'I;16', 'png bomb', 'jpeg bomb', 'empty'])
  if kind == 'png bomb':
    return png_bomb(60000, 60000, int(rng.choice([8, 16])), int(rng.choice([0, 2])))
  if kind == 'jpeg bomb':
    return jpeg_bomb()
  if kind == 'empty':
    return png_bomb(0, int(rng.integers(2)))
  size = (int(rng.integers(1, 90)), int(rng.integers(1, 90)))
  image = Image.new({'P': 'P', 'I;16': 'I;16'}.get(kind, 'RGB'), size)
  buffer = io.BytesIO()
  image.save(buffer, kind if kind in ('GIF', 'BMP', 'WEBP') else 'PNG')
  return buffer.getvalue()


def damaged_bytes(data: bytes, rng: np.random.Generator) -> bytes:
  """Returns bytes with some of them changed, cut off, doubled or zeroed."""
  kind = rng.integers(5)
  place = int(rng.integers(len(data) + 1))
  if kind == 0:
    changed = bytearray(data)
    for index in rng.integers(0, max(len(data), 1), 5):
      changed[index % max(len(data), 1):index + 1] = bytes([int(rng.integers(256))])
    return bytes(changed)
  if kind == 1:
    return data[:place]
  if kind == 2:
    return data + data
  return data[:place] + bytes(30) + data[place + (30 if kind == 3 else 0):]


def _changed_ints(values: list[int], rng: np.random.Generator) -> list[int]:
  kind = rng.integers(5)
  if kind == 0:
    return values[:-1]
  if kind == 1:
    return values + [int(rng.choice(_BIG))]
  if kind == 2:
    return [0] * 10**6
  if kind == 3 or not values:
    return []
  changed = list(values)
  changed[rng.integers(len(values))] = int(_BIG[rng.integers(len(_BIG))])
  return changed


def _changed_files(key: str, values: list[bytes], rng: np.random.Generator) -> list[bytes]:
  kind = rng.integers(6)
  if kind == 0:
    return values[:-1]
  if kind == 1:
    return values + values[:1]
  if not values:
    return [other_image(rng)]
  if kind == 2 and key == 'polygons/coordinates':
    coordinates = np.frombuffer(values[0], '<f8').copy()
    coordinates[rng.integers(len(coordinates))] = rng.choice(_COORDINATES)
    return [coordinates.tobytes()]
  if kind == 3 and key == 'image/id_maps':
    return [schema.encode_id_map(rng.integers(0, 70, [64, 64]))]
  if kind == 4 or key in ('image/source_id', 'image/filename'):
    return [bytes(rng.integers(0, 256, 40, np.uint8)), *values[1:]]
  new = other_image(rng) if kind == 5 else damaged_bytes(values[0], rng)
  return [new, *values[1:]]


def record(good: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
  """Returns what was done, in words, and a record that is damaged in one place or two."""
  if rng.random() < 0.1:
    return 'bytes', damaged_bytes(good, rng)
  if rng.random() < 0.03:
    return 'noise', bytes(rng.integers(0, 256, int(rng.integers(1, 400)), np.uint8))
  if rng.random() < 0.03:
    length = int(rng.choice([4, 2**31 - 1, 2**31, 2**32 - 5]))
    return f'length {length}', lying_example(length)
  example = tf.train.Example.FromString(good)
  done = [_damage(example.features.feature, rng) for _ in range(1 + (rng.random() < 0.2))]
  return ', '.join(done), example.SerializeToString()


def _damage(features: Any, rng: np.random.Generator) -> str:
  """Damages one feature and returns its name."""
  key = str(rng.choice([*_INTS, *_BYTES]))
  feature = features[key]
  kind = rng.random()
  if kind < 0.08:
    del features[key]
    return f'{key} is gone'
  if kind < 0.16:
    feature.float_list.value[:] = [1.0]
    return f'{key} is a float'
  if key in _INTS:
    feature.int64_list.value[:] = _changed_ints(list(feature.int64_list.value), rng)
  else:
    feature.bytes_list.value[:] = _changed_files(key, list(feature.bytes_list.value), rng)
  return key


def framed(data: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
  """Returns what was done, in words, and a file of records whose framing is damaged."""
  kind = str(rng.choice(['cut', 'length', 'gzip', 'zeros', 'bits', 'empty', 'text']))
  place = int(rng.integers(1, len(data)))
  length = struct.pack('<Q', int(rng.choice([0, 1, 2**31, 2**62])))
  compressor = zlib.compressobj(wbits=31)
  made: dict[str, Callable[[], bytes]] = {
      'cut': lambda: data[:place],
      'length': lambda: length + data[8:],
      'gzip': lambda: compressor.compress(data) + compressor.flush(),
      'zeros': lambda: bytes(len(data)),
      'bits': lambda: data[:place] + bytes([data[place] ^ 4]) + data[place + 1:],
      'empty': lambda: b'',
      'text': lambda: b'not a record file\n' * 30,
  }
  return kind, made[kind]()


def json_file(good: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
  """Returns what was done, in words, and a damaged JSON file."""
  if rng.random() < 0.4:
    return 'cut or changed', damaged_bytes(good, rng)
  data = _FILES[rng.integers(len(_FILES))]
  return f'{data[:20]!r} …', data


def json_value(good: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
  """Returns what was done, in words, and a JSON with one value that is hostile, gone or doubled.

  The value is within an image, an annotation or a category, so that it concerns one image or all.
  """
  content = copy.deepcopy(json.loads(good))
  place = content
  path: list[Any] = []
  while isinstance(place, (dict, list)) and place and (len(path) < 2 or rng.random() < 0.8):
    parent = place
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    path.append(keys[rng.integers(len(keys))])
    place = place[path[-1]]
  kind = rng.random()
  if kind < 0.15:
    del parent[path[-1]]
  elif kind < 0.3 and isinstance(parent, list):
    parent.append(copy.deepcopy(parent[path[-1]]))
  else:
    parent[path[-1]] = VALUES[rng.integers(len(VALUES))]
  return f'{path} {kind:.2f}', json.dumps(content).encode()
