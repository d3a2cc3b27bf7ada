"""Reads files that hold tensors by name: pickles, safetensors, and shards with an index."""

import io
import json
import pathlib

import ml_dtypes
import numpy as np
import safetensors
import tensorflow as tf

from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import pickles

PICKLES = ('.pkl', '.pth', '.pt', '.bin')
SAFETENSORS = '.safetensors'
INDEX = '.index.json'
# What Hugging Face's save_pretrained writes into a folder; the first that is there is read.
FOLDER_FILES = (
    'model.safetensors', 'model.safetensors' + INDEX, 'pytorch_model.bin',
    'pytorch_model.bin' + INDEX)
# The types that checkpoints use; safetensors' own NumPy reader does not know bfloat16.
_SAFETENSORS_TYPES = {
    'F64': np.float64, 'F32': np.float32, 'F16': np.float16, 'BF16': ml_dtypes.bfloat16,
    'I64': np.int64, 'I32': np.int32, 'I16': np.int16, 'I8': np.int8, 'U8': np.uint8,
    'BOOL': np.bool_}


def is_tensor_file(path: str) -> bool:
  """Whether the ending is one that `read` knows."""
  return path.endswith(INDEX) or pathlib.PurePath(path).suffix.lower() in (*PICKLES, SAFETENSORS)


def of_folder(folder: str) -> str | None:
  """Returns the file with the weights in a folder of Hugging Face's save_pretrained, or None."""
  for name in FOLDER_FILES:
    path = f'{folder.rstrip("/")}/{name}'
    if tf.io.gfile.exists(path):
      return path
  return None


def read(path: str) -> dict[str, np.ndarray]:
  """Returns the tensors of a file, by the names in it.

  Args:
    path: ends in .pkl, .pth, .pt, .bin, .safetensors, or .index.json (of shards next to it).

  Raises:
    UserError: a file is missing, damaged or refused, or holds something else than tensors.
  """
  if path.endswith(INDEX):
    return _read_shards(path)
  if path.lower().endswith(SAFETENSORS):
    return _read_safetensors(path)
  return _read_pickle(path)


def _read_pickle(path: str) -> dict[str, np.ndarray]:
  """Returns the state dictionary of a pickled file, which may be under 'model' or 'state_dict'."""
  if '://' in path:
    with tf.io.gfile.GFile(path, 'rb') as file:
      found = pickles.load(path, io.BytesIO(file.read()))
  else:
    with open(path, 'rb') as file:
      found = pickles.load(path, file)
  for key in ('model', 'state_dict'):
    if isinstance(found, dict) and isinstance(found.get(key), dict):
      found = found[key]
      break
  if not isinstance(found, dict) or not any(isinstance(v, np.ndarray) for v in found.values()):
    raise UserError(f'checkpoint {path} is not a dictionary of tensors; name another file')
  kinds = (np.ndarray, np.generic)
  return {str(name): value for name, value in found.items() if isinstance(value, kinds)}


def _read_safetensors(path: str) -> dict[str, np.ndarray]:
  try:
    with tf.io.gfile.GFile(path, 'rb') as file:
      found = safetensors.deserialize(file.read())
    return {name: _array(tensor) for name, tensor in found}
  except (safetensors.SafetensorError, ValueError, KeyError) as e:
    raise UserError(
        f'checkpoint {path} cannot be read as safetensors ({e}); is it damaged or cut off?') from e


def _array(tensor: dict) -> np.ndarray:
  flat = np.frombuffer(tensor['data'], _SAFETENSORS_TYPES[tensor['dtype']])
  return flat.reshape(tensor['shape'])


def _read_shards(path: str) -> dict[str, np.ndarray]:
  """Returns the tensors of the shards that an index names, each from the shard that it says."""
  shard_of_name = _read_index(path)
  folder = path.rpartition('/')[0]
  tensors = {}
  for shard in sorted(set(shard_of_name.values())):
    shard_path = f'{folder}/{shard}' if folder else shard
    if not tf.io.gfile.exists(shard_path):
      raise UserError(f'checkpoint {path}: its shard {shard} is missing; download the folder again')
    wanted = {name for name, file in shard_of_name.items() if file == shard}
    found = read(shard_path)
    different = sorted(wanted ^ set(found))
    if different:
      raise UserError(
          f'checkpoint {path} and its shard {shard} disagree about {len(different)} tensors, '
          f'{different[0]} and others; download the folder again')
    tensors.update(found)
  return tensors


def _read_index(path: str) -> dict[str, str]:
  """Returns from a tensor's name to the file name of its shard."""
  try:
    with tf.io.gfile.GFile(path) as file:
      shard_of_name = json.load(file)['weight_map']
    names = {str(name): str(shard) for name, shard in shard_of_name.items()}
  except (ValueError, KeyError, TypeError, AttributeError) as e:
    raise UserError(f'checkpoint {path} is not an index of shards ({e}); is it damaged?') from e
  for shard in names.values():
    if '/' in shard or '\\' in shard or shard.endswith(INDEX) or not is_tensor_file(shard):
      raise UserError(
          f'checkpoint {path} names {shard!r}, which is not a file of tensors next to it')
  return names
