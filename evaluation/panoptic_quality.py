"""Panoptic quality as panopticapi computes it (Kirillov et al., arXiv 1801.00868).

Boundary PQ is the same with the smaller one of two IoUs, of the segments and of their boundaries
(Cheng et al., CVPR 2021).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tf_maskformer.evaluation import boundary
from tf_maskformer.evaluation.metric import Contribution
from tf_maskformer.evaluation.metric import Metric
from tf_maskformer.evaluation.metric import integers

VOID = 0
_ID_BITS = 32  # a pair of ids in one number: the truth's above, the prediction's below
_TABLE = 2**20  # pairs of ids that are counted in a table of all of them

Segments = dict[int, dict[str, Any]]  # by id
Overlaps = dict[tuple[int, int], int]  # (true id, predicted id) -> pixels


class PanopticQuality(Metric):
  """Sums of matches over a data set; see `Metric`.

  Segments match where the class is equal and IoU > 0.5, void left out of the union. Crowds never
  count as false negatives; a prediction that is mostly in void or in a crowd of its class never
  counts as a false positive. If an image has several crowds of one class, panopticapi considers the
  last; so does this.
  """

  def __init__(self, num_classes: int, thing_classes: Iterable[int], of_boundaries: bool = False):
    """Starts with nothing seen.

    Args:
      num_classes: classes are 0 .. num_classes - 1.
      thing_classes: those that are things.
      of_boundaries: computes Boundary PQ.
    """
    self._num_classes = num_classes
    self._of_boundaries = of_boundaries
    self._things = frozenset(thing_classes)
    self._iou = np.zeros(num_classes)
    self._tp = np.zeros(num_classes, np.int64)
    self._fp = np.zeros(num_classes, np.int64)
    self._fn = np.zeros(num_classes, np.int64)

  def contribution(self, true_map: np.ndarray, true_segments: list[dict[str, Any]],
                   id_map: np.ndarray, segments: list[dict[str, Any]]) -> Contribution:
    """Returns what an image adds: classes of matches with their IoU, of misses and of false ones.

    Args:
      true_map: integers [height, width], a segment's id at its pixels, 0 = void.
      true_segments: dicts of id, category_id (class), iscrowd, area (pixels, as the annotation file
        states it).
      id_map: the prediction, as `true_map`.
      segments: dicts of id and category_id.

    Raises:
      ValueError: sizes differ, an id is in the map but not in the list or the reverse, or a class
        is unknown.
    """
    if true_map.shape != id_map.shape:
      raise ValueError(f'the prediction is {id_map.shape}, the truth {true_map.shape}; predict at '
                       'original size')
    for segment in (*true_segments, *segments):
      if not 0 <= segment['category_id'] < self._num_classes:
        raise ValueError(f'segment {segment["id"]} has unknown class {segment["category_id"]}')
    truth = {segment['id']: segment for segment in true_segments}
    predicted = {segment['id']: segment for segment in segments}
    overlaps = _overlaps(true_map, id_map)
    areas = _areas(overlaps, 1)
    _check(predicted, set(areas) - {VOID})
    true_areas = {t: segment['area'] for t, segment in truth.items()}
    ious = _ious(overlaps, true_areas, areas)
    if self._of_boundaries:
      of_boundaries = _boundary_ious(true_map, id_map)
      ious = {pair: min(iou, of_boundaries.get(pair, 0.0)) for pair, iou in ious.items()}
    matches = _matches(truth, predicted, ious)
    missed, crowds = _missed(truth, {t for t, _ in matches})
    unmatched = set(predicted) - {p for _, p in matches}
    return {
        'matched': integers([truth[t]['category_id'] for t, _ in matches]),
        'ious': np.array(list(matches.values()), np.float64),
        'missed': integers(missed),
        'false': integers(_false_positives(predicted, unmatched, crowds, overlaps, areas)),
    }

  def add(self, contribution):
    """See `Metric`."""
    matched = contribution['matched']
    np.add.at(self._iou, matched, contribution['ious'])  # one after the other, in their order
    self._tp += self._counts(matched)
    self._fp += self._counts(contribution['false'])
    self._fn += self._counts(contribution['missed'])

  def _counts(self, classes: np.ndarray) -> np.ndarray:
    return np.bincount(classes, minlength=self._num_classes)

  def result(self) -> dict[str, Any]:
    """Returns the scores.

    Returns:
      'all', 'things', 'stuff': {'pq', 'sq', 'rq' (x100), 'num_classes'}, means over the classes
      that occur, 0 without any; 'per_class': {class: {'pq', 'sq', 'rq', 'tp', 'fp', 'fn'}} of
      these.
    """
    occurs = self._tp + self._fp + self._fn > 0
    weight = np.maximum(self._tp + 0.5 * self._fp + 0.5 * self._fn, 0.5)
    scores = {
        'pq': self._iou / weight,
        'sq': self._iou / np.maximum(self._tp, 1),
        'rq': self._tp / weight,
    }
    classes = np.flatnonzero(occurs).tolist()
    per_class: dict[int, dict[str, Any]] = {}
    for c in classes:
      per_class[c] = {name: 100 * float(values[c]) for name, values in scores.items()}
      per_class[c].update(tp=int(self._tp[c]), fp=int(self._fp[c]), fn=int(self._fn[c]))
    return {
        'all': _means(scores, classes),
        'things': _means(scores, [c for c in classes if c in self._things]),
        'stuff': _means(scores, [c for c in classes if c not in self._things]),
        'per_class': per_class,
    }


def _matches(truth: Segments, predicted: Segments, ious: dict[tuple[int, int], float]
             ) -> dict[tuple[int, int], float]:
  """Returns the IoU of each pair of a true and a predicted segment that match."""
  matches = {}
  for (t, p), iou in ious.items():
    if p not in predicted or truth[t]['iscrowd']:
      continue
    if truth[t]['category_id'] == predicted[p]['category_id'] and iou > 0.5:
      matches[t, p] = iou
  return matches


def _missed(truth: Segments, matched: set[int]) -> tuple[list[int], dict[int, int]]:
  """Returns the classes of false negatives, and the last crowd of each class: {class: id}."""
  missed = []
  crowds = {}
  for t, segment in truth.items():
    if t in matched:
      continue
    if segment['iscrowd']:
      crowds[segment['category_id']] = t
    else:
      missed.append(segment['category_id'])
  return missed, crowds


def _false_positives(predicted: Segments, unmatched: set[int], crowds: Mapping[int, int],
                     overlaps: Overlaps, areas: Mapping[int, int]) -> list[int]:
  """Returns the classes of false positives among predicted segments without a match."""
  classes = []
  for p in unmatched:
    category = predicted[p]['category_id']
    excused = overlaps.get((VOID, p), 0)
    if category in crowds:
      excused += overlaps.get((crowds[category], p), 0)
    if excused / areas[p] <= 0.5:
      classes.append(category)
  return classes


def _overlaps(true_map: np.ndarray, id_map: np.ndarray) -> Overlaps:
  """Returns the pixels of each pair of ids that occurs, in the order of the ids."""
  rows = int(true_map.max(initial=0)) + 1
  columns = int(id_map.max(initial=0)) + 1
  if rows * columns <= _TABLE:  # ten times as fast as to sort the pixels
    counts = np.bincount((true_map.astype(np.int64) * columns + id_map).ravel())
    pairs = np.flatnonzero(counts)
    true_ids, predicted_ids = np.divmod(pairs, columns)
    counts = counts[pairs]
  else:
    shift = np.uint64(_ID_BITS)
    keys = true_map.astype(np.uint64).ravel() << shift | id_map.astype(np.uint64).ravel()
    pairs, counts = np.unique(keys, return_counts=True)
    true_ids = pairs >> shift
    predicted_ids = pairs & np.uint64(2**_ID_BITS - 1)
  return dict(zip(zip(true_ids.tolist(), predicted_ids.tolist()), counts.tolist()))


def _areas(overlaps: Overlaps, side: int) -> dict[int, int]:
  """Returns the pixels of each id, void too: of the true ones (side 0) or of the predicted (1)."""
  areas: dict[int, int] = {}
  for pair, common in overlaps.items():
    areas[pair[side]] = areas.get(pair[side], 0) + common
  return areas


def _ious(overlaps: Overlaps, true_areas: Mapping[int, int], areas: Mapping[int, int]
          ) -> dict[tuple[int, int], float]:
  """Returns the IoU of each pair that overlaps, void left out of the union.

  Args:
    overlaps: of all pixels.
    true_areas: pixels by true id; those of other ids have no IoU.
    areas: pixels by predicted id.
  """
  ious = {}
  for (t, p), common in overlaps.items():
    if t in true_areas and p != VOID:
      union = areas[p] + true_areas[t] - common - overlaps.get((VOID, p), 0)
      # At least what both have, also where the stated area of the truth is too small.
      ious[t, p] = common / max(union, common)
  return ious


def _boundary_ious(true_map: np.ndarray, id_map: np.ndarray) -> dict[tuple[int, int], float]:
  """Returns the IoU of each pair of boundaries that overlap, void left out of the union.

  As in the authors' code, all of the void counts there, not its boundary alone.
  """
  overlaps = _overlaps(_boundaries(true_map), _boundaries(id_map))
  true_areas = _areas(overlaps, 0)
  true_areas.pop(VOID, None)
  return _ious(overlaps, true_areas, _areas(overlaps, 1))


def _boundaries(id_map: np.ndarray) -> np.ndarray:
  """Returns a map whose ids are at the segments' boundaries; the pixels inside have an id more."""
  inside = boundary.interior(id_map, boundary.width_of(id_map.shape))
  return np.where(inside & (id_map != VOID), id_map.max() + 1, id_map)


def _means(scores: dict[str, np.ndarray], classes: list[int]) -> dict[str, Any]:
  """Returns the means x100 over some classes, 0 without any."""
  means: dict[str, Any] = {}
  for name, values in scores.items():
    means[name] = 100 * float(np.mean(values[classes])) if classes else 0.0
  return {**means, 'num_classes': len(classes)}


def _check(predicted: dict, in_map: set[int]) -> None:
  """Raises where a predicted map and its list of segments do not name the same ids."""
  for p in in_map - set(predicted):
    raise ValueError(f'id {p} is in the predicted map but not among its segments')
  for p in set(predicted) - in_map:
    raise ValueError(f'predicted segment {p} has no pixel in the map')
