"""Panoptic quality as panopticapi computes it, accumulated over images (Kirillov et al., arXiv 1801.00868)."""

from collections.abc import Iterable

import numpy as np

VOID = 0


class PanopticQuality:
  """Sums of matches over a data set; `update` an image, `merge` another part's sums, read `result`.

  Segments match where class is equal and IoU > 0.5, void left out of the union. Crowds are no misses; a prediction
  that lies mostly in void or in a crowd of its class is no false alarm. Of several crowds of one class in an image
  panopticapi considers the last; so does this.
  """

  def __init__(self, num_classes: int, thing_classes: Iterable[int]):
    """Starts with nothing seen.

    Args:
      num_classes: classes are 0 .. num_classes - 1.
      thing_classes: those that are things.
    """
    self._things = frozenset(thing_classes)
    self._iou = np.zeros(num_classes)
    self._tp, self._fp, self._fn = (np.zeros(num_classes, np.int64) for _ in range(3))

  def update(self, true_map: np.ndarray, true_segments: list[dict], id_map: np.ndarray, segments: list[dict]
             ) -> None:
    """Adds one image.

    Args:
      true_map: whole numbers [height, width], a segment's id at its pixels, 0 = void.
      true_segments: dicts of id, category_id (class), iscrowd, area (as the annotation file states it).
      id_map: the prediction, likewise.
      segments: dicts of id and category_id.

    Raises:
      ValueError: sizes differ, an id is in the map but not in the list or the reverse, or a class is unknown.
    """
    if true_map.shape != id_map.shape:
      raise ValueError(f'the prediction is {id_map.shape}, the truth {true_map.shape}; predict at original size')
    truth = {s['id']: s for s in true_segments}
    predicted = {s['id']: s for s in segments}
    for segment in (*true_segments, *segments):
      if not 0 <= segment['category_id'] < len(self._iou):
        raise ValueError(f'segment {segment["id"]} has unknown class {segment["category_id"]}')
    keys = true_map.astype(np.uint64).ravel() << np.uint64(32) | id_map.astype(np.uint64).ravel()
    pairs, counts = np.unique(keys, return_counts=True)
    overlap = {(int(k >> np.uint64(32)), int(k & np.uint64(0xFFFFFFFF))): int(n) for k, n in zip(pairs, counts)}
    area = {}
    for (_, p), n in overlap.items():
      area[p] = area.get(p, 0) + n
    _check(predicted, set(area) - {VOID})
    matched_truth, matched_predicted = set(), set()
    for (t, p), n in overlap.items():
      if t not in truth or p not in predicted or truth[t]['iscrowd']:
        continue
      category = truth[t]['category_id']
      if category != predicted[p]['category_id']:
        continue
      union = area[p] + truth[t]['area'] - n - overlap.get((VOID, p), 0)
      iou = n / union
      if iou > 0.5:
        self._tp[category] += 1
        self._iou[category] += iou
        matched_truth.add(t)
        matched_predicted.add(p)
    crowds = {}
    for t, segment in truth.items():
      if t in matched_truth:
        continue
      if segment['iscrowd']:
        crowds[segment['category_id']] = t
      else:
        self._fn[segment['category_id']] += 1
    for p, segment in predicted.items():
      if p in matched_predicted:
        continue
      category = segment['category_id']
      excused = overlap.get((VOID, p), 0)
      if category in crowds:
        excused += overlap.get((crowds[category], p), 0)
      if excused / area[p] <= 0.5:
        self._fp[category] += 1

  def merge(self, other: 'PanopticQuality') -> None:
    """Adds the sums of another part of the data set."""
    for mine, theirs in ((self._iou, other._iou), (self._tp, other._tp), (self._fp, other._fp),
                         (self._fn, other._fn)):
      mine += theirs

  def result(self) -> dict:
    """Returns 'all', 'things', 'stuff': {pq, sq, rq (x100), num_classes}, and 'per_class': {class: the same with
    tp, fp, fn}. Means run over classes that occur; without any they are 0."""
    seen = self._tp + self._fp + self._fn > 0
    weight = np.maximum(self._tp + 0.5 * self._fp + 0.5 * self._fn, 0.5)
    pq, rq, sq = self._iou / weight, self._tp / weight, self._iou / np.maximum(self._tp, 1)
    def mean(classes):
      chosen = [c for c in classes if seen[c]]
      values = {name: 100 * float(np.mean(v[chosen])) if chosen else 0.0
                for name, v in (('pq', pq), ('sq', sq), ('rq', rq))}
      return {**values, 'num_classes': len(chosen)}
    everything = range(len(seen))
    return {
        'all': mean(everything),
        'things': mean(c for c in everything if c in self._things),
        'stuff': mean(c for c in everything if c not in self._things),
        'per_class': {c: {'pq': 100 * float(pq[c]), 'sq': 100 * float(sq[c]), 'rq': 100 * float(rq[c]),
                          'tp': int(self._tp[c]), 'fp': int(self._fp[c]), 'fn': int(self._fn[c])}
                      for c in everything if seen[c]},
    }


def _check(predicted: dict, in_map: set[int]) -> None:
  """Raises where a predicted map and its list of segments do not name the same ids."""
  for p in in_map - set(predicted):
    raise ValueError(f'id {p} is in the predicted map but not among its segments')
  for p in set(predicted) - in_map:
    raise ValueError(f'predicted segment {p} has no pixel in the map')
