"""Reads files that hold tensors by name: pickles, safetensors, and shards with an index."""

import pathlib
import re

import ml_dtypes
import numpy as np
import safetensors
import tensorflow as tf

from tf_maskformer.errors import UserError
from tf_maskformer.errors import quoted
from tf_maskformer.modeling.conversion import foreign_files
from tf_maskformer.modeling.conversion import pickles

PICKLES = ('.pkl', '.pth', '.pt', '.bin')
SAFETENSORS = '.safetensors'
INDEX = '.index.json'
# Bytes of the names, types and places in a safetensors file, of which Python needs up to 20 times
# as many; 1000 tensors have 0.1 MB.
_LARGEST_HEADER = 4 * 2**20
_LONGEST_FILE_NAME = 255
# What Hugging Face's save_pretrained writes into a folder; the first that is there is read.
FOLDER_FILES = (
    'model.safetensors', 'model.safetensors' + INDEX, 'pytorch_model.bin',
    'pytorch_model.bin' + INDEX)
_SHARD = re.compile(r'(.+)-[0-9]{5}-of-[0-9]{5}(\.safetensors|\.bin)')
# The types that checkpoints use; safetensors' own NumPy reader does not know bfloat16.
_SAFETENSORS_TYPES = {
    'F64': np.float64, 'F32': np.float32, 'F16': np.float16, 'BF16': ml_dtypes.bfloat16,
    'I64': np.int64, 'I32': np.int32, 'I16': np.int16, 'I8': np.int8, 'U8': np.uint8,
    'BOOL': np.bool_}


def is_tensor_file(path: str) -> bool:
  """Whether the ending is one that `read` knows."""
  return path.endswith(INDEX) or pathlib.PurePath(path).suffix.lower() in (*PICKLES, SAFETENSORS)


def of_folder(folder: str) -> str | None:
  """Returns the file with the weights in a folder of Hugging Face's save_pretrained, or None.

  Raises:
    UserError: there are shards without the index that says what is in them.
  """
  for name in FOLDER_FILES:
    path = f'{folder.rstrip("/")}/{name}'
    if tf.io.gfile.exists(path):
      return path
  for name in sorted(tf.io.gfile.listdir(folder)):
    shard = _SHARD.fullmatch(name)
    if shard:
      raise UserError(
          f'folder {folder} has the shard {quoted(name)}, but {quoted(shard[1] + shard[2])}{INDEX}'
          ', which says what is in the shards, is missing; download the folder again')
  return None


def read(path: str) -> dict[str, np.ndarray]:
  """Returns the tensors of a file, by the names in it.

  Args:
    path: ends in .pkl, .pth, .pt, .bin, .safetensors, or .index.json (of shards next to it).

  Raises:
    UserError: a file is missing, damaged or refused, or does not hold tensors.
  """
  if path.endswith(INDEX):
    return _read_shards(path)
  if path.lower().endswith(SAFETENSORS):
    return _read_safetensors(path)
  return _read_pickle(path)


def _read_pickle(path: str) -> dict[str, np.ndarray]:
  """Returns the state dictionary of a pickled file, which may be under 'model' or 'state_dict'."""
  with foreign_files.open_file(path) as file:
    found = pickles.load(path, file)
  for key in ('model', 'state_dict'):
    if isinstance(found, dict) and isinstance(found.get(key), dict):
      found = found[key]
      break
  if not isinstance(found, dict) or not any(isinstance(v, np.ndarray) for v in found.values()):
    raise UserError(f'checkpoint {path} is not a dictionary of tensors; name another file')
  kinds = (np.ndarray, np.generic)
  return {name: value for name, value in found.items() if isinstance(value, kinds)}


def _read_safetensors(path: str) -> dict[str, np.ndarray]:
  with foreign_files.open_file(path) as file:
    data = file.read()
  try:
    if int.from_bytes(data[:8], 'little') > _LARGEST_HEADER:
      raise ValueError(f'its header has more than {_LARGEST_HEADER} bytes')
    return {name: _array(name, tensor) for name, tensor in safetensors.deserialize(data)}
  except (safetensors.SafetensorError, ValueError, MemoryError) as e:
    raise UserError(
        f'checkpoint {path} cannot be read as safetensors ({e}); is it damaged or cut off?') from e


def _array(name: str, tensor: dict) -> np.ndarray:
  if tensor['dtype'] not in _SAFETENSORS_TYPES:
    raise ValueError(f'{quoted(name)} has type {tensor["dtype"]}, which no checkpoint needs')
  flat = np.frombuffer(tensor['data'], _SAFETENSORS_TYPES[tensor['dtype']])
  return flat.reshape(tensor['shape'])


def _read_shards(path: str) -> dict[str, np.ndarray]:
  """Returns the tensors of the shards that an index names, each from the shard that it says."""
  shard_of_name = _read_index(path)
  wanted: dict[str, set[str]] = {}
  for name, shard in shard_of_name.items():
    wanted.setdefault(shard, set()).add(name)
  folder = path.rpartition('/')[0]
  tensors = {}
  for shard in sorted(wanted):
    shard_path = f'{folder}/{shard}' if folder else shard
    if not tf.io.gfile.exists(shard_path):
      raise UserError(
          f'checkpoint {path}: its shard {quoted(shard)} is missing; download the folder again')
    found = read(shard_path)
    different = sorted(wanted[shard] ^ set(found))
    if different:
      raise UserError(
          f'checkpoint {path} and its shard {quoted(shard)} disagree about {len(different)} '
          f'tensors, {quoted(different[0])} and others; download the folder again')
    tensors.update(found)
  return tensors


def _read_index(path: str) -> dict[str, str]:
  """Returns from a tensor's name to the file name of its shard."""
  content = foreign_files.read_json(path)
  shard_of_name = content.get('weight_map') if isinstance(content, dict) else None
  if not isinstance(shard_of_name, dict):
    raise UserError(
        f'checkpoint {path} is not an index of shards (it has no weight_map); is it damaged?')
  for shard in shard_of_name.values():
    if not isinstance(shard, str) or not _is_shard(shard):
      named = quoted(shard) if isinstance(shard, str) else 'something else'
      raise UserError(
          f'checkpoint {path} names {named}, which is not a file of tensors next to it')
  return shard_of_name


def _is_shard(name: str) -> bool:
  """Whether a name is that of a file of tensors in the same folder."""
  if '/' in name or '\\' in name or not name.isprintable() or len(name) > _LONGEST_FILE_NAME:
    return False
  return is_tensor_file(name) and not name.endswith(INDEX)
