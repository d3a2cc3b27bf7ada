"""Average precision of instance masks by Cityscapes' rules, computed by cityscapesscripts."""

import copy
import warnings
from typing import Any

import numpy as np
from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as official

from tf_maskformer.evaluation import run_lengths

# Official instance ids; below 1000 stands for a group that was not told apart.
_GROUP = 1
_SINGLE = 1000
# What a matched prediction keeps of an instance of the truth.
_TRUTH_KEYS = ('instID', 'pixelCount', 'medDist', 'distConf')


class CityscapesAP:
  """Gathers how masks overlap; `update` per image, `merge` several, `result` at the end.

  Instances of fewer than 100 pixels, groups and void never count as false negatives, and what is
  mostly on them never counts as a false positive.
  """

  def __init__(self, num_classes: int):
    self._num_classes = num_classes
    self._images: list[dict[str, dict[int, list[dict[str, Any]]]]] = []

  def update(self, truth: list[dict[str, Any]], found: list[dict[str, Any]], void: np.ndarray
             ) -> None:
    """Adds an image.

    Args:
      truth: dicts of category_id (class), mask (bool [height, width], or its run lengths) and
        iscrowd.
      found: dicts of category_id, mask and score.
      void: bool [height, width], pixels of labels that are not evaluated.
    """
    instances: dict[int, list[dict[str, Any]]] = {c: [] for c in range(self._num_classes)}
    predictions: dict[int, list[dict[str, Any]]] = {c: [] for c in range(self._num_classes)}
    for row in truth:
      instances[row['category_id']].append(_instance(row))
    for row in found:
      if run_lengths.area(row['mask']):
        class_id = row['category_id']
        predictions[class_id].append(_match(row, instances[class_id], void))
    for of_class in instances.values():
      for instance in of_class:
        del instance['mask']
    self._images.append({'groundTruth': instances, 'prediction': predictions})

  def merge(self, other: 'CityscapesAP') -> None:
    """Adds what another instance has seen."""
    self._images += other._images

  def _precision(self, category_id: int, overlap: float) -> float:
    """Returns the official precision of one class at one overlap, in 0 .. 1.

    NaN where the truth has no such instance.
    """
    args = copy.copy(official.args)
    args.instLabels = [category_id]
    args.overlaps = np.array([overlap])
    try:
      return float(official.evaluateMatches(dict(enumerate(self._images)), args)[0, 0, 0])
    except IndexError:
      # There is truth, but every prediction is on what is ignored: the script has no curve then.
      return 0.0

  def result(self) -> dict[str, Any]:
    """Returns {'ap', 'ap50'}, x100, and 'per_class': {class: ap}.

    Classes that the truth does not hold are not in 'per_class'; if it holds none, the means are
    NaN.
    """
    args = copy.copy(official.args)
    args.instLabels = list(range(self._num_classes))
    precision = [
        [self._precision(class_id, overlap) for overlap in args.overlaps]
        for class_id in args.instLabels]
    with warnings.catch_warnings():
      warnings.filterwarnings('ignore', 'Mean of empty slice')  # nothing in the truth: NaN
      averages = official.computeAverages(np.array([precision]), args)
    per_class = {}
    for class_id, row in averages['classes'].items():
      if not np.isnan(row['ap']):
        per_class[class_id] = float(100 * row['ap'])
    return {
        'ap': float(100 * averages['allAp']),
        'ap50': float(100 * averages['allAp50%']),
        'per_class': per_class,
    }


def _instance(row: dict[str, Any]) -> dict[str, Any]:
  """Returns an instance of the truth in the official form, with its mask for now."""
  mask = run_lengths.decode(row['mask'])
  return {
      'instID': _GROUP if row['iscrowd'] else _SINGLE,
      'pixelCount': int(mask.sum()),
      'medDist': -1,
      'distConf': 0.0,
      'mask': mask,
      'matchedPred': [],
  }


def _match(row: dict[str, Any], instances: list[dict[str, Any]], void: np.ndarray
           ) -> dict[str, Any]:
  """Returns a prediction in the official form, with the instances that it overlaps.

  They get the prediction too, in 'matchedPred'.
  """
  mask = run_lengths.decode(row['mask'])
  prediction = {
      'pixelCount': int(mask.sum()),
      'confidence': row['score'],
      'voidIntersection': int((void & mask).sum()),
  }
  matched = []
  for instance in instances:
    common = int((instance['mask'] & mask).sum())
    if common:
      instance['matchedPred'].append({**prediction, 'intersection': common})
      of_truth = {key: instance[key] for key in _TRUTH_KEYS}
      matched.append({**of_truth, 'intersection': common})
  return {**prediction, 'matchedGt': matched}
