"""Folders that Hugging Face's save_pretrained writes: one file, or shards with an index."""

import json

import numpy as np
import pytest
import safetensors.numpy

from tf_maskformer.errors import UserError
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


def test_a_shard_of_another_download(tmp_path):
  index = write_shards(tmp_path, TENSORS)
  shard = tmp_path / 'model-00002-of-00002.safetensors'
  safetensors.numpy.save_file({'backbone.9': np.zeros(1, np.float32)}, shard)
  with pytest.raises(UserError, match='disagree about 3 tensors, backbone.3'):
    tensor_files.read(str(index))


@pytest.mark.parametrize('text, words', [
    ('', 'is empty'), ('[]', 'is not an index'),
    ('{"weight_map": 3}', 'is not an index'),
    ('{"weight_map": {"a": "../secret.safetensors"}}', 'not a file of tensors next to it'),
    ('{"weight_map": {"a": "model.safetensors.index.json"}}', 'not a file of tensors next to it'),
    ('{"weight_map": {"a": "x.txt"}}', 'not a file of tensors next to it')])
def test_damaged_index(tmp_path, text, words):
  (tmp_path / 'model.safetensors.index.json').write_text(text)
  with pytest.raises(UserError, match=words):
    tensor_files.read(str(tmp_path / 'model.safetensors.index.json'))
