"""Hostile pickles and zip files, written instruction by instruction."""

import io
import pickle
import struct
import zipfile

import numpy as np

MEGABYTE = 2**20


def text(value: str) -> bytes:
  """Returns the instruction for a text."""
  data = value.encode()
  return pickle.BINUNICODE + struct.pack('<I', len(data)) + data


def blob(data: bytes) -> bytes:
  """Returns the instruction for bytes."""
  return pickle.BINBYTES + struct.pack('<I', len(data)) + data


def name(full: str) -> bytes:
  """Returns the instruction for a global."""
  module, _, attribute = full.rpartition('.')
  return f'c{module}\n{attribute}\n'.encode()


def keep(index: int) -> bytes:
  """Returns the instruction that remembers the value on top under a number."""
  return pickle.BINPUT + bytes([index])


def take(index: int) -> bytes:
  """Returns the instruction for a value that was remembered."""
  return pickle.BINGET + bytes([index])


def model(value: bytes) -> bytes:
  """Returns a pickle of {'model': value}."""
  return b'\x80\x04}' + text('model') + value + b's.'


def good() -> bytes:
  """Returns a pickle of a checkpoint of four numbers."""
  return model(b'}' + text('a') + pickle.dumps(np.arange(4, dtype=np.float32), 2)[2:-1] + b's')


def zipped(pickled: bytes, storage: bytes = bytes(96), copies: int = 1) -> bytes:
  """Returns a PyTorch zip of a pickle and of storages '0', '1', …"""
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, 'w') as archive:
    archive.writestr('archive/data.pkl', pickled)
    for i in range(copies):
      archive.writestr(f'archive/data/{i}', storage)
  return buffer.getvalue()


def tensor(key: bytes = text('0'), count: int = 24, size: bytes = b'K\x18\x85',
           stride: bytes = b'K\x01\x85') -> bytes:
  """Returns the instructions for a tensor of a storage with `count` numbers."""
  storage = (b'(' + text('storage') + name('torch.FloatStorage') + key + text('cpu')
             + pickle.BININT + struct.pack('<i', count) + b'tQ')
  return (name('torch._utils._rebuild_tensor_v2') + b'(' + storage + b'K\x00' + size + stride
          + b'\x89' + name('collections.OrderedDict') + b')RtR')


def poison() -> dict[str, bytes]:
  """Returns pickles that try to change what is shared between files."""
  scalar = pickle.dumps(np.float16(1), 2)[2:-1]
  state = b'}' + text('dtype') + scalar + b's'
  targets = [
      'torch.FloatStorage', 'torch._utils._rebuild_tensor_v2', 'numpy.dtype', 'numpy.ndarray',
      'collections.OrderedDict', 'numpy.core.multiarray._reconstruct', '_codecs.encode']
  found = {}
  for target in targets:
    made = name(target) + b')\x81'
    for kind, value in (('global', name(target)), ('instance', made)):
      label = f'{kind} of {target}'
      found[f'state into {label}'] = model(value + state + b'b')
      found[f'slots into {label}'] = model(value + b'N' + state + b'\x86b')
      found[f'item into {label}'] = model(value + text('dtype') + scalar + b's')
      found[f'items into {label}'] = model(value + b'(' + text('dtype') + scalar + b'u')
      found[f'append to {label}'] = model(value + scalar + b'a')
      found[f'add to {label}'] = model(value + b'(' + scalar + b'\x90')
  array = name('numpy.core.multiarray._reconstruct') + b')R'
  found['state into what a dtype holds'] = model(
      name('numpy.dtype') + text('f4') + b'\x85R' + b'(K\x03' + text('>') + b'NNNtb')
  found['an array as state of an array'] = model(array + keep(0) + take(0) + b'b')
  found['a class by INST'] = model(b'(icollections\nOrderedDict\n')
  found['a class by OBJ'] = model(b'(' + name('collections.OrderedDict') + b'o')
  found['an extension'] = model(b'\x82\x01')
  found['a dictionary as a class'] = model(b'})R')
  found['a foreign name'] = model(name('tf_maskformer.modeling.conversion.pickles._DAMAGE'))
  return found


