"""Good files of every format that is read, from which hostile ones are made.

Those of PyTorch are written by Python's own pickler over stand-ins of PyTorch's modules, so that
PyTorch is not needed.
"""

import collections
import dataclasses
import io
import pathlib
import pickle
import sys
import types
import zipfile

import h5py
import numpy as np
import safetensors.numpy
from PIL import Image


@dataclasses.dataclass(frozen=True)
class Good:
  """The bytes of good files, and the folder of a run.

  Attributes:
    pickle: as detectron2 writes it.
    torch: a zip, as torch.save writes it.
    safetensors: of the same tensors.
    keras: a thin ResNet as Keras Applications writes it.
    run: the folder of a training.
    images: by suffix.
  """
  pickle: bytes
  torch: bytes
  safetensors: bytes
  keras: bytes
  run: pathlib.Path
  images: dict[str, bytes]

  def of(self, suffix: str) -> bytes:
    """Returns the good file of a suffix; of checkpoints in folders there is none."""
    own = {'.pkl': self.pickle, '.pth': self.torch, '.safetensors': self.safetensors,
           '.h5': self.keras}
    return {**own, **self.images}[suffix]


def make(official: pathlib.Path, run: pathlib.Path) -> Good:
  """Returns good files.

  Args:
    official: what `convert` wrote, a `.pkl`.
    run: the folder of a training.
  """
  data = official.read_bytes()
  arrays = {name: np.asarray(value) for name, value in pickle.loads(data)['model'].items()}
  return Good(
      data, _torch_zip(arrays), safetensors.numpy.save(arrays), _keras(), run, _images())


class _Storage:
  """Stands for a storage while it is pickled: only its key is written."""

  def __init__(self, key: str, array: np.ndarray):
    self.key = key
    self.array = array


class _Pickler(pickle.Pickler):
  """Writes storages as persistent ids, as torch.save does."""

  def persistent_id(self, obj):
    if isinstance(obj, _Storage):
      kind = sys.modules['torch'].FloatStorage
      return 'storage', kind, obj.key, 'cpu', obj.array.size
    return None


class _Tensor:
  """Stands for a tensor while it is pickled."""

  def __init__(self, storage: _Storage):
    self._storage = storage

  def __reduce__(self):
    shape = self._storage.array.shape
    strides = tuple(int(np.prod(shape[i + 1:])) for i in range(len(shape)))
    rebuild = sys.modules['torch._utils']._rebuild_tensor_v2
    return rebuild, (self._storage, 0, shape, strides, False, collections.OrderedDict())


def _torch_zip(arrays: dict[str, np.ndarray]) -> bytes:
  """Returns what torch.save writes of these arrays, in its zip format."""
  modules = {name: types.ModuleType(name) for name in ('torch', 'torch._utils')}
  modules['torch'].FloatStorage = type('FloatStorage', (), {'__module__': 'torch'})
  code = 'def _rebuild_tensor_v2(*arguments): pass'
  exec(code, vars(modules['torch._utils']))  # pylint: disable=exec-used
  before = {name: sys.modules.get(name) for name in modules}
  sys.modules.update(modules)
  try:
    storages = [
        _Storage(str(i), np.ascontiguousarray(array)) for i, array in enumerate(arrays.values())]
    state = collections.OrderedDict(
        (name, _Tensor(storage)) for name, storage in zip(arrays, storages))
    pickled = io.BytesIO()
    _Pickler(pickled, 2).dump({'model': state})
  finally:
    for name, module in before.items():
      if module is None:
        del sys.modules[name]
      else:
        sys.modules[name] = module
  target = io.BytesIO()
  with zipfile.ZipFile(target, 'w') as output:
    output.writestr('archive/data.pkl', pickled.getvalue())
    for storage in storages:
      output.writestr(f'archive/data/{storage.key}', storage.array.astype(np.float32).tobytes())
    output.writestr('archive/version', b'3\n')
  return target.getvalue()


def _keras() -> bytes:
  """Returns a ResNet of one block in each stage, two channels wide."""
  target = io.BytesIO()
  layers = {'conv1': 7}
  for stage in (2, 3, 4, 5):
    layers |= {f'conv{stage}_block1_{i}': 3 if i == 2 else 1 for i in range(4)}
  with h5py.File(target, 'w') as file:
    for name, size in layers.items():
      channels = 3 if name == 'conv1' else 2
      kernel = np.full((size, size, channels, 2), 0.5, np.float32)
      file[f'{name}_conv/{name}_conv/kernel:0'] = kernel
      file[f'{name}_conv/{name}_conv/bias:0'] = np.zeros(2, np.float32)
      for part in ('gamma', 'beta', 'moving_mean', 'moving_variance'):
        file[f'{name}_bn/{name}_bn/{part}:0'] = np.ones(2, np.float32)
  return target.getvalue()


def _images() -> dict[str, bytes]:
  """Returns a small image in every format that is predicted."""
  noise = np.random.default_rng(0).integers(0, 255, (33, 47, 3), np.uint8)
  found = {}
  formats = {'.png': 'PNG', '.jpg': 'JPEG', '.bmp': 'BMP', '.tif': 'TIFF', '.webp': 'WEBP',
             '.gif': 'GIF'}
  for suffix, name in formats.items():
    target = io.BytesIO()
    Image.fromarray(noise).save(target, name)
    found[suffix] = target.getvalue()
  return found
