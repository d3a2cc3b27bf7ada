"""Fuzz targets: the readers of foreign checkpoints."""

import io
import json
import os
import pathlib
import pickle
import tempfile
from collections.abc import Callable

import h5py
import numpy as np
import safetensors.numpy

from tests.fuzz import harness
from tests.modeling.conversion import hostile
from tests.modeling.conversion import pickles_test
from tf_maskformer.modeling.conversion import foreign_files
from tf_maskformer.modeling.conversion import hdf5
from tf_maskformer.modeling.conversion import hugging_face_config
from tf_maskformer.modeling.conversion import pickle_machine
from tf_maskformer.modeling.conversion import pickle_values
from tf_maskformer.modeling.conversion import pickled_arrays
from tf_maskformer.modeling.conversion import pickles
from tf_maskformer.modeling.conversion import resnet
from tf_maskformer.modeling.conversion import tensor_files
from tf_maskformer.modeling.conversion import torch_files

_PICKLES = (pickles, pickle_machine, pickle_values, pickled_arrays, torch_files)
_WEIGHTS = {'model': {'a': np.arange(6, dtype=np.float32).reshape(2, 3)}, 'n': [1, (2.5, None)]}
_LARGEST = 10_000  # bytes of a hostile file that is a seed


def _pickle_seeds() -> list[bytes]:
  return [
      *(pickle.dumps(_WEIGHTS, protocol) for protocol in range(6)),
      pickles_test.older_file(), hostile.model(hostile.tensor()), hostile.good()]


def _hostile_seeds() -> list[bytes]:
  found = [*hostile.poison().values(), *hostile.costly().values()]
  return [data for data in found if len(data) < _LARGEST]


def _zip_seeds() -> list[bytes]:
  return [pickles_test.zip_file(), hostile.zipped(hostile.model(hostile.tensor()), copies=2)]


def _load(data: bytes) -> None:
  pickles.load('file.pkl', io.BytesIO(data))


def _load_in_zip(data: bytes) -> None:
  """The bytes are the pickle of a zip file that is right, whose checksums a fuzzer cannot guess."""
  _load(hostile.zipped(data))


def _in_file(name: str, read: Callable[[str], object]) -> Callable[[bytes], None]:
  """Returns a function that writes bytes into a file and reads it."""
  folder = tempfile.TemporaryDirectory(prefix='fuzz')  # removed when the function is

  def read_bytes(data: bytes) -> None:
    path = os.path.join(folder.name, name)
    pathlib.Path(path).write_bytes(data)
    read(path)

  return read_bytes


def _safetensors_seeds() -> list[bytes]:
  tensors = {'a': np.arange(6, dtype=np.float32), 'b': np.zeros([2, 0], np.float16)}
  return [safetensors.numpy.save(tensors), safetensors.numpy.save(tensors, {'format': 'pt'})]


def _hdf5_seeds() -> list[bytes]:
  """Returns a ResNet of two layers in HDF5's older and newer layout."""
  found = []
  for version in ('earliest', 'latest'):
    buffer = io.BytesIO()
    with h5py.File(buffer, 'w', libver=version) as file:
      for layer, channels in (('conv1', 3), ('conv2_block1_1', 2)):
        for name in ('gamma', 'beta', 'moving_mean', 'moving_variance'):
          file[f'{layer}_bn/{layer}_bn/{name}:0'] = np.ones(2, np.float32)
        file[f'{layer}_conv/{layer}_conv/kernel:0'] = np.ones([1, 1, channels, 2], np.float32)
        file[f'{layer}_conv/{layer}_conv/bias:0'] = np.ones(2, np.float32)
    found.append(buffer.getvalue())
  return found


def _index_seeds() -> list[bytes]:
  shard = 'model-00001-of-00002.safetensors'
  return [json.dumps({'metadata': {'total_size': 3}, 'weight_map': {'a': shard}}).encode()]


def _config_seeds() -> list[bytes]:
  stages = {'model_type': 'resnet', 'out_features': ['stage1', 'stage2', 'stage3', 'stage4']}
  configs = [
      {'model_type': 'maskformer', 'id2label': {'0': 'a', '1': 'b'}, 'decoder_config': {}},
      {'model_type': 'mask2former', 'num_queries': 9, 'backbone_config': stages}]
  return [json.dumps(config).encode() for config in configs]


TARGETS = {
    'pickles': harness.Target(_load, _pickle_seeds, _PICKLES),
    'hostile_pickles': harness.Target(_load, _hostile_seeds, _PICKLES),
    'zipped_pickles': harness.Target(_load_in_zip, _pickle_seeds, _PICKLES),
    'zips': harness.Target(_load, _zip_seeds, _PICKLES),
    'safetensors': harness.Target(
        _in_file('file.safetensors', tensor_files.read), _safetensors_seeds, (tensor_files,)),
    'hdf5': harness.Target(_in_file('file.h5', hdf5.read_keras), _hdf5_seeds, (hdf5, resnet)),
    'index': harness.Target(
        _in_file('model.safetensors.index.json', tensor_files._read_index), _index_seeds,
        (tensor_files, foreign_files)),
    'config': harness.Target(
        _in_file('config.json', hugging_face_config.read), _config_seeds,
        (hugging_face_config, foreign_files)),
    'preprocessor': harness.Target(
        _in_file('preprocessor_config.json', lambda path: hugging_face_config._preprocessing(
            path, [])), lambda: [b'{"size": {"shortest_edge": 640}, "image_mean": [0.5, 1, 2]}'],
        (hugging_face_config, foreign_files)),
}

if __name__ == '__main__':
  harness.run(TARGETS)