def costly() -> dict[str, bytes]:
  """Returns small pickles and zips that unfold, or are compared or hashed for ever, if followed."""
  deep = b'N' + b'\x85' * 100_000
  deeper = b'N' + b'\x85' * 300_000
  wide = text('x') + keep(0) + b'0' + b''.join(
      b'(' + take(i) * 100 + b't' + keep(i + 1) + b'0' for i in range(14)) + take(14)
  digits = pickle.LONG4 + struct.pack('<i', MEGABYTE) + b'\x7f' * MEGABYTE
  number = b'\x8a\xff' + b'\x7f' * 255
  big = blob(bytes(2 * MEGABYTE)) + keep(0) + b'0'
  array = name('numpy.core.multiarray._reconstruct') + b')R(K\x01J\x00\x00\x20\x00\x85'
  dtype = name('numpy.dtype') + text('u1') + b'\x85R' + keep(1) + b'0'
  long_text = text('x' * (2 * MEGABYTE)) + keep(0) + b'0'
  encode = name('_codecs.encode') + take(0) + text('latin1') + b'\x86R'
  many = 400
  collisions = b''.join(
      b'\x8a\x0a' + (i * (2**61 - 1)).to_bytes(10, 'little') + b'N' for i in range(60_000))
  same_keys = b''.join(text('k' * 20_000) + b'N' for _ in range(300))
  load = name('torch.storage._load_from_bytes') + take(0) + b'\x85R'
  older = b''.join([
      pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2), pickle.dumps({}, 2),
      b'\x80\x02(' + text('storage') + name('torch.FloatStorage') + text('0') + text('cpu')
      + b'J\x00\x00\x08\x00tQ.', pickle.dumps(['0'], 2), struct.pack('<q', 2**19),
      bytes(2 * MEGABYTE)])
  sizes = b'(' + number + keep(0) + take(0) * 200_000 + b't'
  transposed = tensor(count=2**19, size=b'M\x00\x02M\x00\x04\x86', stride=b'K\x01M\x00\x02\x86')
  return {
      'wide tuples as a key': b'}' + wide + b'Ns.',
      'wide tuples as a type': name('numpy.dtype') + wide + b'\x85R.',
      'wide tuples as an encoding': name('_codecs.encode') + text('a') + wide + b'\x86R.',
      'wide tuples as a storage': zipped(model(tensor(key=wide))),
      'wide tuples as a shape': zipped(model(tensor(size=wide + b'\x85'))),
      'wide tuples as a name': wide + text('load') + b'\x93.',
      'deep tuples as a key': b'}' + deeper + b'Ns.',
      'deep tuples as a value': model(deep),
      'deep tuples as arguments': name('torch.Size') + deep + b'R.',
      'deep lists': b']' * 100_000 + b'a' * 99_999 + b'.',
      'deep tuples that are left': deep + b'0N.',
      'a number of a million digits': digits + b'.',
      'a number of a million digits as text': b'L' + b'9' * MEGABYTE + b'L\n.',
      'sizes of 255 bytes': zipped(model(tensor(size=sizes))),
      'sizes of 255 bytes of an array': name('numpy.core.multiarray._reconstruct') + b')R(K\x01'
                                        + sizes + b'N\x89Ntb.',
      'encoded again and again': long_text + b'(' + encode * many + b'l.',
      'arrays of one text': long_text + dtype + b'(' + (
          array + take(1) + b'\x89' + take(0) + b'tb') * many + b'l.',
      'arrays of the same bytes': big + dtype + b'(' + (
          array + take(1) + b'\x89' + take(0) + b'tb') * many + b'l.',
      'a file in the file again and again': blob(older) + keep(0) + b'0(' + load * many + b'l.',
      'tensors of one storage': zipped(
          model(b'(' + transposed * many + b'l'), bytes(2 * MEGABYTE)),
      'an expanded tensor': zipped(model(tensor(
          count=1, size=b'J\xff\xff\xff\x3f\x85', stride=b'K\x00\x85'))),
      'lists': b']' * (2 * MEGABYTE) + b'.',
      'marks': b'(' * (2 * MEGABYTE) + b'.',
      'dictionaries': b'}' * (2 * MEGABYTE) + b'.',
      'one value again and again': b'N' + b'2' * (2 * MEGABYTE) + b'.',
      'remembered again and again': b'N' + b''.join(
          b'r' + struct.pack('<I', i) for i in range(100_000)) + b'.',
      'one wide letter': text('x' * (4 * MEGABYTE) + '\U0001f600') + b'.',
      'one wide letter, escaped': b'V' + b'x' * (4 * MEGABYTE) + b'\\U0001f600\n.',
      'keys of one hash': b'}(' + collisions + b'u.',
      'long keys that are equal': b'}(' + same_keys + b'u.',
      'pairs again and again': b'](' + (b'K\x01N\x86' * 50_000) + b'e' + keep(0) + b'0('
                               + (name('collections.OrderedDict') + take(0) + b'\x85R') * many
                               + b'l.',
      'a list in itself': b']' + keep(0) + take(0) + b'a.',
      'a dictionary in itself': b'}' + keep(0) + b'K\x01' + take(0) + b's.',
      'eight bytes of length': b'\x8e' + b'\xff' * 7 + b'\x7fabc.',
      'a row of bytes': b'\x96' + b'\xff' * 5 + bytes(3) + b'abc.',
      'a frame': b'\x95' + b'\xff' * 8 + b'.',
      'a negative length': b'T\xff\xff\xff\xffabc.',
  }


