"""Semantic scores by Cityscapes' rules: IoU and iIoU of classes and categories (cityscapesscripts).

Everything is computed by the official functions (evaluation/evalPixelLevelSemanticLabeling.py)
except the sums over pixels, which read files there.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
from cityscapesscripts.helpers import labels

from tf_maskformer.evaluation.mean_iou import MeanIoU
from tf_maskformer.evaluation.metric import Contribution
from tf_maskformer.evaluation.metric import Metric
from tf_maskformer.evaluation.metric import integers

_UNLABELED = 0  # id of cityscapesscripts
_SINGLE = 1000  # an instance's value is 1000 * label id + number; lower ones are stuff and groups


class CityscapesIoU(Metric):
  """Sums pixels; see `Metric`.

  iIoU weights the pixels of an instance by (mean size of its class) / (its size), so that small
  instances count as much as large ones; groups that were not told apart are not instances. Pixels
  of labels that are not evaluated do not count.
  """

  def __init__(self, names: Sequence[str]):
    """Starts with nothing seen.

    Args:
      names: of the classes, in their order, as cityscapesscripts spells them.
    """
    self._labels = [labels.name2label[name] for name in names]
    # The last one, of class -1, is of pixels for which nothing is predicted.
    self._ids = np.array([label.id for label in self._labels] + [_UNLABELED])
    self._pixels = MeanIoU(len(names))
    self._args = copy.copy(official.args)
    official.generateMatrix(self._args)  # sets evalLabels
    self._instances = official.generateInstanceStats(self._args)
    self._seen_instances = 0

  @property
  def confusion(self) -> np.ndarray:
    """int64 [class of the truth, class predicted], pixels."""
    return self._pixels.confusion

  @property
  def missed(self) -> np.ndarray:
    """int64 [class of the truth], pixels for which nothing was predicted."""
    return self._pixels.missed

  def contribution(self, truth: np.ndarray, predicted: np.ndarray, instance_map: np.ndarray,
                   values: np.ndarray) -> Contribution:
    """Returns what an image adds: pixels by classes, and its instances.

    Args:
      truth: integers [height, width], the class, below 0 where it is void.
      predicted: integers [height, width], 0 .. classes - 1; -1 where nothing is predicted.
      instance_map: integers [height, width], k at the pixels of the k-th of `values`, counted from
        1; 0 where there is none.
      values: integers [n], what *_instanceIds.png holds there; below 1000: not an instance.

    Raises:
      ValueError: the sizes differ, or a class is out of range.
    """
    pixels = self._pixels.contribution(truth, predicted)
    sizes = np.bincount(instance_map.ravel(), minlength=len(values) + 1)[1:]
    rows = []
    for k in np.flatnonzero(sizes):
      label = labels.id2label[int(values[k]) // _SINGLE]  # of stuff and groups 0, which is ignored
      if not label.ignoreInEval:
        rows.append(self._instance(label, self._ids[predicted[instance_map == k + 1]]))
    return {**pixels, 'instances': integers(rows, columns=4)}

  def _instance(self, label, predicted_ids: np.ndarray) -> tuple[int, int, int, int]:
    """Returns an instance's label id, pixels, and those that are right by class and by category.

    Args:
      label: of cityscapesscripts.
      predicted_ids: the label ids predicted at its pixels, [pixels].
    """
    hits = int((predicted_ids == label.id).sum())
    category = self._instances['categories'].get(label.category)
    category_hits = int(np.isin(predicted_ids, category['labelIds']).sum()) if category else 0
    return label.id, predicted_ids.size, hits, category_hits

  def add(self, contribution):
    """See `Metric`."""
    self._pixels.add(contribution)
    for label_id, pixels, hits, category_hits in contribution['instances'].tolist():
      label = labels.id2label[label_id]
      self._seen_instances += 1
      weight = self._args.avgClassSize[label.name] / pixels
      _count(self._instances['classes'][label.name], hits, pixels, weight)
      category = self._instances['categories'].get(label.category)
      if category:
        _count(category, category_hits, pixels, weight)

  def result(self) -> dict[str, Any]:
    """Returns the scores, x100.

    Returns:
      'fwiou', 'macc' and 'pacc' of `MeanIoU`; 'miou' and 'category_iou', means over the classes and
      categories with any pixel, true or predicted; 'num_classes', 'num_categories' of those;
      'per_class': {class: {'iou'}} and 'per_category': {name: {'iou'}}. Where instances were seen
      also 'iiou' and 'category_iiou', and 'iiou' in the rows of what has instances.
    """
    measures = ('iou', 'iiou') if self._seen_instances else ('iou',)
    confusion = self._official_confusion()
    per_class = _known(dict(enumerate(self._of_classes(confusion))), measures)
    per_category = _known(self._of_categories(confusion), measures)
    scores = {
        **self._pixels.result(),
        'miou': _mean(per_class, 'iou'),
        'category_iou': _mean(per_category, 'iou'),
        'num_classes': len(per_class),
        'num_categories': len(per_category),
        'per_class': per_class,
        'per_category': per_category,
    }
    if self._seen_instances:
      scores['iiou'] = _mean(per_class, 'iiou')
      scores['category_iiou'] = _mean(per_category, 'iiou')
    return scores

  def _official_confusion(self) -> np.ndarray:
    """Returns the confusion matrix by label id, int64."""
    confusion = np.zeros([max(self._args.evalLabels) + 1] * 2, np.int64)
    ids = self._ids[:-1]
    confusion[np.ix_(ids, ids)] = self._pixels.confusion
    confusion[ids, _UNLABELED] = self._pixels.missed
    return confusion

  def _of_classes(self, confusion: np.ndarray) -> list[dict[str, float]]:
    """Returns the scores of each class in 0 .. 1, NaN where it has none."""
    rows = []
    for label in self._labels:
      rows.append({
          'iou': official.getIouScoreForLabel(label.id, confusion, self._args),
          'iiou': official.getInstanceIouScoreForLabel(
              label.id, confusion, self._instances, self._args),
      })
    return rows

  def _of_categories(self, confusion: np.ndarray) -> dict[str, dict[str, float]]:
    """Returns the scores of each category in 0 .. 1, NaN where it has none."""
    rows = {}
    for name in labels.category2labels:
      rows[name] = {
          'iou': official.getIouScoreForCategory(name, confusion, self._args),
          'iiou': official.getInstanceIouScoreForCategory(
              name, confusion, self._instances, self._args),
      }
    return rows


def _count(row: dict, hits: int, pixels: int, weight: float) -> None:
  """Adds an instance's pixels to the official sums of its class or category."""
  row['tpWeighted'] += hits * weight
  row['fnWeighted'] += (pixels - hits) * weight


def _known(rows: dict, measures: Sequence[str]) -> dict:
  """Returns the rows x100 without the values that are NaN, and without the rows that are empty."""
  known = {}
  for key, row in rows.items():
    values = {m: float(100 * row[m]) for m in measures if not np.isnan(row[m])}
    if values:
      known[key] = values
  return known


def _mean(rows: dict, measure: str) -> float:
  """Returns the mean over the rows that have the measure, 0 without any."""
  values = [row[measure] for row in rows.values() if measure in row]
  return float(np.mean(values)) if values else 0.0
