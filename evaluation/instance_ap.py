"""Average precision of instance masks by COCO's rules, computed by pycocotools."""

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools import mask as mask_tools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

# COCOeval's summary, in its order.
NAMES = ('ap', 'ap50', 'ap75', 'ap_small', 'ap_medium', 'ap_large')
_UNKNOWN = -1  # what COCOeval says where the truth holds nothing


def encode(mask: np.ndarray) -> dict:
  """Returns a bool mask [height, width] as COCO's compressed run lengths."""
  return mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))


class InstanceAP:
  """Gathers run-length masks; `update` per image, `merge` several, `result` at the end."""

  def __init__(self, num_classes: int):
    self._num_classes = num_classes
    self._images: list[dict[str, Any]] = []
    self._truth: list[dict[str, Any]] = []
    self._found: list[dict[str, Any]] = []

  def update(self, truth: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    """Adds an image.

    Args:
      truth: dicts of category_id (class), mask (bool [height, width]), iscrowd, and area (pixels)
        as the annotation states it.
      found: dicts of category_id, mask and score.
    """
    image = len(self._images)
    height, width = next((row['mask'].shape for row in (*truth, *found)), (1, 1))
    self._images.append({'id': image, 'height': height, 'width': width})
    for row in truth:
      self._truth.append({
          'image_id': image,
          'category_id': row['category_id'],
          'iscrowd': int(row['iscrowd']),
          'area': row['area'],
          'segmentation': encode(row['mask']),
      })
    for row in found:
      segmentation = encode(row['mask'])
      self._found.append({
          'image_id': image,
          'category_id': row['category_id'],
          'iscrowd': 0,
          'score': row['score'],
          'area': float(mask_tools.area(segmentation)),
          'segmentation': segmentation,
      })

  def merge(self, other: 'InstanceAP') -> None:
    """Adds what another instance has seen."""
    shift = len(self._images)
    self._images += [{**row, 'id': row['id'] + shift} for row in other._images]
    self._truth += [{**row, 'image_id': row['image_id'] + shift} for row in other._truth]
    self._found += [{**row, 'image_id': row['image_id'] + shift} for row in other._found]

  def result(self) -> dict[str, Any]:
    """Returns the scores.

    Returns:
      {'ap', 'ap50', 'ap75', 'ap_small', 'ap_medium', 'ap_large'}, x100, and 'per_class':
      {class: ap}. Where the truth holds nothing of a kind (no small objects, say) its value is NaN,
      in 'per_class' it is absent.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
      evaluation = COCOeval(self._as_coco(self._truth), self._as_coco(self._found), 'segm')
      evaluation.evaluate()
      evaluation.accumulate()
      evaluation.summarize()
    scores: dict[str, Any] = dict(zip(NAMES, map(_percent, evaluation.stats)))
    # [thresholds, recalls, classes], all areas, 100 detections.
    precision = evaluation.eval['precision'][:, :, :, 0, -1]
    scores['per_class'] = {}
    for class_id in range(self._num_classes):
      of_class = precision[:, :, class_id]
      known = of_class[of_class > _UNKNOWN]
      if known.size:
        scores['per_class'][class_id] = float(100 * known.mean())
    return scores

  def _as_coco(self, rows: list[dict[str, Any]]) -> COCO:
    """Returns annotations as COCO's tools hold them."""
    coco = COCO()
    coco.dataset = {
        'images': self._images,
        'categories': [{'id': class_id} for class_id in range(self._num_classes)],
        'annotations': [{'id': i + 1, **row} for i, row in enumerate(rows)],
    }
    coco.createIndex()
    return coco


def _percent(score: float) -> float:
  """Returns a score of COCOeval x100, NaN where it has none."""
  return float(100 * score) if score > _UNKNOWN else float('nan')
