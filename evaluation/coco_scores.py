"""COCO's summary of precision, from the array that the evaluators of its protocol make."""

from typing import Any

import numpy as np

# In the order of COCO's own summary.
NAMES = ('ap', 'ap50', 'ap75', 'ap_small', 'ap_medium', 'ap_large')
_UNKNOWN = -1  # what the array has where the truth holds nothing
_ALL, _SMALL, _MEDIUM, _LARGE = range(4)  # of the areas
_AT_50 = 0  # of the thresholds 0.50, 0.55, …, 0.95
_AT_75 = 5


def of(precision: np.ndarray) -> dict[str, Any]:
  """Returns the scores.

  Args:
    precision: [10 thresholds of IoU, 101 recalls, classes, 4 areas, 3 limits of detections], in
      0 .. 1, as `COCOeval.accumulate` makes it.

  Returns:
    {'ap', 'ap50', 'ap75', 'ap_small', 'ap_medium', 'ap_large'}, x100, and 'per_class':
    {class: ap}. Where the truth holds nothing of a kind (no small objects, say) its value is NaN,
    in 'per_class' it is absent.
  """
  by_area = precision[..., -1]  # of 100 detections
  parts = (
      by_area[..., _ALL], by_area[_AT_50, ..., _ALL], by_area[_AT_75, ..., _ALL],
      by_area[..., _SMALL], by_area[..., _MEDIUM], by_area[..., _LARGE])
  scores: dict[str, Any] = dict(zip(NAMES, map(_mean, parts)))
  per_class = {}
  for class_id in range(precision.shape[2]):
    value = _mean(by_area[:, :, class_id, _ALL])
    if not np.isnan(value):
      per_class[class_id] = value
  return {**scores, 'per_class': per_class}


def _mean(values: np.ndarray) -> float:
  """Returns the mean x100 of what is known, NaN where nothing is."""
  known = values[values > _UNKNOWN]
  return float(100 * known.mean()) if known.size else float('nan')