def zips() -> dict[str, bytes]:
  """Returns zip files that are not PyTorch's."""
  plain = zipped(model(tensor()))
  first = plain.rfind(b'PK\x01\x02', 0, plain.rfind(b'PK\x01\x02'))  # the entry of data.pkl
  last = plain.rfind(b'PK\x01\x02')  # that of data/0
  end = plain.rfind(b'PK\x05\x06')

  def changed(at: int, value: bytes) -> bytes:
    return plain[:at] + value + plain[at + len(value):]

  many = io.BytesIO()
  with zipfile.ZipFile(many, 'w') as archive:
    archive.writestr('archive/data.pkl', model(tensor()))
    for i in range(60_000):
      archive.writestr(f'archive/data/{i}', b'')
  twice = zipped(model(tensor()), copies=2).replace(b'archive/data/1', b'archive/data/0')
  return {
      'encrypted': changed(last + 8, b'\x01'),
      'encrypted strongly': changed(last + 8, b'\x41'),
      'deflated': changed(last + 10, b'\x08'),
      'of an unknown method': changed(last + 10, b'\x63'),
      'of a later version': changed(last + 6, b'\xff'),
      'of two sizes': changed(last + 20, struct.pack('<I', 95)),
      'longer than the file': changed(last + 20, struct.pack('<II', 2**30, 2**30)),
      "of another file's name": changed(last + 46, b'archive/data/9'),
      'there twice': twice,
      'overlapping': changed(last + 42, plain[first + 42:first + 46]),
      'beyond the end': changed(last + 42, struct.pack('<I', 2**31)),
      'with a wrong checksum': changed(last + 16, b'\x01\x02\x03\x04'),
      'of many entries': many.getvalue(),
      'of a huge directory': changed(end + 12, struct.pack('<I', 2**31)),
      'of two pickles': plain.replace(b'archive/data/0', b'other/data.pkl'),
      'without a pickle': plain.replace(b'data.pkl', b'data.pk_'),
      'of numbers that are missing': zipped(model(tensor(key=text('../0')))),
      'of zip64 without it': changed(last + 20, b'\xff' * 8),
  }
