"""Folders that Hugging Face's save_pretrained writes: one file, or shards with an index."""

import json
import os
import struct

import numpy as np
import pytest
import safetensors.numpy

from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import hdf5
from tf_maskformer.modeling.conversion import sources
from tf_maskformer.modeling.conversion import tensor_files

TENSORS = {f'backbone.{i}': np.full([2, 3], i, np.float32) for i in range(5)}


def write_shards(folder, tensors, weight_map=None):
  """Writes two shards and their index; returns the index."""
  names = sorted(tensors)
  shards = {
      'model-00001-of-00002.safetensors': names[:3],
      'model-00002-of-00002.safetensors': names[3:]}
  for shard, of_shard in shards.items():
    safetensors.numpy.save_file({n: tensors[n] for n in of_shard}, folder / shard)
  if weight_map is None:
    weight_map = {n: shard for shard, of_shard in shards.items() for n in of_shard}
  index = folder / 'model.safetensors.index.json'
  index.write_text(json.dumps({'metadata': {}, 'weight_map': weight_map}))
  return index


def test_shards(tmp_path):
  index = write_shards(tmp_path, TENSORS)
  assert sources.find(str(tmp_path)) == str(index)
  found = tensor_files.read(str(index))
  assert set(found) == set(TENSORS)
  for name, value in TENSORS.items():
    np.testing.assert_array_equal(found[name], value)


def test_one_file_is_taken_before_shards(tmp_path):
  write_shards(tmp_path, TENSORS)
  safetensors.numpy.save_file(TENSORS, tmp_path / 'model.safetensors')
  assert sources.find(str(tmp_path)) == str(tmp_path / 'model.safetensors')


def test_a_missing_shard(tmp_path):
  index = write_shards(tmp_path, TENSORS)
  (tmp_path / 'model-00002-of-00002.safetensors').unlink()
  with pytest.raises(UserError, match='shard model-00002-of-00002.safetensors is missing'):
    tensor_files.read(str(index))


def test_a_missing_index(tmp_path):
  write_shards(tmp_path, TENSORS).unlink()
  words = 'has the shard model-00001-of-.*, but model.safetensors.index.json, .* is missing'
  with pytest.raises(UserError, match=words):
    sources.find(str(tmp_path))


def test_a_shard_of_another_download(tmp_path):
  index = write_shards(tmp_path, TENSORS)
  shard = tmp_path / 'model-00002-of-00002.safetensors'
  safetensors.numpy.save_file({'backbone.9': np.zeros(1, np.float32)}, shard)
  with pytest.raises(UserError, match='disagree about 3 tensors, backbone.3'):
    tensor_files.read(str(index))


DEEP = '[' * 100_000
MANY = json.dumps({'weight_map': {str(i): 'a.safetensors' for i in range(100_000)}})


@pytest.mark.parametrize('text, words', [
    (DEEP, 'is nested too deeply'), ('{"weight_map": ' + '{"a":' * 100_000, 'too deeply'),
    (MANY, 'has more than 2097152 bytes'), ('9' * 5000, 'cannot be read as JSON'),
    ('{"weight_map": {"a": "x.bin", "a": "y.bin"}}', 'a is given twice'),
    ('{"weight_map": {"a": NaN}}', 'NaN is not a finite number'),
    ('{"weight_map": {"a": 1e999}}', '1e999 is not a finite number'),
    ('{"weight_map": {"a": ["x.bin"]}}', 'names something else, which is not a file'),
    ('{"weight_map": {"a": "..\\u0000.bin"}}', r'names ..\\x00.bin, which is not a file'),
    ('{"weight_map": {"a": "\\ud800.bin"}}', r'names \\ud800.bin, which is not a file'),
    ('{"weight_map": {"a": "' + 'x' * 300 + '.bin"}}', 'which is not a file of tensors'),
    ('', 'is empty'), ('[]', 'is not an index'),
    ('{"weight_map": 3}', 'is not an index'),
    ('{"weight_map": {"a": "../secret.safetensors"}}', 'not a file of tensors next to it'),
    ('{"weight_map": {"a": "model.safetensors.index.json"}}', 'not a file of tensors next to it'),
    ('{"weight_map": {"a": "x.txt"}}', 'not a file of tensors next to it')])
def test_damaged_index(tmp_path, text, words):
  (tmp_path / 'model.safetensors.index.json').write_text(text)
  with pytest.raises(UserError, match=words):
    tensor_files.read(str(tmp_path / 'model.safetensors.index.json'))


def test_an_index_that_is_not_text(tmp_path):
  (tmp_path / 'model.safetensors.index.json').write_bytes(b'{"weight_map": {"\xff": "a.bin"}}')
  with pytest.raises(UserError, match='is not text in UTF-8'):
    tensor_files.read(str(tmp_path / 'model.safetensors.index.json'))


ENDINGS = ('.pkl', '.safetensors', '.h5', '.safetensors.index.json')


@pytest.mark.parametrize('ending', ENDINGS)
def test_what_is_not_a_file(tmp_path, ending):
  path = tmp_path / f'model{ending}'

  def refused(words):
    with pytest.raises(UserError, match=words) as error:
      reader = hdf5.read_keras if ending == '.h5' else tensor_files.read
      reader(str(path))
    assert '\n' not in str(error.value)

  refused('No such file')
  path.mkdir()
  refused('directory|regular file')
  path.rmdir()
  os.mkfifo(path)
  refused('is not a regular file')
  path.unlink()
  path.symlink_to('/dev/zero')
  refused('is not a regular file')
  path.unlink()
  path.write_bytes(b'')
  refused('is empty')


@pytest.mark.parametrize('header, words', [
    ({'a': {'dtype': 'F8_E5M2', 'shape': [1], 'data_offsets': [0, 1]}}, 'a has type F8_E5M2'),
    ({'a\n': {'dtype': 'F8_E4M3', 'shape': [1], 'data_offsets': [0, 1]}}, r'a\\n has type F8'),
    ({'a': {'dtype': 'U8', 'shape': [1] * 1000, 'data_offsets': [0, 1]}}, 'cannot be read'),
    ({'a': {'dtype': 'U8', 'shape': [2**63, 2], 'data_offsets': [0, 1]}}, 'cannot be read'),
    ({'a': {'dtype': 'U8', 'shape': [1], 'data_offsets': [0, 1]},
      'b': {'dtype': 'U8', 'shape': [1], 'data_offsets': [0, 1]}}, 'cannot be read'),
    ({str(i): {'dtype': 'U8', 'shape': [0], 'data_offsets': [0, 0]} for i in range(80_000)},
     'header has more than 4194304 bytes')])
def test_hostile_safetensors(tmp_path, header, words):
  text = json.dumps(header).encode()
  path = tmp_path / 'x.safetensors'
  path.write_bytes(struct.pack('<Q', len(text)) + text + b'1')
  with pytest.raises(UserError, match=words):
    tensor_files.read(str(path))
