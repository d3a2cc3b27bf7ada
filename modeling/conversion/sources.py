"""Reads checkpoints of every accepted kind into arrays under the official names."""

import dataclasses
import pathlib
import re

import ml_dtypes
import numpy as np
import tensorflow as tf

from tf_maskformer import checkpoint_files
from tf_maskformer import checkpoint_path
from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer import tensor_index
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.backbones.resnet import BLOCKS
from tf_maskformer.modeling.conversion import hdf5
from tf_maskformer.modeling.conversion import names
from tf_maskformer.modeling.conversion import resnet
from tf_maskformer.modeling.conversion import tensor_files
from tf_maskformer.modeling.conversion.name_tables import catalog

KERAS = 'Keras Applications ResNet'
TENSORFLOW = 'TensorFlow checkpoint'
_VALUE = checkpoint_files.VALUE
_NAMED = 3  # tensors in a message


@dataclasses.dataclass
class Source:
  """What a checkpoint holds.

  Attributes:
    kind: which format it was recognized as.
    arrays: by official name, in the official layout.
    ignored: names in the file that are not weights of a model (optimizer, counters, classifier).
    absent: patterns of official names that such a file does not have.
    reshaped: official names whose arrays were put together from several, or changed their type.
  """
  kind: str
  arrays: dict[str, np.ndarray]
  ignored: list[str]
  absent: tuple[str, ...] = ()
  reshaped: list[str] = dataclasses.field(default_factory=list)


def find(path: str, allow_nonfinite: bool = False) -> str:
  """Returns the checkpoint that `path` means: a file, a TensorFlow prefix, or what a folder holds.

  Of a folder with TensorFlow checkpoints that is the newest whole one, with a warning where there
  are newer ones that are not; else a file that Hugging Face's save_pretrained wrote.

  Args:
    path: local or remote.
    allow_nonfinite: of a folder, also a checkpoint with weights that are NaN or infinite.

  Raises:
    UserError: there is none, or none is whole.
  """
  with files.reading(f'checkpoint {path}'):
    return _find(path, allow_nonfinite)


def _find(path: str, allow_nonfinite: bool) -> str:
  if tf.io.gfile.isdir(path):
    newest = checkpoint_files.newest(path, allow_nonfinite=allow_nonfinite)
    found = newest.prefix if newest else tensor_files.of_folder(path)
    if found is None:
      raise UserError(f'no checkpoint is in the folder {path}; name a file or another folder')
    return found
  if tf.io.gfile.exists(path + '.index'):
    return path
  if path.endswith('.index'):
    return path[:-len('.index')]
  if not tf.io.gfile.exists(path):
    raise checkpoint_path.missing(path)
  return path


def read(path: str, allow_nonfinite: bool = False) -> Source:
  """Reads a checkpoint.

  Args:
    path: TensorFlow checkpoint prefix or folder (of this project, or of Model Garden's ResNet), a
      Keras Applications ResNet `.h5`, or a `.pkl`, `.pth`, `.pt`, `.bin` or `.safetensors` file of
      detectron2, PyTorch or Hugging Face, or a folder of the latter; see `name_tables`.
    allow_nonfinite: weights may be NaN or infinite.

  Raises:
    UserError: the file is missing, damaged, refused or not of a known kind, or a weight is not
      finite.
  """
  path = find(path, allow_nonfinite)
  if pathlib.PurePath(path).suffix.lower() in ('.h5', '.hdf5'):
    arrays, ignored = hdf5.read_keras(path)
    source = Source(KERAS, arrays, ignored)
  elif tensor_files.is_tensor_file(path):
    source = renamed(path, tensor_files.read(path))
  else:
    source = _read_tensorflow(path)
  if not allow_nonfinite:
    _check_finite(path, source.arrays)
  return source


def _check_finite(path: str, arrays: dict[str, np.ndarray]) -> None:
  """Raises UserError where a weight is NaN or infinite; float64 may be, as float32."""
  wrong = sorted(name for name, array in arrays.items() if not np.isfinite(array).all())
  if wrong:
    raise UserError(
        f'checkpoint {path} has NaN or infinite weights in {len(wrong)} tensors '
        f'({", ".join(map(errors.quoted, wrong[:_NAMED]))}); is it of a run that diverged? Take an '
        'earlier one; convert, predict and tf_maskformer.load accept it with '
        'allow_nonfinite_weights')


