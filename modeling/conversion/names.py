"""A model's variables under the names and in the layout of the official (PyTorch) checkpoints."""

import dataclasses

import numpy as np
import tensorflow as tf
import tf_keras

# tf_keras' names of batch norm variables.
_NORM_NAMES = {'gamma': 'weight', 'beta': 'bias', 'moving_mean': 'running_mean', 'moving_variance': 'running_var'}
# Tables, which have no input and output side to transpose.
_TABLES = ('query_embed.weight',)


@dataclasses.dataclass(frozen=True)
class Entry:
  """One variable and how its array lies in an official file."""
  name: str  # official name, e.g. 'backbone.res2.0.conv1.norm.weight'
  variable: tf.Variable

  @property
  def _axes(self) -> tuple[int, ...]:
    """From TensorFlow's axes to the official ones."""
    rank = len(self.variable.shape)
    if rank == 4:
      return (3, 2, 0, 1)  # [height, width, in, out] -> [out, in, height, width]
    if rank == 2 and not self.name.endswith(_TABLES):
      return (1, 0)
    return tuple(range(rank))

  @property
  def official_shape(self) -> tuple[int, ...]:
    return tuple(self.variable.shape[a] for a in self._axes)

  def to_official(self) -> np.ndarray:
    """Returns the variable's value in the official layout."""
    return np.transpose(self.variable.numpy(), self._axes)

  def assign_official(self, value: np.ndarray) -> None:
    """Assigns an array in the official layout.

    Raises:
      ValueError: its shape is not the variable's.
    """
    if tuple(value.shape) != self.official_shape:
      raise ValueError(f'{self.name} has shape {tuple(value.shape)}, the model wants {self.official_shape}')
    self.variable.assign(np.transpose(value, np.argsort(self._axes)))


def _official(path: tuple) -> str:
  name = '.'.join(str(part) for part in path)
  head, _, last = name.rpartition('.')
  name = f'{head}.{_NORM_NAMES.get(last, last)}'
  for part in ('pixel_decoder', 'predictor'):
    if name.startswith(part + '.'):
      name = 'sem_seg_head.' + name
  return name


def entries(model: tf_keras.Model) -> dict[str, Entry]:
  """Returns every variable of the model by its official name, trained or not."""
  result = {}
  for path, variable in model._flatten(  # pylint: disable=protected-access
      predicate=lambda v: isinstance(v, tf.Variable), with_path=True):
    entry = Entry(_official(path), variable)
    result[entry.name] = entry
  return result
