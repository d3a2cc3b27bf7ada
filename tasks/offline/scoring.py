"""Scores predictions in files against the truth, image by image."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from tf_maskformer import errors
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.tasks import measures
from tf_maskformer.tasks.measures import Measure
from tf_maskformer.tasks.offline.predictions import InstancePredictions
from tf_maskformer.tasks.offline.predictions import LabelPredictions
from tf_maskformer.tasks.offline.predictions import PanopticPredictions
from tf_maskformer.tasks.offline.truth import INSTANCE
from tf_maskformer.tasks.offline.truth import PANOPTIC
from tf_maskformer.tasks.offline.truth import Truth

Predictions = PanopticPredictions | InstancePredictions | LabelPredictions
Progress = Callable[[list[str]], Iterable[str]]


class Scored(NamedTuple):
  """What was scored.

  Attributes:
    metrics: by name, x100; NaN where the truth holds nothing of a kind.
    tables: aligned text.
    confusion: int64 [classes, classes], pixels by true and predicted class; None where classes of
      pixels were not scored.
    missed: int64 [classes], pixels of each class for which nothing was predicted; None as above.
  """
  metrics: dict[str, float]
  tables: list[str]
  confusion: np.ndarray | None
  missed: np.ndarray | None


def score(task: str, truth: Truth, predictions: Predictions, progress: Progress = iter) -> Scored:
  """Scores the predictions of all images.

  Args:
    task: of the predictions.
    truth: has that task.
    predictions: of that task.
    progress: yields the ids that it is given.

  Raises:
    UserError: the truth or the prediction of an image cannot be used.
  """
  chosen = _measures(task, truth.data_set)
  for key in progress([key for key, _ in truth.images]):
    try:
      arguments = _arguments(truth, predictions, key)
      for measure in chosen:
        measure.metric.update(*arguments)
    except (UnusableImage, ValueError) as e:
      raise errors.UserError(f'image {errors.quoted(key)}: {e}') from e
  classes = truth.data_set.classes
  metrics: dict[str, float] = {}
  tables = []
  for measure in chosen:
    result = measure.metric.result()
    metrics.update(measure.report.metrics(result, classes, True))
    tables.append(measure.report.table(result, classes, True))
  first = chosen[0].metric
  return Scored(
      metrics, tables, getattr(first, 'confusion', None), getattr(first, 'missed', None))


def _measures(task: str, data_set: DataSet) -> list[Measure]:
  """Returns the metrics of a task by the data set's rules, and how they are reported."""
  if task == PANOPTIC:
    return measures.panoptic(data_set, boundary=True)
  if task == INSTANCE:
    return measures.instance(data_set, boundary=True)
  return [measures.semantic(data_set)]


def _arguments(truth: Truth, predictions: Predictions, key: str) -> list[Any]:
  """Returns what the metrics take of an image."""
  if isinstance(predictions, PanopticPredictions):
    id_map, segments = truth.panoptic(key)
    return [id_map, segments, *predictions.read(key, id_map.shape)]
  if isinstance(predictions, InstancePredictions):
    size, instances = truth.instances(key)
    found = predictions.read(key, size)
    by_cityscapes = truth.data_set.instance_rule == 'cityscapes'
    return [instances, found, truth.void(key)] if by_cityscapes else [instances, found]
  labels = truth.labels(key)
  found = predictions.read(key, labels.shape)
  if truth.data_set.semantic_rule == 'cityscapes':
    return [labels, found, *truth.instance_values(key)]
  return [labels, found]
