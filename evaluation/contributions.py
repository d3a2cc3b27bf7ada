"""Contributions of several images in one set of arrays, as they are stored or sent."""

from collections.abc import Mapping, Sequence

import numpy as np

from tf_maskformer.evaluation.metric import Contribution

_LENGTHS = '.lengths'  # end of the names of arrays that say where the images are


def join(contributions: Sequence[Contribution]) -> dict[str, np.ndarray]:
  """Returns the arrays of several images of one metric; of none, nothing.

  Each array has the images along its first axis, one after the other; int64 [images], under the
  same name and '.lengths', says how long they are.
  """
  joined = {}
  for name in contributions[0] if contributions else ():
    parts = [contribution[name] for contribution in contributions]
    joined[name] = np.concatenate(parts)
    joined[name + _LENGTHS] = np.array([len(part) for part in parts], np.int64)
  return joined


def split(joined: Mapping[str, np.ndarray]) -> list[Contribution]:
  """Returns the contributions that `join` was called with."""
  by_name = {}
  for name, values in joined.items():
    if not name.endswith(_LENGTHS):
      ends = np.cumsum(joined[name + _LENGTHS])
      by_name[name] = np.split(values, ends[:-1])
  return [dict(zip(by_name, parts)) for parts in zip(*by_name.values())]
