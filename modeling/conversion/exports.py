"""A model's variables as a file of the official (PyTorch) code."""

import pickle
import re

import numpy as np
import safetensors.numpy
import tf_keras

from tf_maskformer import files
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.backbones import swin
from tf_maskformer.modeling.conversion import names

ENDINGS = ('.pkl', '.safetensors')


class _Pickler(pickle._Pickler):  # pylint: disable=protected-access
  """Names NumPy's functions as NumPy 1 does: NumPy 2 knows these names, NumPy 1 only them."""

  def save_global(self, obj, name=None):
    module = getattr(obj, '__module__', '') or ''
    if not module.startswith('numpy._core'):
      super().save_global(obj, name)
      return
    self.save(module.replace('numpy._core', 'numpy.core'))
    self.save(name or obj.__name__)
    self.write(pickle.STACK_GLOBAL)
    self.memoize(obj)


def official_state(model: tf_keras.Model, no_object_weight: float | None) -> dict[str, np.ndarray]:
  """Returns every tensor of the official model's state by name, the constants that it saves too.

  Args:
    model: the model.
    no_object_weight: of the class loss; None: a model without a criterion.
  """
  state = {}
  for name, entry in names.entries(model).items():
    state[name] = np.ascontiguousarray(entry.to_official())
  for name in [n for n in state if n.endswith('.relative_position_bias_table')]:
    window = (round(len(state[name]) ** 0.5) + 1) // 2
    index = swin.relative_position_index(window).astype(np.int64)
    state[name.replace('bias_table', 'index')] = index
  if no_object_weight is not None:
    num_classes = len(state['sem_seg_head.predictor.class_embed.bias']) - 1
    state['criterion.empty_weight'] = np.array([1] * num_classes + [no_object_weight], np.float32)
  return state


def write(state: dict[str, np.ndarray], path: str) -> None:
  """Writes a file that the official code reads; complete or not at all.

  A `.pkl` has the names of the released files, in which the pixel decoder has no name of its own:
  detectron2's reader inserts it into whatever a plain pickle holds. A `.safetensors` file has
  today's names.

  Args:
    state: from `official_state`.
    path: ends in .pkl or .safetensors.

  Raises:
    UserError: another ending.
    OSError: the file system refuses.
  """
  if not path.endswith(ENDINGS):
    raise UserError(f'{path}: official files end in {" or ".join(ENDINGS)}; choose one')
  if path.endswith('.safetensors'):
    # Its own function to write a file reports a full disk as an error of a type of its own.
    files.write_bytes(path, safetensors.numpy.save(state))
    return
  with files.write_atomically(path) as temporary:
    _write_pickle(state, temporary)


def _write_pickle(state: dict[str, np.ndarray], path: str) -> None:
  pattern = re.compile(r'^sem_seg_head\.pixel_decoder\.')
  released = {pattern.sub('sem_seg_head.', name): array for name, array in state.items()}
  content = {'model': released, '__author__': 'converted from TensorFlow'}
  with open(path, 'wb') as file:
    _Pickler(file, protocol=4).dump(content)
