"""Comparison with recorded runs of the official code.

The bound is ten times the recorded difference between the official float32 and float64 runs.
"""

import json
import pathlib
import pickle

import numpy as np

from tests import support
from tf_maskformer.modeling.conversion import names

NOISE_FACTOR = 10


class Golden:
  """One recorded run: its arrays, and how exact a comparison with them can be."""

  def __init__(self, run: str):
    self._run = run

  def load(self, file: str):
    """Returns the arrays of `file`.npz."""
    return np.load(support.golden(f'{self._run}/{file}.npz'))

  def json(self, file: str):
    """Returns the content of `file`.json."""
    return json.loads(support.golden(f'{self._run}/{file}.json').read_text())

  def bound(self, section: str, group: str) -> float:
    """Returns how far a group of arrays may be off, relative to the largest value of each."""
    return NOISE_FACTOR * self.json('noise_floor')[section][group]['max_rel_to_largest']

  def rms_bound(self, section: str, group: str) -> float:
    """Returns the same for the root mean square of an error, relative to that of the array."""
    return NOISE_FACTOR * self.json('noise_floor')[section][group]['rms_rel']

  def check_gradients(self, found: dict[str, np.ndarray], wanted, section: str) -> int:
    """Compares gradients by official name with the recorded ones, each by its own part's rms noise.

    Args:
      found: arrays in the official layout, as `official` returns them.
      wanted: recorded: 'norm/…' of all, 'param/…' of the small, 'sample/…' of the large.
      section: of the noise floor.

    Returns:
      The number of gradients that were compared as a whole.
    """
    parts = {'backbone': 'backbone', 'sem_seg_head.pixel_decoder': 'pixel decoder',
             'sem_seg_head.predictor': 'predictor'}
    whole = 0
    for name, value in found.items():
      part = next(label for prefix, label in parts.items() if name.startswith(prefix + '.'))
      bound = self.rms_bound(section, f'gradient, {part} parameters (relative: per parameter)')
      norm = wanted[f'norm/{name}']
      whole += f'param/{name}' in wanted
      if norm < 1e-3:  # zero but for rounding
        assert np.linalg.norm(value) < 5e-3, name
        continue
      np.testing.assert_allclose(np.linalg.norm(value), norm, rtol=bound, err_msg=name)
      if f'param/{name}' in wanted:
        assert rms_error(value, wanted[f'param/{name}']) < bound, name
      else:
        sample = wanted[f'sample/{name}']
        places = np.linspace(0, value.size - 1, len(sample)).astype(np.int64)
        assert rms_error(value.ravel()[places], sample) < bound, name
    return whole

  def assert_close(self, actual, expected, section: str, group: str) -> None:
    """Compares an array with a recorded one of that group."""
    bound = self.bound(section, group) * np.abs(expected).max()
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=0, atol=bound)


def rms_error(found: np.ndarray, wanted: np.ndarray) -> float:
  """Returns the root mean square of the difference relative to that of `wanted`."""
  wanted = wanted.astype(np.float64)
  return float(np.sqrt(np.mean((found - wanted)**2) / np.mean(wanted**2)))


def nchw(x):
  """[batch, height, width, channels] as the recorded arrays lie."""
  return np.transpose(x, [0, 3, 1, 2])


def official(model, arrays) -> dict[str, np.ndarray]:
  """Official name -> array in the official layout, of values beside the trainable variables."""
  by_ref = {e.variable.ref(): n for n, e in names.entries(model).items()}
  return {by_ref[v.ref()]: names.to_official_layout(by_ref[v.ref()], np.asarray(a))
          for v, a in zip(model.trainable_variables, arrays)}


def released_file(run: str, path: pathlib.Path) -> str:
  """Writes a run's weights as the published checkpoints are, and returns the path.

  Those are plain pickles of NumPy 1 in which the pixel decoder has no level of its own in the
  names, and Mask2Former's query features have an older name.
  """
  def released(name):
    return name.replace('head.pixel_decoder.', 'head.').replace('.query_feat.', '.static_query.')

  recorded = np.load(support.golden(f'{run}/weights.npz'))
  weights = {released(name): value for name, value in recorded.items()}
  content = {'model': weights, '__author__': 'third_party', 'matching_heuristics': True}
  written = pickle.dumps(content, protocol=3)
  path.write_bytes(written.replace(b'cnumpy._core.multiarray\n', b'cnumpy.core.multiarray\n'))
  return str(path)


def assign(model, weights: dict[str, np.ndarray]) -> None:
  """Fills a model with recorded weights; every name on both sides is used once."""
  entries = names.entries(model)
  constants = ('relative_position_index', 'criterion.empty_weight')
  weights = {n: w for n, w in weights.items() if not n.endswith(constants)}
  assert set(entries) == set(weights)
  for name, value in weights.items():
    entries[name].assign_official(value)
