"""PQ, mIoU or AP of answers to the images of records, for `scripts/export.py`."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.tasks import measures


def score(configured: Any, task: str, answer: Callable[[np.ndarray], Mapping[str, np.ndarray]],
          records: str, limit: int = 0) -> tuple[dict[str, float], int]:
  """Scores the answers to the images of records at their own size.

  Args:
    configured: a `serving.loading.Configured`.
    task: what is answered.
    answer: from uint8 [H, W, 3] to an answer, see `serving.export.road.Road.answer`.
    records: file, or pattern of several.
    limit: images that are scored, the first of the records; 0: all.

  Returns:
    The metrics by name, x100, without those that are not known, and how many images they are of.

  Raises:
    UserError: the records cannot be read.
  """
  evaluation = configured.experiment.task.evaluation
  data_set = configured.data_set
  truth = GroundTruth(
      records, configured.experiment.task.data_set, evaluation.instance_annotations,
      evaluation.semantic_labels)
  chosen = truth.example_ids[:limit or None]
  measure = _measure(task, data_set)
  for example_id in chosen:
    found = answer(truth.image(example_id))
    measure.metric.update(*_arguments(task, truth, example_id, data_set, found))
  metrics = measure.report.metrics(measure.metric.result(), data_set.classes, False)
  known = {name: float(value) for name, value in metrics.items() if not math.isnan(value)}
  return known, len(chosen)


def _measure(task: str, data_set: Any) -> measures.Measure:
  if task == 'semantic':
    return measures.semantic(data_set)
  of_task = measures.panoptic if task == 'panoptic' else measures.instance
  return of_task(data_set, boundary=False)[0]


def _arguments(task: str, truth: GroundTruth, example_id: int, data_set: Any,
               found: Mapping[str, np.ndarray]) -> list[Any]:
  """Returns what the metric takes of an image."""
  true_map, true_segments = truth[example_id]
  if task == 'panoptic':
    # Bringing an image back from a fixed size may lose a segment of a few pixels.
    present = np.unique(found['id_map'])
    segments = [{'id': int(i), 'category_id': int(found['classes'][i - 1])}
                for i in present[present > 0]]
    return [true_map, true_segments, found['id_map'], segments]
  if task == 'instance':
    return _of_instances(truth, example_id, data_set, found)
  if truth.has_labels:
    labels = truth.labels(example_id, true_map.shape)
  else:
    labels = np.array([-1] + [s['category_id'] for s in true_segments])[true_map]
  if data_set.semantic_rule == 'cityscapes':
    return [labels, found['labels'], true_map, truth.cityscapes_values(example_id)]
  return [labels, found['labels']]


def _of_instances(truth: GroundTruth, example_id: int, data_set: Any,
                  found: Mapping[str, np.ndarray]) -> list[Any]:
  things = data_set.thing_classes
  true_things = [
      row for row in truth.instances(example_id) if row['category_id'] in things]
  rows = [{'category_id': int(c), 'score': float(score), 'mask': mask.astype(bool)}
          for c, score, mask in zip(found['classes'], found['scores'], found['masks'])
          if int(c) in things]
  by_cityscapes = data_set.instance_rule == 'cityscapes'
  return [true_things, rows, truth.void(example_id)] if by_cityscapes else [true_things, rows]