def renamed(path: str, tensors: dict[str, np.ndarray]) -> Source:
  """Returns the tensors of a file under the official names.

  Every one is used once or known not to be a weight.

  Args:
    path: for messages.
    tensors: by the names in the file.

  Raises:
    UserError: names are unknown, given twice or missing, or a tensor is not of floating point.
  """
  tensors = {name.removeprefix('module.'): value for name, value in tensors.items()}
  table = catalog.recognize(list(tensors))
  if table is None:
    kinds = ', '.join(t.kind for t in catalog.NAME_TABLES)
    raise UserError(f'checkpoint {path} does not hold a model that is known here; its first names: '
                    f'{", ".join(list(tensors)[:3])}; known: {kinds}')
  arrays: dict[str, np.ndarray] = {}
  # Official name -> {0, 1, 2: query, key, value}.
  thirds: dict[str, dict[int, np.ndarray]] = {}
  ignored: list[str] = []
  unknown: list[str] = []
  reshaped: set[str] = set()
  for name, value in tensors.items():
    if table.is_ignored(name):
      ignored.append(name)
      continue
    target = table.official(name)
    if target is None:
      unknown.append(name)
      continue
    target, _, third = target.partition('#')
    if target in arrays or int(third or 0) in thirds.get(target, {}):
      raise UserError(f'checkpoint {path} has {target} twice (the second time as {name})')
    if third:
      thirds.setdefault(target, {})[int(third)] = _as_float32(path, name, value)
    else:
      arrays[target] = _as_float32(path, name, value)
    if third or value.dtype != np.float32:
      reshaped.add(target)
  if unknown:
    raise UserError(f'checkpoint {path} ({table.kind}) has {len(unknown)} tensors of unknown name: '
                    f'{", ".join(unknown)}')
  arrays.update(_joined(path, thirds))
  return Source(table.kind, table.finish(arrays), ignored, table.absent, sorted(reshaped))


def _joined(path: str, thirds: dict[str, dict[int, np.ndarray]]) -> dict[str, np.ndarray]:
  """Returns the arrays whose rows are query, key and value, from these thirds."""
  joined = {}
  for target, parts in thirds.items():
    if sorted(parts) != [0, 1, 2]:
      raise UserError(f'checkpoint {path} has only a part of query, key and value of {target}')
    joined[target] = np.concatenate([parts[i] for i in range(3)])
  return joined


def _as_float32(path: str, name: str, value: np.ndarray) -> np.ndarray:
  value = np.asarray(value)  # TensorFlow returns a single text as bytes
  if value.dtype.kind != 'f' and value.dtype != ml_dtypes.bfloat16:
    raise UserError(f'checkpoint {path}: {errors.quoted(name)} has type {value.dtype}; weights '
                    'must be floating-point numbers')
  with np.errstate(over='ignore'):  # infinity, which `read` refuses by name
    return np.asarray(value, np.float32)


def _read_tensorflow(path: str) -> Source:
  try:
    tensor_index.Index(path)  # before TensorFlow, which can end the process at a hostile one
    return _of_reader(path, tf.train.load_checkpoint(path))
  except (tf.errors.OpError, ValueError, IndexError) as e:
    raise UserError(f'checkpoint {path} cannot be read as a TensorFlow checkpoint '
                    f'({errors.reason(e)}); is it damaged?') from e


def _of_reader(path: str, reader) -> Source:
  keys = sorted(reader.get_variable_to_shape_map())
  is_value = [k.endswith(_VALUE) and '.OPTIMIZER_SLOT' not in k for k in keys]
  key_of_name = {k[:-len(_VALUE)]: k for k, yes in zip(keys, is_value) if yes}
  for prefix in ('backbone/', 'model/layer_with_weights-0/'):
    pattern = re.compile(prefix + r'(layer_with_weights-[0-9]+/.*)')
    found = {name: pattern.match(name) for name in key_of_name}
    garden = {m[1]: _as_float32(path, name, reader.get_tensor(key_of_name[name]))
              for name, m in found.items() if m}
    if garden:
      others = [name for name in key_of_name if not name.startswith(prefix)]
      return _from_model_garden(path, garden, others)

  arrays = {}
  reshaped = []
  for name, key in key_of_name.items():
    if not name.startswith('model/'):
      continue
    official = names.official_name(name.split('/')[1:])
    value = np.asarray(reader.get_tensor(key))
    if official in arrays:
      raise UserError(f'checkpoint {path} has {errors.quoted(official)} twice')
    arrays[official] = names.to_official_layout(official, _as_float32(path, name, value))
    if value.dtype != np.float32:
      reshaped.append(official)
  if not arrays:
    raise UserError(
        f'checkpoint {path} does not hold a model of this project nor a Model Garden ResNet; its '
        f'first names: {", ".join(map(errors.quoted, list(key_of_name)[:3]))}')
  ignored = [name for name in key_of_name if not name.startswith('model/')]
  return Source(TENSORFLOW, arrays, ignored, reshaped=reshaped)


def _from_model_garden(path: str, arrays: dict[str, np.ndarray], ignored: list[str]) -> Source:
  indices = {name.split('/')[0].removeprefix('layer_with_weights-') for name in arrays}
  layers = 1 + max(map(int, indices))
  blocks_of_layers = {2 + sum(blocks): blocks for blocks in BLOCKS.values()}
  if layers not in blocks_of_layers:
    raise UserError(
        f'checkpoint {path} is a Model Garden backbone of {layers} layers, which is not a ResNet '
        f'of depth {", ".join(map(str, BLOCKS))}')
  try:
    converted = resnet.from_model_garden(arrays, blocks_of_layers[layers])
  except (KeyError, IndexError, ValueError) as e:
    raise UserError(
        f'checkpoint {path} has names that a Model Garden ResNet does not have '
        f'({errors.quoted(e)}); name another checkpoint') from e
  return Source('Model Garden ResNet', converted, ignored)
