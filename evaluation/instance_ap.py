"""Average precision of instance masks by COCO's rules, computed by pycocotools over a whole set."""

import contextlib
import io

import numpy as np
from pycocotools import mask as mask_tools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

# COCOeval's summary, in its order.
NAMES = ('ap', 'ap50', 'ap75', 'ap_small', 'ap_medium', 'ap_large')


def encode(mask: np.ndarray) -> dict:
  """Returns a bool mask [height, width] as COCO's compressed run lengths."""
  return mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))


class InstanceAP:
  """Gathers run-length masks; `update` an image at a time, `merge` several, `result` at the end."""

  def __init__(self, num_classes: int):
    self._num_classes = num_classes
    self._images, self._truth, self._found = [], [], []

  def update(self, truth: list[dict], found: list[dict]) -> None:
    """Adds an image.

    Args:
      truth: dicts of category_id (class), mask (bool [height, width]), iscrowd, and area as the annotation states it.
      found: dicts of category_id, mask and score.
    """
    image = len(self._images)
    height, width = next((row['mask'].shape for row in (*truth, *found)), (1, 1))
    self._images.append({'id': image, 'height': height, 'width': width})
    for row in truth:
      self._truth.append({
          'image_id': image, 'category_id': row['category_id'], 'iscrowd': int(row['iscrowd']), 'area': row['area'],
          'segmentation': encode(row['mask'])})
    for row in found:
      segmentation = encode(row['mask'])
      self._found.append({
          'image_id': image, 'category_id': row['category_id'], 'score': row['score'],
          'area': float(mask_tools.area(segmentation)), 'segmentation': segmentation})

  def merge(self, other: 'InstanceAP') -> None:
    """Adds what another instance has seen."""
    shift = len(self._images)
    self._images += [{**p, 'id': p['id'] + shift} for p in other._images]
    for mine, theirs in ((self._truth, other._truth), (self._found, other._found)):
      mine += [{**row, 'image_id': row['image_id'] + shift} for row in theirs]

  def result(self) -> dict:
    """Returns {'ap', 'ap50', 'ap75', 'ap_small', 'ap_medium', 'ap_large'}, x100, and 'per_class': {class: ap}.

    Where the truth holds nothing of a kind (no small objects, say) its value is NaN, in `per_class` it is absent.
    """
    categories = [{'id': c} for c in range(self._num_classes)]
    def as_coco(rows):
      coco = COCO()
      coco.dataset = {'images': self._images, 'categories': categories,
                      'annotations': [{'id': i + 1, **row} for i, row in enumerate(rows)]}
      coco.createIndex()
      return coco
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
      found = [{'iscrowd': 0, **row} for row in self._found]
      evaluation = COCOeval(as_coco(self._truth), as_coco(found), 'segm')
      evaluation.evaluate()
      evaluation.accumulate()
      evaluation.summarize()
    percent = lambda x: float(100 * x) if x > -1 else float('nan')
    # [thresholds, recalls, classes], all areas, 100 detections.
    precision = evaluation.eval['precision'][:, :, :, 0, -1]
    per_class = {}
    for c in range(self._num_classes):
      known = precision[:, :, c][precision[:, :, c] > -1]
      if known.size:
        per_class[c] = float(100 * known.mean())
    return {**{name: percent(x) for name, x in zip(NAMES, evaluation.stats)}, 'per_class': per_class}
