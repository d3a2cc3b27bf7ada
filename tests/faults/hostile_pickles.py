"""Hostile pickles and PyTorch zips, assembled from opcodes.

Each maker takes a source of randomness and the `Good` files, and returns the bytes of a file. Where
there is something to be run, it creates the file `CANARY` in the folder at hand.
"""

import io
import pickle
import random
import struct
import zipfile
from collections.abc import Callable

from tests.faults.good_files import Good

CANARY = 'canary'
_END = b'.'
_KNOWN = (
    'torch FloatStorage', 'torch HalfStorage', 'torch._utils _rebuild_tensor_v2', 'torch Size',
    'collections OrderedDict', 'numpy dtype', 'numpy ndarray', '_codecs encode',
    'numpy.core.multiarray _reconstruct', 'numpy.core.multiarray scalar',
    'torch.nn.parameter Parameter', 'torch.storage _load_from_bytes', 'builtins bytes')
_STORAGES = ('torch FloatStorage', 'torch._utils _rebuild_tensor_v2')
_RUNNING = (
    ('os', 'system'), ('posix', 'system'), ('builtins', 'eval'), ('builtins', 'exec'),
    ('subprocess', 'Popen'), ('builtins', '__import__'), ('nt', 'system'),
    ('torch.hub', 'load'), ('numpy.testing._private.utils', 'runstring'),
    ('tf_maskformer.modeling.conversion.pickles', 'io.os.system'))

Maker = Callable[[random.Random, Good], bytes]


def _name(name: str) -> bytes:
  """Pushes a global: 'module name'."""
  module, attribute = name.split(' ')
  return f'c{module}\n{attribute}\n'.encode()


def _text(text: str) -> bytes:
  data = text.encode()
  return b'X' + struct.pack('<I', len(data)) + data


