"""Reads checkpoint files of every accepted kind into arrays under the official names."""

import dataclasses
import io
import pathlib
import re

import h5py
import ml_dtypes
import numpy as np
import safetensors
import tensorflow as tf

from tf_maskformer.errors import UserError
from tf_maskformer.modeling.backbones.resnet import BLOCKS
from tf_maskformer.modeling.conversion import name_tables
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion import pickles
from tf_maskformer.modeling.conversion import resnet

KERAS = 'Keras Applications ResNet'
_VALUE = '/.ATTRIBUTES/VARIABLE_VALUE'
# The types that checkpoints use; safetensors' own NumPy reader knows no bfloat16.
_SAFETENSORS_TYPES = {
    'F64': np.float64, 'F32': np.float32, 'F16': np.float16, 'BF16': ml_dtypes.bfloat16, 'I64': np.int64,
    'I32': np.int32, 'I16': np.int16, 'I8': np.int8, 'U8': np.uint8, 'BOOL': np.bool_}


@dataclasses.dataclass
class Source:
  """What a checkpoint file holds.

  Attributes:
    kind: which format it was recognized as.
    arrays: by official name, in the official layout.
    ignored: names in the file that are no weights of a model (optimizer, counters, classifier).
    lacks: patterns of official names that such a file does not hold.
    reshaped: official names whose arrays were put together from several, or changed their type.
  """
  kind: str
  arrays: dict[str, np.ndarray]
  ignored: list[str]
  lacks: tuple[str, ...] = ()
  reshaped: list[str] = dataclasses.field(default_factory=list)


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
    path: TensorFlow checkpoint prefix or folder (of this project, or of Model Garden's ResNet), a Keras Applications
      ResNet `.h5`, or a `.pkl`, `.pth`, `.pt`, `.bin` or `.safetensors` file of detectron2, PyTorch or Hugging Face,
      see `name_tables`.

  Raises:
    UserError: the file is missing, damaged, refused or of no known kind.
  """
  path = find(path)
  suffix = pathlib.PurePath(path).suffix.lower()
  if suffix in ('.h5', '.hdf5'):
    return _read_keras(path)
  if suffix in ('.pkl', '.pth', '.pt', '.bin'):
    return _respelled(path, _tensors_of_pickle(path))
  if suffix == '.safetensors':
    return _respelled(path, _tensors_of_safetensors(path))
  return _read_tensorflow(path)


def _tensors_of_pickle(path: str) -> dict[str, np.ndarray]:
  """Returns the state dictionary of a pickled file, which may lie under 'model' or 'state_dict'."""
  with (tf.io.gfile.GFile(path, 'rb') if '://' in path else open(path, 'rb')) as file:
    found = pickles.load(path, io.BytesIO(file.read()) if '://' in path else file)
  for key in ('model', 'state_dict'):
    if isinstance(found, dict) and isinstance(found.get(key), dict):
      found = found[key]
      break
  if not isinstance(found, dict) or not any(isinstance(value, np.ndarray) for value in found.values()):
    raise UserError(f'init_checkpoint: {path} holds no dictionary of tensors; is it a checkpoint?')
  return {str(name): value for name, value in found.items() if isinstance(value, (np.ndarray, np.generic))}


def _tensors_of_safetensors(path: str) -> dict[str, np.ndarray]:
  try:
    with tf.io.gfile.GFile(path, 'rb') as file:
      found = safetensors.deserialize(file.read())
    return {name: np.frombuffer(tensor['data'], _SAFETENSORS_TYPES[tensor['dtype']]).reshape(tensor['shape'])
            for name, tensor in found}
  except (safetensors.SafetensorError, ValueError, KeyError) as e:
    raise UserError(f'init_checkpoint: {path} cannot be read as safetensors ({e}); is it damaged or cut off?') from e


def _respelled(path: str, tensors: dict[str, np.ndarray]) -> Source:
  """Renames all tensors of a file; every one is used once, or known to be no weight."""
  tensors = {name.removeprefix('module.'): value for name, value in tensors.items()}
  table = name_tables.recognize(list(tensors))
  if table is None:
    raise UserError(f'init_checkpoint: {path} holds no model that is known here; its first names: '
                    f'{", ".join(list(tensors)[:3])}; known: {", ".join(s.kind for s in name_tables.NAME_TABLES)}')
  arrays, thirds, ignored, unknown, changed = {}, {}, [], [], []
  for name, value in tensors.items():
    if name_tables.is_ignored(table, name):
      ignored.append(name)
      continue
    target = name_tables.official(table, name)
    if target is None:
      unknown.append(name)
      continue
    target, _, third = target.partition('#')
    place = thirds.setdefault(target, {}) if third else arrays
    key = int(third) if third else target
    if key in place or (third and target in arrays):
      raise UserError(f'init_checkpoint: {path} holds {target} twice (the second time as {name})')
    place[key] = _as_float32(path, name, value)
    if third or value.dtype != np.float32:
      changed.append(target)
  if unknown:
    raise UserError(f'init_checkpoint: {path} ({table.kind}) holds {len(unknown)} tensors of unknown name: '
                    f'{", ".join(unknown)}')
  for target, parts in thirds.items():
    if sorted(parts) != [0, 1, 2]:
      raise UserError(f'init_checkpoint: {path} lacks a part of query, key and value of {target}')
    arrays[target] = np.concatenate([parts[i] for i in range(3)])
  return Source(table.kind, table.finish(arrays), ignored, table.lacks, sorted(set(changed)))


def _as_float32(path: str, name: str, value: np.ndarray) -> np.ndarray:
  if value.dtype.kind != 'f' and value.dtype != ml_dtypes.bfloat16:
    raise UserError(f'init_checkpoint: {path}: {name} has type {value.dtype}; weights must be floating-point numbers')
  return np.asarray(value, np.float32)


def _read_keras(path: str) -> Source:
  arrays = {}
  size = tf.io.gfile.stat(path).length
  try:
    with h5py.File(path, 'r') as file:
      root = file['model_weights'] if 'model_weights' in file else file
      def visit(name, item):
        if isinstance(item, h5py.Dataset):
          if item.nbytes > size:
            raise OSError(f'{name} announces {item.nbytes} bytes, the file has {size}')
          parts = name.split('/')
          arrays[f'{parts[-2]}/{parts[-1].split(":")[0]}'] = np.asarray(item)
      root.visititems(visit)
  except OSError as e:
    raise UserError(f'init_checkpoint: {path} cannot be read as HDF5 ({e}); is it damaged?') from e
  if 'conv1_conv/kernel' not in arrays:
    raise UserError(f'init_checkpoint: {path} holds no Keras Applications ResNet (no conv1_conv layer)')
  used = re.compile(r'conv(1_|[2-5]_block)')
  ignored = [name for name in arrays if not used.match(name)]
  return Source(KERAS, resnet.from_keras_applications(arrays), ignored)


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
