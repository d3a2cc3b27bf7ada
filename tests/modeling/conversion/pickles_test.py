"""Pickled checkpoints are read without running them; hostile and damaged ones are refused.

PyTorch's formats are written here by hand, byte for byte as PyTorch does; where PyTorch is
installed its own files are read too.
"""

import collections
import io
import os
import pathlib
import pickle
import struct
import zipfile

import numpy as np
import pytest

from tests.modeling import golden
from tests.modeling import tiny
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import pickles
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.modeling.conversion import sources
from tf_maskformer.modeling.factory import build_model


def load(data: bytes):
  return pickles.load('file.pkl', io.BytesIO(data))


@pytest.mark.parametrize('protocol', range(6))
def test_arrays_of_every_protocol(protocol):
  rng = np.random.default_rng(0)
  given = {
      'model': collections.OrderedDict(
          a=rng.normal(size=[3, 4]).astype(np.float32),
          b=np.asfortranarray(rng.normal(size=[2, 5])),
          c=np.arange(4, dtype='>i4'), d=np.float32(1.5), e=np.zeros([0, 3], np.float16)),
      '__author__': 'somebody', 'n': [1, (2.5, None, True)]}
  found = load(pickle.dumps(given, protocol))
  for name, value in given['model'].items():
    np.testing.assert_array_equal(found['model'][name], value)
  assert found['__author__'] == 'somebody' and found['n'] == [1, [2.5, None, True]]


class Evil:
  """Calls what it is told to when it is unpickled."""

  def __init__(self, function, *arguments):
    self.call = function, arguments

  def __reduce__(self):
    return self.call


@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_nothing_hostile_runs(tmp_path, protocol):
  witness = tmp_path / 'ran'
  harmful = [
      (os.system, f'touch {witness}'), (eval, f'open({str(witness)!r}, "w")'),
      (exec, 'raise SystemExit'), (pathlib.Path.touch, witness), (getattr, 'abc', 'upper'),
      (np.load, str(witness)), (np.ndarray, (2**40,))]
  for function, *arguments in harmful:
    content = {'a': np.zeros(3, np.float32), 'b': Evil(function, *arguments)}
    data = pickle.dumps({'model': content}, protocol)
    with pytest.raises(UserError, match='refused|cannot be read'):
      load(data)
  assert not witness.exists()
  file = tmp_path / 'evil.pkl'
  file.write_bytes(pickle.dumps({'model': Evil(os.system, f'touch {witness}')}, protocol))
  words = r'evil.pkl is refused: its pickle asks for (posix|os).system'
  with pytest.raises(UserError, match=words):
    sources.read(str(file))
  assert not witness.exists()


def test_names_that_hide_are_refused():
  for module, name in (('numpy', 'load'), ('numpy.f2py', 'compile'), ('collections', 'namedtuple'),
                       ('torch.hub', 'load'), ('builtins', 'getattr'), ('pickles', '_KNOWN')):
    with pytest.raises(UserError, match='refused'):
      load(f'c{module}\n{name}\n.'.encode())


def test_object_arrays_are_refused():
  with pytest.raises(UserError, match='refused: its pickle asks for an array of type'):
    load(pickle.dumps({'model': np.array([object], dtype=object)}))


def test_wrong_numbers_do_not_become_memory():
  good = pickle.dumps({'model': np.arange(6, dtype=np.float32)}, 2)
  assert b'K\x06\x85' in good  # the shape
  with pytest.raises(UserError, match='has 24 bytes'):
    load(good.replace(b'K\x06\x85', b'J\xff\xff\xff\x7f\x85'))
  endless = [b'\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f',
             b'\x80\x04\x8e' + b'\xff' * 7 + b'\x7fabc',
             b'\x80\x05\x96' + b'\xff' * 5 + b'\x00' * 3 + b'x', b'\x80\x02r\xff\xff\xff\x7f',
             b'\x80\x02]r\xff\xff\xff\x7f.']  # a memo of two thousand million places
  for data in endless:
    with pytest.raises(UserError, match='cannot be read'):
      load(data)


def test_lists_of_lists_do_not_grow():
  bomb = []
  for _ in range(12):
    bomb = [bomb] * 100
  found = load(pickle.dumps(bomb))
  assert len(found) == 100 and found[0] is found[99]


@pytest.mark.parametrize('keep', [0, 1, 7, 40, -9, -1])
def test_a_file_cut_off_anywhere_is_one_sentence(keep):
  whole = pickle.dumps({'model': {'a': np.arange(100, dtype=np.float32)}}, 2)
  for data in (whole[:keep], zip_file()[:keep], older_file()[:keep]):
    with pytest.raises(UserError, match='cannot be read as a pickled checkpoint|refused'):
      load(data)


class _Named:
  """Pickles as the global `module.name`."""

  def __init__(self, module, name):
    self.module, self.name = module, name