def _int(value: int) -> bytes:
  data = value.to_bytes(value.bit_length() // 8 + 1, 'little', signed=True)
  return b'\x8b' + struct.pack('<i', len(data)) + data


def _call(name: str, *arguments: bytes) -> bytes:
  return _name(name) + b'(' + b''.join(arguments) + b'tR'


def _put(index: int) -> bytes:
  return b'r' + struct.pack('<I', index)


def _get(index: int) -> bytes:
  return b'j' + struct.pack('<I', index)


def _tree(depth: int, width: int) -> bytes:
  """Pushes a tuple of tuples of … `depth` levels, each `width` times the same."""
  data = b')' + _put(0)
  for level in range(depth):
    data += b'(' + _get(level) * width + b't' + _put(level + 1)
  return data


def poison(chance: random.Random, good: Good) -> bytes:
  """BUILD, SETITEM or APPEND on what the reader may share between files."""
  del good
  target = _name(chance.choice((*_KNOWN, *_STORAGES * 3)))
  attribute = chance.choice(('dtype', 'dtype', 'value', '__call__', 'resolve', '__init__'))
  half = _call('numpy dtype', _text('f2'))
  scalar = _call('numpy.core.multiarray scalar', half, _call('_codecs encode', _text('ab'),
                                                             _text('latin1')))
  wrong = chance.choice((scalar, scalar, half, _int(7), _name(chance.choice(_KNOWN))))
  state = b'}' + _text(attribute) + wrong + b's'
  change = chance.choice((
      state + b'b', state + b'b', b'N' + state + b'\x86b', _text(attribute) + wrong + b's',
      wrong + b'a'))
  return b'\x80\x02' + target + change + _END


def runs(chance: random.Random, good: Good) -> bytes:
  """Names a function that would run a command, by one of the opcodes that call."""
  del good
  module, name = chance.choice(_RUNNING)
  command = f'touch {CANARY}' if name in ('system', 'Popen', 'io.os.system') else (
      f"__import__('os').system('touch {CANARY}')")
  old = f'c{module}\n{name}\n'.encode()
  new = _text(module) + _text(name) + b'\x93'
  argument = _text(command)
  return b'\x80\x04' + chance.choice((
      old + b'(' + argument + b'tR', new + argument + b'\x85R', new + argument + b'\x85\x81',
      b'(' + argument + f'i{module}\n{name}\n'.encode(), b'(' + old + argument + b'o',
      new + argument + b'\x85}\x92', _name('collections OrderedDict') + b')R' + new + argument
      + b'\x85Rb', new + b'(' + argument + b't\x85R')) + _END


def tree(chance: random.Random, good: Good) -> bytes:
  """A tuple with 100^14 leaves where something is hashed, printed or measured."""
  del good
  tuples = _tree(chance.randint(10, 30), chance.choice((2, 100, 100)))
  return b'\x80\x04' + chance.choice((
      b'}' + tuples + b'Ns', b'\x8f(' + tuples + b'\x90', b'(' + tuples + b'\x91',
      _call('numpy dtype', tuples), _call('_codecs encode', _text('a'), tuples),
      _call('torch Size', tuples), tuples + b'Q', b'(' + _text('storage') + tuples + b'tQ',
      _call('torch._utils _rebuild_tensor_v2', *[tuples] * 6),
      _call('collections OrderedDict', tuples), tuples)) + _END


def deep(chance: random.Random, good: Good) -> bytes:
  """Hundreds of thousands of levels."""
  del good
  count = chance.choice((900, 5000, 100_000, 300_000, 1_000_000))
  nested = chance.choice((
      b')' + b'\x85' * count, b'(' * count + b'l' * count, b'(' * count + b't' * count,
      b']' * count + b'a' * (count - 1), b'N' + b'\x85' * count))
  return b'\x80\x02' + chance.choice((nested, b'}' + nested + b'Ns', nested + b'Q')) + _END


def big_numbers(chance: random.Random, good: Good) -> bytes:
  """Numbers of many bytes or digits, as sizes and alone."""
  del good
  number = _int(1 << chance.choice((63, 64, 2000, 800_000)))
  many = number + _put(0) + b'(' + _get(0) * chance.choice((2, 1000, 200_000)) + b't'
  storage = b'(' + _text('storage') + _name('torch FloatStorage') + _text('0') + _text(
      'cpu') + number + b'tQ'
  digits = b'9' * chance.choice((5000, 1_000_000))
  return b'\x80\x02' + chance.choice((
      number + b'0' + many, number + b'0' + _call('torch Size', many), storage,
      _call('torch._utils _rebuild_tensor_v2', storage, _int(0), many, many, b'\x89', b'N'),
      b'I' + digits + b'\n', b'L' + digits + b'L\n', b'F' + digits + b'\n', b'p' + digits + b'\n',
      b'P' + digits + b'\n')) + _END


def lengths(chance: random.Random, good: Good) -> bytes:
  """Lengths and memo indices that the file has no bytes for."""
  del good
  length = chance.choice((1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1))
  eight = struct.pack('<Q', length)
  four = struct.pack('<I', length & 0xffffffff)
  return b'\x80\x05' + chance.choice((
      b'\x8e' + eight, b'\x8d' + eight, b'\x96' + eight, b'\x95' + eight, b'X' + four, b'B' + four,
      b'T' + four, b'\x8b' + four, b'Nr' + four, b'j' + four, b'N\x94' * 1000 + b'r' + four)
  ) + b'abc' + _END


def references(chance: random.Random, good: Good) -> bytes:
  """A few megabytes, referenced hundreds of times where each would be copied."""
  del good
  size = chance.choice((1 << 20, 4 << 20))
  blob = b'X' + struct.pack('<I', size) + b'a' * size + _put(0) + b'0'
  one = chance.choice((
      _call('_codecs encode', _get(0), _text('latin1')),
      _call('torch.storage _load_from_bytes', _call('_codecs encode', _get(0), _text('latin1'))),
      _call('builtins bytes', _get(0), _text('latin1')), _call('torch Size', _get(0)),
      _call('collections OrderedDict', _get(0)),
      _call('numpy.core.multiarray scalar', _call('numpy dtype', _text('f4')), _get(0))))
  return b'\x80\x02' + blob + b'(' + one * chance.choice((100, 400)) + b't' + _END


def odd(chance: random.Random, good: Good) -> bytes:
  """Opcodes that no checkpoint needs, stacks that do not fit, values that are not a checkpoint."""
  del good
  return b'\x80' + bytes([chance.choice((2, 4, 5, 6, 255))]) + chance.choice((
      b'\x82\x01', b'\x84' + struct.pack('<i', -1), b'P0\n', b'\x97', b'\x98', b'1', b'0', b't',
      b'u', b'N', b'K\x01', b']', b'}', _text('x'), b'}' + _text('a') + b'Ns', b"S'" + b'A' * 9999,
      b'c\n\n', b'c' + b'a' * 100_000 + b'\n\n', b'V\\ud800\n', b'N' + b'2' * 2_000_000,
      b'}' + _text('\n\x1b[31mname') + b'Ns')) + chance.choice((_END, b''))


def mutated(chance: random.Random, good: Good) -> bytes:
  """A good file with some bytes changed."""
  return change(chance, good.pickle)


def cut(chance: random.Random, good: Good) -> bytes:
  """A good file that ends early."""
  return good.pickle[:chance.randrange(len(good.pickle))]


def change(chance: random.Random, data: bytes) -> bytes:
  """Returns the bytes with up to 20 of them changed, half of these near the start or the end."""
  changed = bytearray(data)
  for _ in range(chance.randint(1, 20)):
    near = chance.choice((len(data), min(len(data), 2000)))
    position = chance.choice((chance.randrange(near), len(data) - 1 - chance.randrange(near)))
    changed[position] = chance.randrange(256)
  return bytes(changed)


def zip_tricks(chance: random.Random, good: Good) -> bytes:
  """A PyTorch zip with one of the tricks of `_TRICKS`."""
  return chance.choice(_TRICKS)(chance, good.torch)


def zip_mutated(chance: random.Random, good: Good) -> bytes:
  """A good PyTorch zip with some bytes changed, or cut."""
  if chance.random() < 0.3:
    return good.torch[:chance.randrange(len(good.torch))]
  return change(chance, good.torch)


def zip_pickles(chance: random.Random, good: Good) -> bytes:
  """A PyTorch zip whose pickle is hostile."""
  maker = chance.choice((poison, runs, tree, deep, big_numbers, references, odd))
  return _repacked(good.torch, {'archive/data.pkl': maker(chance, good)})


def _repacked(data: bytes, replaced: dict[str, bytes | None], compression=zipfile.ZIP_STORED,
              extra: dict[str, bytes] | None = None) -> bytes:
  """Returns a zip with some entries replaced, removed (None) or added."""
  target = io.BytesIO()
  with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(
      target, 'w', compression) as output:
    for name in source.namelist():
      content = replaced.get(name, source.read(name))
      if content is not None:
        output.writestr(name, content)
    for name, content in (extra or {}).items():
      output.writestr(name, content)
  return target.getvalue()


def _encrypted(chance: random.Random, data: bytes) -> bytes:
  del chance
  return data.replace(b'PK\x01\x02' + data[data.index(b'PK\x01\x02') + 4:][:4] + b'\0\0',
                      b'PK\x01\x02' + data[data.index(b'PK\x01\x02') + 4:][:4] + b'\1\0')


def _bomb(chance: random.Random, data: bytes) -> bytes:
  size = chance.choice((1 << 24, 1 << 28))
  name = chance.choice(('archive/data.pkl', 'archive/data/0', 'archive/other'))
  return _repacked(data, {name: bytes(size)}, zipfile.ZIP_DEFLATED, {'archive/more': bytes(size)})


def _missing(chance: random.Random, data: bytes) -> bytes:
  return _repacked(data, {chance.choice(('archive/data.pkl', 'archive/data/0')): None})


def _many(chance: random.Random, data: bytes) -> bytes:
  count = chance.choice((1000, 60_000))
  return _repacked(data, {}, extra={f'archive/data/x{i}': b'' for i in range(count)})


def _wrong_sizes(chance: random.Random, data: bytes) -> bytes:
  """Changes sizes, offsets or names in the central directory only."""
  start = data.index(b'PK\x01\x02')
  field = chance.choice((16, 20, 24, 28, 30, 32, 42))  # crc, sizes, lengths of names, offset
  changed = bytearray(data)
  value = chance.choice((0, 1, 0x7fffffff, 0xffffffff))
  struct.pack_into('<I', changed, start + field, value)
  return bytes(changed)


def _wrong_end(chance: random.Random, data: bytes) -> bytes:
  """Changes the number of entries, size or offset of the central directory, or its comment."""
  changed = bytearray(data)
  position = len(data) - 22 + chance.choice((8, 10, 12, 16, 18))
  struct.pack_into('<I', changed, position, chance.choice((0, 1, 0xffff, 0xffffffff)))
  return bytes(changed[:len(data)])


def _overlapping(chance: random.Random, data: bytes) -> bytes:
  """Lets every entry of the central directory point at the same bytes."""
  del chance
  changed = bytearray(data)
  position = data.index(b'PK\x01\x02')
  while position >= 0:
    struct.pack_into('<I', changed, position + 42, 0)
    position = data.find(b'PK\x01\x02', position + 1)
  return bytes(changed)


def _protocol_0(chance: random.Random, data: bytes) -> bytes:
  del chance
  return _repacked(data, {'archive/data.pkl': pickle.dumps({'a': [1.5, None]}, 0)})


_TRICKS = (_encrypted, _bomb, _missing, _many, _wrong_sizes, _wrong_end, _overlapping, _protocol_0)

MAKERS: dict[str, tuple[Maker, ...]] = {
    '.pkl': (
        poison, poison, runs, tree, tree, deep, big_numbers, lengths, references, odd, mutated,
        cut),
    '.pth': (zip_tricks, zip_mutated, zip_pickles, runs, zip_tricks),
}
