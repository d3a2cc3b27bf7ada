"""Comparison with recorded runs of the official code.

The bound is ten times the recorded difference between the official float32 and float64 runs.
"""

import json

import numpy as np

from modeling.conversion import names
from tests import support

NOISE_FACTOR = 10


class Golden:
  """One recorded run: its arrays, and how exact a comparison with them can be."""

  def __init__(self, run: str):
    self._folder = f'golden/{run}'

  def load(self, file: str):
    """Returns the arrays of `file`.npz."""
    return np.load(support.shared(f'{self._folder}/{file}.npz'))

  def json(self, file: str):
    """Returns the content of `file`.json."""
    return json.loads(support.shared(f'{self._folder}/{file}.json').read_text())

  def bound(self, section: str, group: str) -> float:
    """Returns how far a group of arrays may be off, relative to the largest value of each."""
    return NOISE_FACTOR * self.json('noise_floor')[section][group]['max_rel_to_largest']

  def assert_close(self, actual, expected, section: str, group: str) -> None:
    """Compares an array with a recorded one of that group."""
    bound = self.bound(section, group) * np.abs(expected).max()
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=0, atol=bound)


def nchw(x):
  """[batch, height, width, channels] as the recorded arrays lie."""
  return np.transpose(x, [0, 3, 1, 2])


def official(model, arrays) -> dict[str, np.ndarray]:
  """Official name -> array in the official layout, of values beside the trainable variables."""
  by_ref = {e.variable.ref(): n for n, e in names.entries(model).items()}
  return {by_ref[v.ref()]: names.to_official_layout(by_ref[v.ref()], np.asarray(a))
          for v, a in zip(model.trainable_variables, arrays)}


def assign(model, weights: dict[str, np.ndarray]) -> None:
  """Fills a model with recorded weights; every name on both sides is used once."""
  entries = names.entries(model)
  constants = ('relative_position_index', 'criterion.empty_weight')
  weights = {n: w for n, w in weights.items() if not n.endswith(constants)}
  assert set(entries) == set(weights)
  for name, value in weights.items():
    entries[name].assign_official(value)
