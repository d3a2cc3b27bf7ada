"""Hostile safetensors and HDF5 files, and checkpoints of TensorFlow with forged indexes.

Makers of files return bytes; those of checkpoints get a copy of a good one and change it in place.
"""

import io
import json
import pathlib
import random
import struct
from collections.abc import Callable

import h5py
import numpy as np

from tests.faults import tables
from tests.faults.good_files import Good
from tests.faults.hostile_pickles import change

# Files next to the hostile one; nothing of them may come back. They hold this number only.
SECRET = 'secret.bin'
_SECRET_HDF5 = 'secret.h5'
SECRET_NUMBER = 1234.5
_KERNEL = 'conv2_block1_2_conv/conv2_block1_2_conv/kernel:0'
_SHAPE = (3, 3, 2, 2)


def write_secrets(folder: pathlib.Path) -> None:
  """Writes the files that hostile ones refer to."""
  numbers = np.full(_SHAPE, SECRET_NUMBER, np.float32)
  (folder / SECRET).write_bytes(numbers.tobytes())
  with h5py.File(folder / _SECRET_HDF5, 'w') as file:
    file['kernel'] = numbers


def header(chance: random.Random, good: Good) -> bytes:
  """A safetensors header that announces what is not there, or is not a header."""
  del good
  huge = chance.choice((1 << 31, 1 << 40, (1 << 63) - 1))
  tensor = {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]}
  made = chance.choice((
      {'a': {**tensor, 'shape': [huge, huge]}}, {'a': {**tensor, 'data_offsets': [0, huge]}},
      {'a': {**tensor, 'data_offsets': [8, 0]}}, {'a': {**tensor, 'data_offsets': [-8, 0]}},
      {'a': {**tensor, 'dtype': 'F31'}}, {'a': {**tensor, 'shape': [-2]}},
      {'a': tensor, 'b': tensor}, {'a': {**tensor, 'shape': [0] * 100_000}}, {'a': []}, [],
      {'__metadata__': {'x': [1]}},
      {'a\n\x1b[31m': tensor}, {'a' * 1_000_000: tensor}, {f'a{i}': tensor for i in range(50_000)}))
  text = chance.choice((
      json.dumps(made), json.dumps(made), json.dumps(made), '[' * 100_000, '{"a":' * 100_000,
      '{"a": 1' + '0' * 1_000_000 + '}', '', '\ud800'.encode('utf-8', 'surrogatepass').decode(
          'latin1')))
  data = text.encode('latin1')
  length = chance.choice((len(data), len(data), len(data), huge, 0, 100_000_001))
  return struct.pack('<Q', length) + data + bytes(8)


def safetensors_mutated(chance: random.Random, good: Good) -> bytes:
  """A good safetensors file with some bytes changed, or cut."""
  if chance.random() < 0.3:
    return good.safetensors[:chance.randrange(len(good.safetensors))]
  return change(chance, good.safetensors)


def hdf5_mutated(chance: random.Random, good: Good) -> bytes:
  """A good HDF5 file with some bytes changed, or cut."""
  if chance.random() < 0.2:
    return good.keras[:chance.randrange(len(good.keras))]
  return change(chance, good.keras)


def hdf5(chance: random.Random, good: Good) -> bytes:
  """A good HDF5 file with one thing in it that reads other files, unfolds, or is not a weight."""
  target = io.BytesIO(good.keras)
  with h5py.File(target, 'r+') as file:
    chance.choice(_HDF5)(chance, file)
  return target.getvalue()


def _external(chance: random.Random, file: h5py.File) -> None:
  name = chance.choice((SECRET, '/etc/passwd', '../secret.bin'))
  del file[_KERNEL]
  file.create_dataset(_KERNEL, _SHAPE, np.float32, external=[(name, 0, h5py.h5f.UNLIMITED)])


def _external_link(chance: random.Random, file: h5py.File) -> None:
  del file[_KERNEL]
  file[_KERNEL] = h5py.ExternalLink(chance.choice((_SECRET_HDF5, '/dev/zero')), '/kernel')


def _virtual(chance: random.Random, file: h5py.File) -> None:
  del chance
  del file[_KERNEL]
  layout = h5py.VirtualLayout(_SHAPE, np.float32)
  layout[:] = h5py.VirtualSource(_SECRET_HDF5, 'kernel', _SHAPE)
  file.create_virtual_dataset(_KERNEL, layout)


def _cycle(chance: random.Random, file: h5py.File) -> None:
  file['conv1_conv/loop'] = chance.choice((
      file['conv1_conv'], h5py.SoftLink('/conv1_conv/loop'), file['/'], h5py.SoftLink('/nothing')))


def _type(chance: random.Random, file: h5py.File) -> None:
  del file[_KERNEL]
  kind = chance.choice((
      h5py.string_dtype(), np.dtype([('a', '<f4'), ('b', '<i8')]), np.complex64, np.int64, np.bool_,
      h5py.ref_dtype, h5py.vlen_dtype(np.float32), np.dtype('V8'), np.dtype(('f4', (2, 2)))))
  file.create_dataset(_KERNEL, _SHAPE, kind)


def _compressed(chance: random.Random, file: h5py.File) -> None:
  """A few kilobytes that unfold into a lot, in one or in many data sets."""
  count, size = chance.choice(((1, 1 << 28), (100, 1 << 24)))
  for i in range(count):
    file.create_dataset(
        f'conv{i}_conv/x/kernel:0', (size,), np.float32, compression='gzip', chunks=(1 << 16,),
        fillvalue=0)


