"""Boundary AP: COCO's average precision, of boundaries (Cheng et al., CVPR 2021).

IoU is the smaller one of masks' and boundaries'; of a crowd it is the masks'. Everything else is
COCO's protocol, computed by pycocotools: hotcoco takes masks only, not their overlaps.
"""

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools import mask as mask_tools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tf_maskformer.evaluation import boundary
from tf_maskformer.evaluation import coco_scores
from tf_maskformer.evaluation import run_lengths
from tf_maskformer.evaluation.metric import Contribution
from tf_maskformer.evaluation.metric import Metric
from tf_maskformer.evaluation.metric import integers

_MAX_FOUND = 100  # of a class in an image, those of the highest scores, as in COCO's protocol

Overlaps = dict[tuple[int, int], np.ndarray]  # (image, class) -> IoU [found, true]


class BoundaryAP(Metric):
  """Gathers overlaps of masks; see `Metric`.

  Keeps of an image its overlaps, not its masks.
  """

  def __init__(self, num_classes: int):
    self._num_classes = num_classes
    self._num_images = 0
    self._truth: list[dict[str, Any]] = []
    self._found: list[dict[str, Any]] = []
    self._overlaps: Overlaps = {}

  def contribution(self, truth: list[dict[str, Any]], found: list[dict[str, Any]]
                   ) -> Contribution:
    """Returns what an image adds: its rows, and their overlaps.

    Arguments as `InstanceAP.contribution`.
    """
    shapes = []
    overlaps = [np.zeros(0)]
    of_both = {row['category_id'] for row in truth} & {row['category_id'] for row in found}
    for class_id in sorted(of_both):
      true_rows = [row for row in truth if row['category_id'] == class_id]
      found_rows = _best([row for row in found if row['category_id'] == class_id])
      overlap = _overlap(found_rows, true_rows)
      shapes.append((class_id, *overlap.shape))
      overlaps.append(overlap.ravel())
    return {
        'truth': integers([(row['category_id'], row['iscrowd']) for row in truth], columns=2),
        'true_areas': np.array([row['area'] for row in truth], np.float64),
        'found': integers(
            [(row['category_id'], run_lengths.area(row['mask'])) for row in found], columns=2),
        'scores': np.array([row['score'] for row in found], np.float64),
        'shapes': integers(shapes, columns=3),
        'overlaps': np.concatenate(overlaps),
    }

  def add(self, contribution):
    """See `Metric`."""
    image = self._num_images
    self._num_images += 1
    true_areas = contribution['true_areas'].tolist()
    for (class_id, is_crowd), area in zip(contribution['truth'].tolist(), true_areas):
      self._truth.append({
          'image_id': image, 'category_id': class_id, 'iscrowd': is_crowd, 'area': area})
    scores = contribution['scores'].tolist()
    for (class_id, area), score in zip(contribution['found'].tolist(), scores):
      self._found.append({
          'image_id': image, 'category_id': class_id, 'score': score, 'area': area})
    start = 0
    for class_id, rows, columns in contribution['shapes'].tolist():
      overlap = contribution['overlaps'][start:start + rows * columns]
      self._overlaps[image, class_id] = overlap.reshape(rows, columns)
      start += rows * columns

  def result(self) -> dict[str, Any]:
    """Returns the scores; see `coco_scores.of`."""
    evaluation = _Evaluation(
        self._as_coco(self._truth), self._as_coco(self._found), self._overlaps)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
      evaluation.evaluate()
      evaluation.accumulate()
    return coco_scores.of(evaluation.eval['precision'])

  def _as_coco(self, rows: list[dict[str, Any]]) -> COCO:
    """Returns annotations as COCO's tools hold them."""
    coco = COCO()
    coco.dataset = {
        'images': [{'id': image} for image in range(self._num_images)],
        'categories': [{'id': class_id} for class_id in range(self._num_classes)],
        'annotations': [{**row, 'id': i + 1} for i, row in enumerate(rows)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
      coco.createIndex()
    return coco


class _Evaluation(COCOeval):
  """COCO's evaluation with overlaps that are known."""

  def __init__(self, truth: COCO, found: COCO, overlaps: Overlaps):
    super().__init__(truth, found, 'bbox')  # with 'segm' it would ask for the masks
    self._overlaps = overlaps

  def computeIoU(self, imgId, catId):
    """Returns the IoU of an image's class, [found by score, true]."""
    return self._overlaps.get((imgId, catId), [])


def _best(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
  """Returns the detections that count, in COCOeval's order."""
  order = np.argsort([-row['score'] for row in found], kind='mergesort')[:_MAX_FOUND]
  return [found[i] for i in order]


def _overlap(found: list[dict[str, Any]], truth: list[dict[str, Any]]) -> np.ndarray:
  """Returns the smaller IoU of masks and boundaries, float64 [found, true]."""
  is_crowd = np.array([bool(row['iscrowd']) for row in truth])
  flags = is_crowd.astype(np.uint8).tolist()
  of_masks = mask_tools.iou(_runs(found), _runs(truth), flags)
  of_boundaries = mask_tools.iou(_boundary_runs(found), _boundary_runs(truth), flags)
  return np.where(is_crowd, of_masks, np.minimum(of_masks, of_boundaries))


def _runs(rows: list[dict[str, Any]]) -> list[dict]:
  return [run_lengths.encode(row['mask']) for row in rows]


def _boundary_runs(rows: list[dict[str, Any]]) -> list[dict]:
  masks = [run_lengths.decode(row['mask']) for row in rows]
  return [run_lengths.encode(boundary.of_mask(mask)) for mask in masks]
