"""Reads checkpoint files of every accepted kind into arrays under the official names."""

import dataclasses
import pathlib
import re

import h5py
import numpy as np
import tensorflow as tf

from configs.errors import UserError
from modeling.backbones.resnet import BLOCKS
from modeling.conversion import names
from modeling.conversion import resnet

_VALUE = '/.ATTRIBUTES/VARIABLE_VALUE'


@dataclasses.dataclass
class Source:
  """What a checkpoint file holds.

  Attributes:
    kind: which format it was recognised as.
    arrays: by official name, in the official layout.
    ignored: names in the file that are no weights of a model (optimiser, counters, classifier).
  """
  kind: str
  arrays: dict[str, np.ndarray]
  ignored: list[str]


def find(path: str) -> str:
  """Returns the checkpoint that `path` means: a file, a TensorFlow prefix, or the newest of a folder.

  Raises:
    UserError: there is none.
  """
  if tf.io.gfile.isdir(path):
    newest = tf.train.latest_checkpoint(path)
    if newest is None:
      raise UserError(f'init_checkpoint: no checkpoint in the folder {path}; name a file or another folder')
    return newest
  if tf.io.gfile.exists(path + '.index'):
    return path
  if path.endswith('.index'):
    return path[:-len('.index')]
  if not tf.io.gfile.exists(path):
    raise UserError(f'init_checkpoint: {path} does not exist; name a checkpoint file, its prefix or a folder')
  return path


def read(path: str) -> Source:
  """Reads a checkpoint.

  Args:
    path: TensorFlow checkpoint prefix or folder (of this project, or of Model Garden's ResNet), or a Keras
      Applications ResNet `.h5`.

  Raises:
    UserError: the file is missing, damaged or of no known kind.
  """
  path = find(path)
  if pathlib.PurePath(path).suffix in ('.h5', '.hdf5'):
    return _read_keras(path)
  return _read_tensorflow(path)


def _read_keras(path: str) -> Source:
  arrays = {}
  try:
    with h5py.File(path, 'r') as file:
      root = file['model_weights'] if 'model_weights' in file else file
      def visit(name, item):
        if isinstance(item, h5py.Dataset):
          parts = name.split('/')
          arrays[f'{parts[-2]}/{parts[-1].split(":")[0]}'] = np.asarray(item)
      root.visititems(visit)
  except OSError as e:
    raise UserError(f'init_checkpoint: {path} cannot be read as HDF5 ({e}); is it damaged?') from e
  if 'conv1_conv/kernel' not in arrays:
    raise UserError(f'init_checkpoint: {path} holds no Keras Applications ResNet (no conv1_conv layer)')
  used = re.compile(r'conv(1_|[2-5]_block)')
  ignored = [name for name in arrays if not used.match(name)]
  return Source('Keras Applications ResNet', resnet.from_keras_applications(arrays), ignored)


def _read_tensorflow(path: str) -> Source:
  try:
    reader = tf.train.load_checkpoint(path)
    keys = sorted(reader.get_variable_to_shape_map())
    values = {k[:-len(_VALUE)]: k for k in keys if k.endswith(_VALUE) and '.OPTIMIZER_SLOT' not in k}
    for prefix in ('backbone/', 'model/layer_with_weights-0/'):
      garden = {n[len(prefix):]: k for n, k in values.items() if re.match(prefix + r'layer_with_weights-\d+/', n)}
      if garden:
        return _from_model_garden(path, {n: reader.get_tensor(k) for n, k in garden.items()},
                                  [n for n in values if not n.startswith(prefix)])
    arrays, ignored = {}, []
    for name, key in values.items():
      if name.startswith('model/'):
        official = names.official_name(name.split('/')[1:])
        arrays[official] = names.to_official_layout(official, reader.get_tensor(key))
      else:
        ignored.append(name)
  except (tf.errors.OpError, ValueError) as e:
    raise UserError(f'init_checkpoint: {path} cannot be read as a TensorFlow checkpoint '
                    f'({str(e).splitlines()[0]}); is it damaged?') from e
  if not arrays:
    raise UserError(f'init_checkpoint: {path} holds no model of this project and no Model Garden ResNet; '
                    f'its first names: {", ".join(list(values)[:3])}')
  return Source('TensorFlow checkpoint', arrays, ignored)


def _from_model_garden(path: str, arrays: dict[str, np.ndarray], ignored: list[str]) -> Source:
  layers = 1 + max(int(re.match(r'layer_with_weights-(\d+)', n).group(1)) for n in arrays)
  by_size = {2 + sum(blocks): blocks for blocks in BLOCKS.values()}
  if layers not in by_size:
    raise UserError(f'init_checkpoint: {path} is a Model Garden backbone of {layers} layers, no ResNet of depth '
                    f'{", ".join(map(str, BLOCKS))}')
  return Source('Model Garden ResNet', resnet.from_model_garden(arrays, by_size[layers]), ignored)