def _huge(chance: random.Random, file: h5py.File) -> None:
  """A data set that was never written, so that it takes no room."""
  del file[_KERNEL]
  size = chance.choice((1 << 20, 1 << 40))
  file.create_dataset(_KERNEL, (size, 3, 2, 2), np.float32, chunks=(1, 3, 2, 2))


def _structure(chance: random.Random, file: h5py.File) -> None:
  which = chance.randrange(6)
  if which == 0:
    del file['conv1_bn']
  elif which == 1:
    file['model_weights'] = np.zeros(3, np.float32)
  elif which == 2:
    file['kernel'] = np.zeros(3, np.float32)
  elif which == 3:
    for name in list(file):
      if name != 'conv1_conv':
        del file[name]
  elif which == 4:
    file['/'.join(['deep'] * 2000)] = np.zeros(1, np.float32)
  else:
    for i in range(30_000):
      file.create_group(f'g{i}')


def _numbers(chance: random.Random, file: h5py.File) -> None:
  file[_KERNEL][...] = chance.choice((np.nan, np.inf, -np.inf))


_HDF5 = (
    _external, _external_link, _virtual, _cycle, _type, _compressed, _huge, _structure, _numbers)


def forged(chance: random.Random, prefix: pathlib.Path) -> None:
  """Changes one field of one entry of an index, or the rows; the checksums are right."""
  path = prefix.with_suffix('.index')
  rows = tables.read(path.read_bytes())
  which = chance.randrange(1, len(rows))
  key, value = rows[which]
  entry = tables.entry(value)
  kind = chance.choice((
      'dtype', 'dtype', 'shape', 'shard', 'offset', 'size', 'crc', 'slices', 'key', 'order',
      'twice', 'header', 'garbage', 'many'))
  numbers = (0, 1, 3, 7, 1 << 20, (1 << 31) - 1, -1, (1 << 62), -(1 << 62))
  if kind == 'dtype':
    entry.dtype = chance.choice((0, 4, 7, 8, 20, 21, 23, 30, 99, 101, 1000, 1 << 20))
  elif kind == 'shape':
    for _ in range(chance.choice((1, 1, 300))):
      entry.shape.dim.add().size = chance.choice(numbers)
    entry.shape.unknown_rank = chance.random() < 0.1
  elif kind == 'shard':
    entry.shard_id = chance.choice((1, -1, (1 << 31) - 1))
  elif kind in ('offset', 'size'):
    setattr(entry, kind, chance.choice(numbers))
  elif kind == 'crc':
    entry.crc32c ^= 1
  elif kind == 'slices':
    for _ in range(chance.choice((1, 1000))):
      extent = entry.slices.add().extent.add()
      extent.start = max(0, chance.choice(numbers))
  rows[which] = (key, entry.SerializeToString())
  if kind == 'garbage':
    rows[which] = (key, bytes(chance.randrange(256) for _ in range(chance.choice((0, 5, 300)))))
  path.write_bytes(tables.write(_changed_rows(chance, kind, rows, which)))


def _changed_rows(chance: random.Random, kind: str, rows: tables.Rows, which: int) -> tables.Rows:
  """Returns the rows with their keys, their order or the header changed, where that is the kind."""
  key, value = rows[which]
  if kind == 'key':
    rows[which] = (chance.choice((b'\xff\xfe', b'a' * 100_000, b'', key + b'\n\x1b[31m')), value)
  elif kind == 'order':
    rows.reverse()
  elif kind == 'twice':
    rows.insert(which, rows[which])
  elif kind == 'many':
    rows += [(b'z%07d' % i, value) for i in range(20_000)]
  elif kind == 'header':
    head = tables.header(rows[0][1])
    head.num_shards = chance.choice((0, -1, 2, (1 << 31) - 1))
    head.endianness = chance.choice((0, 1))
    head.version.min_consumer = chance.choice((0, 1000))
    rows[0] = (rows[0][0], head.SerializeToString())
  return rows


def index_mutated(chance: random.Random, prefix: pathlib.Path) -> None:
  """Changes bytes of an index, or cuts it."""
  path = prefix.with_suffix('.index')
  data = path.read_bytes()
  cut = chance.random() < 0.3
  path.write_bytes(data[:chance.randrange(len(data))] if cut else change(chance, data))


def data_damaged(chance: random.Random, prefix: pathlib.Path) -> None:
  """Changes bytes of a data file, cuts it, or removes it."""
  path = pathlib.Path(f'{prefix}.data-00000-of-00001')
  data = path.read_bytes()
  kind = chance.choice(('cut', 'zeros', 'change', 'missing'))
  if kind == 'missing':
    path.unlink()
  elif kind == 'cut':
    path.write_bytes(data[:chance.randrange(len(data))])
  elif kind == 'zeros':
    start = chance.randrange(len(data))
    path.write_bytes(data[:start] + bytes(len(data) - start))
  else:
    path.write_bytes(change(chance, data))


MAKERS: dict[str, tuple[Callable[[random.Random, Good], bytes], ...]] = {
    '.safetensors': (header, header, safetensors_mutated),
    '.h5': (hdf5, hdf5, hdf5, hdf5_mutated),
}
CHECKPOINT_CHANGES = (forged, forged, forged, index_mutated, data_damaged)
