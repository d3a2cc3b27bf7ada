"""Keras' HDF5 files are read in a process of their own; what Keras never writes is refused."""

import os
import pathlib
import subprocess

import h5py
import numpy as np
import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import hdf5
from tf_maskformer.modeling.conversion import hdf5_arrays
from tf_maskformer.modeling.conversion import sources
from tf_maskformer.modeling.conversion.budget import Damaged

ONES = np.ones([2, 3], np.float32)


def layers(channels=2):
  """Returns the arrays of a network's first layer."""
  arrays = {f'conv1_bn/{name}': np.ones(channels, np.float32)
            for name in ('gamma', 'beta', 'moving_mean', 'moving_variance')}
  arrays['conv1_conv/kernel'] = np.ones([7, 7, 3, channels], np.float32)
  arrays['conv1_conv/bias'] = np.ones(channels, np.float32)
  return arrays


def write(path, arrays, root=''):
  with h5py.File(path, 'w') as file:
    for name, array in arrays.items():
      file[f'{root}{name.split("/")[0]}/{name}:0'] = array
  return str(path)


@pytest.mark.parametrize('root', ['', 'model_weights/', 'model_weights/resnet50/'])
def test_layers(tmp_path, root):
  path = write(tmp_path / 'x.h5', {**layers(), 'predictions/kernel': ONES}, root)
  if root.startswith('model_weights'):
    with h5py.File(path, 'a') as file:
      file['optimizer_weights/conv1_conv/kernel:0'] = ONES  # not read
  found = sources.read(path)
  assert found.arrays['backbone.stem.conv1.weight'].shape == (2, 3, 7, 7)
  assert found.ignored == ['predictions/kernel'] and len(found.arrays) == 5


def test_arrays_come_through_as_they_are(tmp_path):
  given = {
      'a/k': np.arange(6, dtype=np.float64).reshape(2, 3), 'b/k': np.arange(3, dtype=np.float16),
      'c/k': np.arange(3, dtype='>f4'), 'd/k': np.float32(3), 'e/k': np.zeros([0, 2], np.float32)}
  path = write(tmp_path / 'x.h5', given)
  found = hdf5._read_in_process(path, os.path.getsize(path))
  assert set(found) == set(given)
  for name, value in given.items():
    assert found[name].dtype == value.dtype and found[name].shape == value.shape
    np.testing.assert_array_equal(found[name], value)


def virtual(file, other):
  layout = h5py.VirtualLayout(shape=(2, 3), dtype='f4')
  layout[:] = h5py.VirtualSource(other, 'model_weights/a/k', shape=(2, 3))
  file.create_virtual_dataset('a/k', layout)


def external(file, other):
  file.create_dataset('a/k', shape=(6,), dtype='f4', external=[(other, 0, 24)])


def circle(file, other):
  del other
  group = file.create_group('a')
  for name in 'bcdefgh':
    file[f'a/{name}'] = group


def same(file, other):
  del other
  file['a/conv1/k'] = ONES
  file['b/conv1/k'] = file['a/conv1/k']


def shared(file, other):
  del other
  file['a/k'] = np.zeros(10_000, np.float32)
  for i in range(9):
    file[f'b{i}/k'] = file['a/k']


