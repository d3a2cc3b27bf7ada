"""A model's variables under the names and in the layout of the official (PyTorch) checkpoints."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

# tf_keras' names of batch norm variables.
_NORM_NAMES = {
    'gamma': 'weight', 'beta': 'bias', 'moving_mean': 'running_mean',
    'moving_variance': 'running_var'}
# Tables, which have no input and output side to transpose.
_TABLES = (
    'query_embed.weight', 'query_feat.weight', 'level_embed', 'level_embed.weight',
    'relative_position_bias_table')


def _axes(name: str, rank: int) -> tuple[int, ...]:
  """From TensorFlow's axes of the array `name` to the official ones."""
  if rank == 4:
    return (3, 2, 0, 1)  # [height, width, in, out] -> [out, in, height, width]
  if rank == 2 and not name.endswith(_TABLES):
    return (1, 0)
  return tuple(range(rank))


def to_official_layout(name: str, value: np.ndarray) -> np.ndarray:
  """Returns an array in TensorFlow's layout in the official one."""
  return np.transpose(value, _axes(name, value.ndim))


@dataclasses.dataclass(frozen=True)
class Entry:
  """One variable and how its array is laid out in an official file.

  Attributes:
    name: official, e.g. 'backbone.res2.0.conv1.norm.weight'.
    variable: of the model.
  """
  name: str
  variable: tf.Variable

  @property
  def _axes(self) -> tuple[int, ...]:
    return _axes(self.name, len(self.variable.shape))

  @property
  def official_shape(self) -> tuple[int, ...]:
    return tuple(self.variable.shape[a] for a in self._axes)

  def to_official(self) -> np.ndarray:
    """Returns the variable's value in the official layout."""
    return to_official_layout(self.name, self.variable.numpy())

  def assign_official(self, value: np.ndarray) -> None:
    """Assigns an array in the official layout.

    Raises:
      ValueError: its shape is not the variable's.
    """
    if tuple(value.shape) != self.official_shape:
      raise ValueError(f'{self.name} has shape {tuple(value.shape)}, the model needs '
                       f'{self.official_shape}')
    self.variable.assign(np.transpose(value, np.argsort(self._axes)))


def official_name(path: Sequence[str | int]) -> str:
  """Returns the official name of the variable at that path of attributes below the model."""
  name = '.'.join(str(part) for part in path)
  head, _, last = name.rpartition('.')
  name = f'{head}.{_NORM_NAMES.get(last, last)}'
  for part in ('pixel_decoder', 'predictor'):
    if name.startswith(part + '.'):
      name = 'sem_seg_head.' + name
  return name


def _walk(part, path: tuple) -> Iterator[tuple[tuple, tf.Variable]]:
  """Yields every variable below `part` with its path: public attribute names and list positions."""
  if isinstance(part, tf.Variable):
    yield path, part
  elif isinstance(part, (list, tuple)):
    for i, item in enumerate(part):
      yield from _walk(item, path + (i,))
  elif isinstance(part, tf_keras.layers.Layer):
    for name, value in vars(part).items():
      if not name.startswith('_'):
        yield from _walk(value, path + (name,))


def entries(model: tf_keras.Model) -> dict[str, Entry]:
  """Returns every variable of the model by its official name, trained or not."""
  found = [Entry(official_name(path), variable) for path, variable in _walk(model, ())]
  return {entry.name: entry for entry in found}
