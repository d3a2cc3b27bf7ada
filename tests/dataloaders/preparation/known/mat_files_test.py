"""Label maps in MATLAB's files: both kinds, and what is refused."""

import h5py
import numpy as np
import pytest
import scipy.io

from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation.known import mat_files

SIZE = (3, 5)
LABEL = np.arange(15).reshape(SIZE)


def write(path, array, names=None, version='5'):
  if version == '5':
    content = {} if array is None else {'S': array}
    names = {} if names is None else {'names': np.array([['a'] * names], object)}
    scipy.io.savemat(path, {**content, **names, 'other': 3}, do_compression=True)
    return
  with h5py.File(path, 'w', userblock_size=512) as file:
    if array is not None:
      file.create_dataset('S', data=array.T, chunks=(2, 2), compression='gzip', shuffle=True)
    if names is not None:
      file.create_dataset('names', [1, names], np.uint8)


@pytest.mark.parametrize('version', ['5', '7.3'])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float64])
@pytest.mark.parametrize('names', [None, 172])
def test_what_both_kinds_hold(version, dtype, names, tmp_path):
  path = str(tmp_path / 'a.mat')
  write(path, LABEL.astype(dtype), names, version)
  label = mat_files.read(path, SIZE)
  np.testing.assert_array_equal(label.values, LABEL)
  assert label.values.dtype == np.int64
  assert (label.num_names, label.is_hdf5) == (names, version == '7.3')


@pytest.mark.parametrize('version', ['5', '7.3'])
@pytest.mark.parametrize('array, message', [
    (None, 'it has no array S'), (LABEL.T, 'S is 5x3, its image 3x5'),
    (LABEL[:2], 'S is 2x5'), (LABEL + 0.5, 'S has fractions'),
    (np.full(SIZE, np.inf), 'S has fractions')])
def test_arrays_that_are_no_labels(version, array, message, tmp_path):
  path = str(tmp_path / 'a.mat')
  write(path, array, 3, version)
  with pytest.raises(UnusableImage, match=f'a.mat cannot be read .*{message}'):
    mat_files.read(path, SIZE)


def test_files_that_are_not_read(tmp_path):
  good = tmp_path / 'good.mat'
  for version in ('5', '7.3'):
    write(str(good), LABEL, 3, version)
    data = good.read_bytes()
    for k, content in enumerate((b'', b'no file', data[:150], data[:-40], bytes(600) + data)):
      path = tmp_path / f'{version} {k}.mat'
      path.write_bytes(content)
      with pytest.raises(UnusableImage, match='cannot be read'):
        mat_files.read(str(path), SIZE)
  with pytest.raises(UnusableImage, match='does not exist'):
    mat_files.read(str(tmp_path / 'none.mat'), SIZE)


def test_other_files_are_not_opened(tmp_path):
  write(str(tmp_path / 'other.mat'), LABEL, 3, '7.3')
  for k, link in enumerate((h5py.ExternalLink(str(tmp_path / 'other.mat'), 'S'),
                            h5py.SoftLink('/T'))):
    path = str(tmp_path / f'{k}.mat')
    with h5py.File(path, 'w') as file:
      file['T'] = LABEL.T
      file['S'] = link
    with pytest.raises(UnusableImage, match='S is a link to another place'):
      mat_files.read(path, SIZE)
  (tmp_path / 'raw').write_bytes(bytes(15))
  path = str(tmp_path / 'external.mat')
  with h5py.File(path, 'w') as file:
    file.create_dataset('S', SIZE[::-1], np.uint8, external=[(str(tmp_path / 'raw'), 0, 15)])
  with pytest.raises(UnusableImage, match='S is not an array of this file'):
    mat_files.read(path, SIZE)


def test_a_reading_without_an_end(tmp_path, monkeypatch):
  def hang(data, size):
    del data, size
    while True:
      pass

  write(str(tmp_path / 'a.mat'), LABEL)
  monkeypatch.setattr(mat_files, '_read_mat5', hang)
  monkeypatch.setattr(mat_files, '_SECONDS', 1)
  with pytest.raises(UnusableImage, match='takes too long or too much memory'):
    mat_files.read(str(tmp_path / 'a.mat'), SIZE)


def test_too_much_memory(tmp_path, monkeypatch):
  def fill(data, size):
    del data, size
    return np.ones(2**31, np.uint8), None

  write(str(tmp_path / 'a.mat'), LABEL)
  monkeypatch.setattr(mat_files, '_read_mat5', fill)
  with pytest.raises(UnusableImage, match='MemoryError'):
    mat_files.read(str(tmp_path / 'a.mat'), SIZE)
