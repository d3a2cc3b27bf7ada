"""Average precision of instance masks by Cityscapes' rules, computed by cityscapesscripts."""

import copy
import warnings
from typing import Any

import numpy as np
from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as official

from tf_maskformer.evaluation import run_lengths
from tf_maskformer.evaluation.metric import Contribution
from tf_maskformer.evaluation.metric import Metric
from tf_maskformer.evaluation.metric import integers

# Official instance ids; below 1000 stands for a group that was not told apart.
_GROUP = 1
_SINGLE = 1000
# What a matched prediction keeps of an instance of the truth.
_TRUTH_KEYS = ('instID', 'pixelCount', 'medDist', 'distConf')
# And the reverse.
_PREDICTION_KEYS = ('pixelCount', 'confidence', 'voidIntersection')


class CityscapesAP(Metric):
  """Gathers how masks overlap; see `Metric`.

  Instances of fewer than 100 pixels, groups and void never count as false negatives, and what is
  mostly on them never counts as a false positive.
  """

  def __init__(self, num_classes: int):
    self._num_classes = num_classes
    self._images: list[dict[str, dict[int, list[dict[str, Any]]]]] = []

  def contribution(self, truth: list[dict[str, Any]], found: list[dict[str, Any]],
                   void: np.ndarray) -> Contribution:
    """Returns what an image adds: pixels of its masks, and what they have in common.

    Args:
      truth: dicts of category_id (class), mask (bool [height, width], or its run lengths) and
        iscrowd.
      found: dicts of category_id, mask and score.
      void: bool [height, width], pixels of labels that are not evaluated.
    """
    true_masks = [run_lengths.decode(row['mask']) for row in truth]
    instances = [
        (row['category_id'], _GROUP if row['iscrowd'] else _SINGLE, int(mask.sum()))
        for row, mask in zip(truth, true_masks)]
    predictions: list[tuple[int, int, int]] = []
    scores: list[float] = []
    overlaps: list[tuple[int, int, int]] = []
    for row in found:
      mask = run_lengths.decode(row['mask'])
      if not mask.any():
        continue
      for k, true_mask in enumerate(true_masks):
        common = 0
        if truth[k]['category_id'] == row['category_id']:
          common = int((true_mask & mask).sum())
        if common:
          overlaps.append((len(predictions), k, common))
      predictions.append((row['category_id'], int(mask.sum()), int((void & mask).sum())))
      scores.append(row['score'])
    return {
        'instances': integers(instances, columns=3),
        'predictions': integers(predictions, columns=3),
        'scores': np.array(scores, np.float64),
        'overlaps': integers(overlaps, columns=3),
    }

  def add(self, contribution):
    """See `Metric`."""
    classes = range(self._num_classes)
    of_truth: dict[int, list[dict[str, Any]]] = {c: [] for c in classes}
    of_predictions: dict[int, list[dict[str, Any]]] = {c: [] for c in classes}
    instances = []
    for class_id, kind, pixels in contribution['instances'].tolist():
      instances.append(_instance(kind, pixels))
      of_truth[class_id].append(instances[-1])
    predictions = []
    scores = contribution['scores'].tolist()
    for (class_id, pixels, on_void), score in zip(contribution['predictions'].tolist(), scores):
      predictions.append(_prediction(pixels, on_void, score))
      of_predictions[class_id].append(predictions[-1])
    for p, t, common in contribution['overlaps'].tolist():
      _overlap(instances[t], predictions[p], common)
    self._images.append({'groundTruth': of_truth, 'prediction': of_predictions})

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


def _instance(kind: int, pixels: int) -> dict[str, Any]:
  """Returns an instance of the truth in the official form, without what overlaps it."""
  return {
      'instID': kind, 'pixelCount': pixels, 'medDist': -1, 'distConf': 0.0, 'matchedPred': []}


def _prediction(pixels: int, on_void: int, score: float) -> dict[str, Any]:
  """Returns a prediction in the official form, without what it overlaps."""
  return {
      'pixelCount': pixels, 'confidence': score, 'voidIntersection': on_void, 'matchedGt': []}


def _overlap(instance: dict[str, Any], prediction: dict[str, Any], common: int) -> None:
  """Lets both know of the pixels that they have in common."""
  of_prediction = {key: prediction[key] for key in _PREDICTION_KEYS}
  of_truth = {key: instance[key] for key in _TRUTH_KEYS}
  instance['matchedPred'].append({**of_prediction, 'intersection': common})
  prediction['matchedGt'].append({**of_truth, 'intersection': common})
