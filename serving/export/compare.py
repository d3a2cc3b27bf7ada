"""How far an export's answers are from its checkpoint's, and how far they may be. NumPy alone."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

LOGITS = ('class_logits', 'mask_logits')


class Tolerance(NamedTuple):
  """What an export must keep; differences of logits are in units of their root mean square.

  Attributes:
    typical: root mean square of the differences.
    largest: of the differences.
    equal: share of an image's pixels that have an equal answer.
    score: points of PQ, mIoU or AP, where records are given.
  """
  typical: float
  largest: float
  equal: float
  score: float


# float32: another order of sums; the research behind them is in docs/export.md. The others: what
# the weights and activations of so many bits cost a model that is still of use.
TOLERANCES = {
    'float32': Tolerance(1e-4, 1e-3, 0.999, 0.05),
    'float16': Tolerance(0.01, 0.1, 0.99, 0.3),
    'bfloat16': Tolerance(0.1, 1.0, 0.95, 1.0),
    'int8': Tolerance(0.15, 2.0, 0.93, 1.0),
}
# What is asked of other precisions than float32 where their score on records is known: on made-up
# images, of which a model is not sure, a small difference decides who owns a segment.
SANE = Tolerance(1.0, 100.0, 0.0, 0.0)
# A model that decides by a threshold, as Mask2Former's attention does, answers rounding with jumps.
# Up to here an export may differ as much as its checkpoint does from itself, see `allowed`.
JUMPS = Tolerance(0.01, 0.1, 0.99, 0.0)
_NEAR = 2.0  # times as far as the checkpoint from itself
# Of an image that is resized: a byte in some thousands is rounded to its neighbor.
RESIZED = Tolerance(0.01, 0.2, 0.995, 0.0)


class Difference(NamedTuple):
  """What was found; the fields are those of `Tolerance`, without the score."""
  typical: float
  largest: float
  equal: float

  def exceeds(self, tolerance: Tolerance) -> str:
    """Returns in a phrase what is beyond a tolerance; '' where nothing is."""
    for name, allowed, found in (
        ('the largest difference of the logits', tolerance.largest, self.largest),
        ('the typical difference of the logits', tolerance.typical, self.typical)):
      if not found <= allowed:  # NaN is beyond, too
        return f'{name} is {found:.2g} of their root mean square, {allowed:.2g} is allowed'
    if not self.equal >= tolerance.equal:
      return f'{self.equal:.2%} of the pixels are equal, {tolerance.equal:.1%} are demanded'
    return ''


def tolerance_of(precision: str, is_resized: bool) -> Tolerance:
  """Returns what an image's answer must keep."""
  own = TOLERANCES[precision]
  if not is_resized:
    return own
  return Tolerance(
      max(own.typical, RESIZED.typical), max(own.largest, RESIZED.largest),
      min(own.equal, RESIZED.equal), own.score)


def allowed(tolerance: Tolerance, own: Difference | None) -> Tolerance:
  """Returns what an image's answer must keep where the checkpoint itself jumps.

  Args:
    tolerance: of the image, see `tolerance_of`.
    own: the largest differences between the checkpoint's answers to the image and to the image with
      noise of the size of rounding; None: not measured.
  """
  if own is None:
    return tolerance
  return tolerance._replace(
      typical=max(tolerance.typical, min(_NEAR * own.typical, JUMPS.typical)),
      largest=max(tolerance.largest, min(_NEAR * own.largest, JUMPS.largest)),
      equal=min(tolerance.equal, max(1 - _NEAR * (1 - own.equal), JUMPS.equal)))


def difference(expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray], task: str,
               own: Mapping[str, np.ndarray] | None = None) -> Difference:
  """Compares the answers to one image.

  Where a score is at a threshold, the rounding of the logits decides about a complete segment. So
  an answer that is not the checkpoint's may be that of NumPy to the export's own logits.

  Args:
    expected: of the checkpoint, see `road.Road.answer`, with its logits.
    found: the same of the export.
    task: what is answered.
    own: of NumPy to the logits in `found`; None: not known.

  Returns:
    The difference; infinite where sizes differ.
  """
  typical = 0.0
  largest = 0.0
  for name in LOGITS:
    if name in expected:
      one, other = _of_logits(expected[name], found.get(name))
      typical = _larger(typical, one)
      largest = _larger(largest, other)
  equal = equal_share(expected, found, task)
  if own is not None and task != 'raw' and equal < 1:
    equal = max(equal, equal_share(own, found, task))
  return Difference(typical, largest, equal)


def _larger(a: float, b: float) -> float:
  """Returns the larger; NaN where one is."""
  return float(np.maximum(a, b))


def _of_logits(expected: np.ndarray, found: np.ndarray | None) -> tuple[float, float]:
  """Returns typical and largest difference, relative to the root mean square."""
  if found is None or expected.shape != found.shape:
    return float('inf'), float('inf')
  expected = expected.astype(np.float64)
  unit = np.sqrt((expected**2).mean()) or 1.0
  apart = np.abs(found - expected)
  return float(np.sqrt((apart**2).mean()) / unit), float(apart.max() / unit)


def equal_share(expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray], task: str
                ) -> float:
  """Returns the share of pixels with an equal answer, 0 .. 1.

  Segments and instances are matched first: one that is missing must not make all that are numbered
  after it count as different. Of instances it is the mean IoU of each with the most similar one of
  its class, weighted by score. Of logits ('raw') it is the share of pixels of masks whose sign is
  equal.
  """
  if task == 'raw':
    first, second = expected['mask_logits'], found['mask_logits']
    if first.shape != second.shape or any(
        not np.array_equal(expected[key], found[key]) for key in ('padded_size', 'image_size')):
      return 0.0
    return float(((first > 0) == (second > 0)).mean())
  if task == 'semantic':
    if expected['labels'].shape != found['labels'].shape:
      return 0.0
    return float((expected['labels'] == found['labels']).mean())
  if task == 'instance':
    return _equal_instances(expected, found)
  return _equal_segments(expected, found)


def _equal_segments(expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> float:
  first, second = expected['id_map'], found['id_map']
  if first.shape != second.shape:
    return 0.0
  room = int(second.max(initial=0)) + 1
  pairs, counts = np.unique(first.astype(np.int64) * room + second, return_counts=True)
  equal = 0
  used: set[int] = set()
  for pair, count in sorted(zip(pairs.tolist(), counts.tolist()), key=lambda row: -row[1]):
    a, b = divmod(pair, room)
    if a in used or -b - 1 in used or _class_of(expected, a) != _class_of(found, b):
      continue
    used |= {a, -b - 1}
    equal += count
  return equal / first.size


def _class_of(answer: Mapping[str, np.ndarray], segment: int) -> int:
  """Returns a segment's class, -1 of void."""
  return int(answer['classes'][segment - 1]) if segment else -1


def _equal_instances(expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> float:
  first = expected['masks'].reshape(len(expected['masks']), -1)
  second = found['masks'].reshape(len(found['masks']), -1)
  if first.shape[1] != second.shape[1]:
    return 0.0
  best = []
  for row, class_id in zip(first, expected['classes']):
    others = second[found['classes'] == class_id]
    best.append(max((_iou(row, other) for other in others), default=0.0))
  weights = expected['scores'].astype(np.float64)
  lost = float(np.sum(weights * (1 - np.array(best))))
  return 1 - lost / float(weights.sum()) if weights.sum() else 1.0


def _iou(a: np.ndarray, b: np.ndarray) -> float:
  union = np.count_nonzero(a | b)
  return np.count_nonzero(a & b) / union if union else 1.0