class _TorchPickler(pickle._Pickler):  # pylint: disable=protected-access
  """Writes what PyTorch's own pickler writes: globals by name, storages by persistent id."""

  def persistent_id(self, obj):
    return obj.pid if isinstance(obj, _Storage) else None

  def save(self, obj, save_persistent_id=True):
    if isinstance(obj, _Named):
      self.write(pickle.GLOBAL + f'{obj.module}\n{obj.name}\n'.encode())
    elif isinstance(obj, _Rebuilt):
      self.save(_Named('torch._utils', '_rebuild_tensor_v2'))
      self.save(obj.arguments)
      self.write(pickle.REDUCE)
    else:
      super().save(obj, save_persistent_id)


class _Storage:
  def __init__(self, key, array, kind='FloatStorage'):
    self.pid = ('storage', _Named('torch', kind), key, 'cpu', array.size)


class _Rebuilt:
  def __init__(self, storage, offset, size, stride):
    self.arguments = (storage, offset, size, stride, False, collections.OrderedDict())


ARRAY = np.arange(24, dtype=np.float32)


def _state(size=(2, 3), stride=(1, 2), offset=6, kind='FloatStorage', array=ARRAY):
  return {'model': {'view': _Rebuilt(_Storage('0', array, kind), offset, size, stride)}}


def _dumps(value):
  buffer = io.BytesIO()
  _TorchPickler(buffer, 2).dump(value)
  return buffer.getvalue()


def zip_file(compression=zipfile.ZIP_STORED, data=None, **how):
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, 'w', compression) as archive:
    archive.writestr('archive/data.pkl', _dumps(_state(**how)))
    archive.writestr('archive/byteorder', 'little')
    archive.writestr('archive/data/0', ARRAY.tobytes() if data is None else data)
  return buffer.getvalue()


def older_file(**how):
  parts = [pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {'little_endian': True})]
  storage = [pickle.dumps(['0'], 2), struct.pack('<q', 24), ARRAY.tobytes()]
  return b''.join([*parts, _dumps(_state(**how)), *storage])


@pytest.mark.parametrize('write', [zip_file, older_file])
def test_both_formats_of_pytorch(write):
  found = load(write())['model']['view']
  np.testing.assert_array_equal(found, ARRAY[6:12].reshape(3, 2).T)
  assert load(write(size=(), stride=(), offset=3))['model']['view'] == 3.0
  assert load(write(size=(0, 5), stride=(5, 1), offset=0))['model']['view'].shape == (0, 5)


def test_bfloat16_of_pytorch():
  import ml_dtypes
  values = ARRAY.astype(ml_dtypes.bfloat16)
  found = load(zip_file(
      data=values.tobytes(), kind='BFloat16Storage', size=(24,), stride=(1,), offset=0))
  np.testing.assert_array_equal(found['model']['view'].astype(np.float32), ARRAY)


@pytest.mark.parametrize('how', [
    dict(size=(5, 5), stride=(5, 1)), dict(size=(2, 3), stride=(20, 1)),
    dict(size=(2, 3), stride=(3, 1), offset=20), dict(size=(2**40,), stride=(0,)),
    dict(size=(-1,), stride=(1,)), dict(size=(2, 3), stride=(3, -1)),
    dict(offset=-1), dict(size=(2, 3), stride=(1,)), dict(kind='Nothing')])
@pytest.mark.parametrize('write', [zip_file, older_file])
def test_views_beyond_their_storage_are_refused(write, how):
  with pytest.raises(UserError, match='cannot be read|refused'):
    load(write(**how))


def test_zip_bombs_and_short_storages_are_refused():
  with pytest.raises(UserError, match='is compressed'):
    load(zip_file(zipfile.ZIP_DEFLATED))
  with pytest.raises(UserError, match='a storage has 8 bytes'):
    load(zip_file(data=b'12345678'))
  empty = io.BytesIO()
  zipfile.ZipFile(empty, 'w').close()
  with pytest.raises(UserError, match='cannot be read'):
    load(empty.getvalue())


@pytest.mark.parametrize('options', [{}, {'_use_new_zipfile_serialization': False}])
def test_files_of_pytorch_itself(tmp_path, options):
  torch = pytest.importorskip('torch')
  state = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).state_dict()
  state['0.weight'] = state['0.weight'].t().half()
  torch.save({'model': state, 'iteration': 3}, tmp_path / 'x.pth', **options)
  found = load((tmp_path / 'x.pth').read_bytes())
  assert found['iteration'] == 3
  for name, value in state.items():
    np.testing.assert_array_equal(found['model'][name], value.numpy())
  # A tensor inside an ordinary pickle, as some .pkl files have it.
  found = load(pickle.dumps({'model': dict(state)}))
  np.testing.assert_array_equal(found['model']['0.weight'], state['0.weight'].numpy())


def test_a_file_in_released_spelling(tmp_path):
  path = golden.released_file('mf_tiny', tmp_path / 'model_final.pkl')
  model = build_model(tiny.config(), seed=1)
  report = restore.restore(model, path)
  assert report.kind == 'official MaskFormer' and not report.missing
  assert all('empty_weight' in name or 'num_batches' in name for name in report.ignored)
  images, _ = tiny.batch()
  for name, value in tiny.model()(images).items():
    np.testing.assert_array_equal(model(images)[name], value)
