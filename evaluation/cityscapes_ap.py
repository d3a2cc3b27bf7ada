"""Average precision of instance masks by Cityscapes' rules, computed by cityscapesscripts over a whole set."""

import copy
import warnings

import numpy as np
from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as official

_GROUP, _SINGLE = 1, 1000  # official instance ids: below 1000 stands for a group that was not told apart


class CityscapesAP:
  """Gathers how masks overlap; `update` an image at a time, `merge` several, `result` at the end.

  Instances of fewer than 100 pixels, groups and void are no misses, and what lies mostly on them is no false alarm.
  """

  def __init__(self, num_classes: int):
    self._num_classes = num_classes
    self._images = []

  def update(self, truth: list[dict], found: list[dict], void: np.ndarray) -> None:
    """Adds an image.

    Args:
      truth: dicts of category_id (class), mask (bool [height, width]) and iscrowd.
      found: dicts of category_id, mask and score.
      void: bool [height, width], pixels of labels that are not evaluated.
    """
    image = {side: {c: [] for c in range(self._num_classes)} for side in ('groundTruth', 'prediction')}
    for row in truth:
      image['groundTruth'][row['category_id']].append({
          'instID': _GROUP if row['iscrowd'] else _SINGLE, 'pixelCount': int(row['mask'].sum()), 'medDist': -1,
          'distConf': 0.0, 'mask': row['mask'], 'matchedPred': []})
    for row in found:
      pixels, own = int(row['mask'].sum()), row['category_id']
      if not pixels:
        continue
      prediction = {'pixelCount': pixels, 'confidence': row['score'],
                    'voidIntersection': int((void & row['mask']).sum())}
      matched = []
      for instance in image['groundTruth'][own]:
        common = int((instance['mask'] & row['mask']).sum())
        if common:
          instance['matchedPred'].append({**prediction, 'intersection': common})
          matched.append({**{k: instance[k] for k in ('instID', 'pixelCount', 'medDist', 'distConf')},
                          'intersection': common})
      image['prediction'][own].append({**prediction, 'matchedGt': matched})
    for instances in image['groundTruth'].values():
      for instance in instances:
        del instance['mask']
    self._images.append(image)

  def merge(self, other: 'CityscapesAP') -> None:
    """Adds what another instance has seen."""
    self._images += other._images

  def _precision(self, category_id: int, overlap: float) -> float:
    """The official precision of one class at one overlap, in 0 .. 1; NaN where the truth has no such instance."""
    args = copy.copy(official.args)
    args.instLabels, args.overlaps = [category_id], np.array([overlap])
    try:
      return float(official.evaluateMatches(dict(enumerate(self._images)), args)[0, 0, 0])
    except IndexError:  # there is truth, but every prediction lies on what is ignored: the script has no curve then
      return 0.0

  def result(self) -> dict:
    """Returns {'ap', 'ap50'}, x100, and 'per_class': {class: ap}, without the classes that the truth does not hold."""
    args = copy.copy(official.args)
    args.instLabels = list(range(self._num_classes))
    precision = np.array([[[self._precision(c, overlap) for overlap in args.overlaps] for c in args.instLabels]])
    with warnings.catch_warnings():
      warnings.filterwarnings('ignore', 'Mean of empty slice')  # nothing in the truth: NaN
      averages = official.computeAverages(precision, args)
    per_class = {c: float(100 * row['ap']) for c, row in averages['classes'].items() if not np.isnan(row['ap'])}
    return {'ap': float(100 * averages['allAp']), 'ap50': float(100 * averages['allAp50%']), 'per_class': per_class}
