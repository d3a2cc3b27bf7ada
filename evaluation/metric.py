"""What all metrics share: an image's share of a score is computed apart from where it is added."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# What one image adds to a score: arrays by name. The first axis may have any length, the other axes
# and the dtypes are the same for every image of a metric.
Contribution = dict[str, np.ndarray]


class Metric:
  """A score over a data set: `update` per image, `result` at the end.

  `update` is two steps. `contribution` compares an image with its truth and changes nothing, so it
  may run for several images at the same time, on any machine. `add` sums up. The same contributions
  in the same order have the same result to the last bit.
  """

  def contribution(self, *args: Any, **kwargs: Any) -> Contribution:
    """Returns what an image adds; arguments and errors as the metric says."""
    raise NotImplementedError

  def add(self, contribution: Contribution) -> None:
    """Adds an image: what `contribution` returned for it."""
    raise NotImplementedError

  def update(self, *args: Any, **kwargs: Any) -> None:
    """Adds an image; arguments and errors as `contribution`."""
    self.add(self.contribution(*args, **kwargs))

  def result(self) -> dict[str, Any]:
    """Returns the scores of the images that were added."""
    raise NotImplementedError


def integers(values: Sequence[Any], columns: int = 0) -> np.ndarray:
  """Returns int64 [n], or [n, columns], also of no values."""
  return np.array(values, np.int64).reshape([-1, columns] if columns else [-1])
