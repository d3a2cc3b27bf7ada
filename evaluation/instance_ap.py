"""Average precision of instance masks by COCO's rules, computed by hotcoco.

Its numbers are pycocotools' to the last bit, in a tenth of the time.
"""

import copy
import itertools
import math
import sys
from typing import Any

import hotcoco

from tf_maskformer.evaluation import coco_scores
from tf_maskformer.evaluation import run_lengths

# Of the images of this process: those of instances that are merged must differ.
_image_ids = itertools.count(1)


class InstanceAP:
  """Matches masks image by image; `update` per image, `merge` several, `result` at the end.

  Keeps of an image its matches, not its masks.
  """

  def __init__(self, num_classes: int):
    classes = [{'id': class_id, 'name': str(class_id)} for class_id in range(num_classes)]
    self._state = hotcoco.StreamingEval(classes, 'segm')

  def update(self, truth: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    """Adds an image.

    Args:
      truth: dicts of category_id (class), mask (bool [height, width], or its run lengths), iscrowd,
        and area (pixels) as the annotation states it.
      found: dicts of category_id, mask and score.
    """
    image = next(_image_ids)
    sizes = (run_lengths.size(row['mask']) for row in (*truth, *found))
    height, width = next(sizes, (1, 1))
    true_rows: list[dict[str, Any]] = []
    for row in truth:
      true_rows.append({
          'id': len(true_rows) + 1,
          'image_id': image,
          'category_id': row['category_id'],
          'iscrowd': int(row['iscrowd']),
          'area': float(row['area']),
          'segmentation': run_lengths.encode(row['mask']),
      })
    found_rows: list[dict[str, Any]] = []
    for row in found:
      segmentation = run_lengths.encode(row['mask'])
      found_rows.append({
          'id': len(found_rows) + 1,
          'image_id': image,
          'category_id': row['category_id'],
          'score': _rankable(row['score']),
          'area': float(run_lengths.area(segmentation)),
          'segmentation': segmentation,
      })
    self._state.update([{'id': image, 'height': height, 'width': width}], true_rows, found_rows)

  def merge(self, other: 'InstanceAP') -> None:
    """Adds what another instance has seen, which stays as it is."""
    self._state = hotcoco.StreamingEval.merge([self._state, copy.copy(other._state)])

  def result(self) -> dict[str, Any]:
    """Returns the scores; see `coco_scores.of`."""
    evaluation = copy.copy(self._state).finalize()  # which ends the one that it is called of
    evaluation.accumulate()
    accumulated: Any = evaluation.eval
    return coco_scores.of(accumulated['precision'])


def _rankable(score: float) -> float:
  """Returns a score; for NaN, which pycocotools ranks last and hotcoco refuses, the lowest."""
  return -sys.float_info.max if math.isnan(score) else score