HOSTILE = {
    'virtual': (virtual, 'are in another file'),
    'external storage': (external, 'are in another file'),
    'soft link': (lambda f, other: f.__setitem__('a', h5py.SoftLink('/b')), 'is a link to another'),
    'external link': (
        lambda f, other: f.__setitem__('a', h5py.ExternalLink(other, '/model_weights')),
        'is a link to another'),
    'external root': (
        lambda f, other: f.__setitem__('model_weights', h5py.ExternalLink(other, '/')),
        'is a link to another'),
    'circle': (circle, 'has too many groups'),
    'one array under two names': (same, 'conv1/k is there twice'),
    'one array under many names': (shared, 'its arrays have more bytes than'),
    'compression': (
        lambda f, other: f.create_dataset('a/k', data=np.zeros(10**6), compression='gzip'),
        'is compressed; h5repack'),
    'shuffled': (
        lambda f, other: f.create_dataset('a/k', data=np.zeros(100), chunks=(9,), shuffle=True),
        'is compressed; h5repack'),
    'a fill value': (lambda f, other: f.create_dataset('a/k', shape=(10**9,), dtype='f4'),
                     'announces more than'),
    'a large piece': (
        lambda f, other: f.create_dataset(
            'a/k', shape=(2,), maxshape=(None,), chunks=(2**25,), dtype='f4'), 'a piece of'),
    'nothing': (lambda f, other: f.create_dataset('a/k', data=h5py.Empty('f4')), 'announces more'),
    'text': (lambda f, other: f.__setitem__('a/k', 'text'), 'is not made of floating-point'),
    'compound': (lambda f, other: f.__setitem__('a/k', np.zeros(2, [('x', 'f4')])), 'floating-po'),
    'integers': (lambda f, other: f.__setitem__('a/k', np.zeros(2, 'i4')), 'floating-point'),
    'references': (
        lambda f, other: f.create_dataset('a/k', data=f.ref, dtype=h5py.ref_dtype), 'floating-po'),
    'a root that is an array': (
        lambda f, other: f.__setitem__('model_weights', ONES), 'it has no conv1_conv layer'),
    'an array at the root': (lambda f, other: f.__setitem__('k', ONES), 'has no conv1_conv layer'),
    'a type': (lambda f, other: f.__setitem__('a', np.dtype('f4')), 'it has no conv1_conv layer'),
    'an escape': (lambda f, other: f.__setitem__('a\x1b[2J\n', h5py.SoftLink('/b')), r'a\\x1b'),
}


@pytest.mark.parametrize('kind', HOSTILE)
def test_what_keras_does_not_write_is_refused(tmp_path, monkeypatch, kind):
  make, words = HOSTILE[kind]
  other = write(tmp_path / 'other.h5', {'a/k': ONES}, 'model_weights/')
  path = str(tmp_path / 'x.h5')
  with h5py.File(path, 'w') as file:
    make(file, other)
  # In this process, which is quicker; `test_damaged_files_are_refused` has the other.
  monkeypatch.setattr(hdf5, '_read_in_process', lambda path, size: hdf5_arrays.read(path))
  os.remove(other)
  with pytest.raises(UserError, match=words) as error:
    sources.read(path)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('change, words', [
    (dict(kernel=None), 'conv1_conv layer'), (dict(bias=None), 'conv1_conv/bias is missing'),
    (dict(kernel=ONES), r'conv1_conv/kernel has shape \[2, 3\]'),
    (dict(bias=np.ones([2, 1], np.float32)), r'conv1_conv/bias has shape \[2, 1\]'),
    (dict(bias=np.ones(3, np.float32)), 'disagree about the number of channels'),
    (dict(kernel=np.ones([7, 7, 4, 2], np.float32)), 'conv1_conv reads 4 channels')])
def test_layers_that_do_not_fit(change, words):
  arrays = layers()
  for name, value in change.items():
    arrays[f'conv1_conv/{name}'] = value
  arrays = {name: value for name, value in arrays.items() if value is not None}
  with pytest.raises(UserError, match=words):
    hdf5.convert('x.h5', arrays)


def test_a_library_that_crashes_or_hangs(tmp_path, monkeypatch):
  path = write(tmp_path / 'x.h5', layers())
  run = subprocess.run
  monkeypatch.setattr(
      subprocess, 'run', lambda command, **how: run(['sh', '-c', 'kill -11 $$'], **how))
  with pytest.raises(UserError, match='the HDF5 library failed with exit code -11'):
    sources.read(path)
  monkeypatch.setattr(hdf5, '_PATIENCE', 0.2)
  monkeypatch.setattr(subprocess, 'run', lambda command, **how: run(['sleep', '60'], **how))
  with pytest.raises(UserError, match='the HDF5 library does not come to an end'):
    sources.read(path)


def test_damaged_files_are_refused(tmp_path):
  whole = pathlib.Path(write(tmp_path / 'x.h5', layers())).read_bytes()
  for keep in (7, 100, 1000, len(whole) - 1):
    (tmp_path / 'x.h5').write_bytes(whole[:keep])
    with pytest.raises(Damaged):
      hdf5_arrays.read(str(tmp_path / 'x.h5'))
  with pytest.raises(UserError, match='cannot be read as HDF5'):
    sources.read(str(tmp_path / 'x.h5'))
