"""One evaluator per kind of score: what it predicts, how it compares, and what it reports.

A new score is a class here, its metric and its report in `evaluation` and in `measures`, and a line
in `build`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.evaluation import confusion
from tf_maskformer.evaluation import run_lengths
from tf_maskformer.evaluation.metric import Contribution
from tf_maskformer.modeling.postprocessing.answer import Answer
from tf_maskformer.tasks import measured_against
from tf_maskformer.tasks import measures
from tf_maskformer.tasks.measures import Measure


class Sample(NamedTuple):
  """One image that is scored.

  Attributes:
    example_id: of its record.
    answer: what is predicted.
    true_map: int32 [height, width], ids of the true segments, 0 void.
    true_segments: dicts of id, category_id (class) and so on.
  """
  example_id: int
  answer: Answer
  true_map: np.ndarray
  true_segments: list[dict]


class Evaluator:
  """One kind of score; subclasses say in `_measures` what is measured of it.

  Attributes:
    kind: of the answer that is scored, as `predictions.shown` takes it.
  """
  kind: str
  _measures: list[Measure]

  def __init__(self, evaluation: Evaluation, data_set: DataSet, truth: GroundTruth | None):
    """Makes the evaluator.

    Args:
      evaluation: what is predicted, and thresholds.
      data_set: its classes and rules.
      truth: of the images; None: nothing will be scored, only asked for the names of metrics.
    """
    self._evaluation = evaluation
    self._data_set = data_set
    self._truth = truth

  def contributions(self, sample: Sample) -> list[Contribution]:
    """Returns what an image adds to each metric; may run for several images at the same time.

    Raises:
      UserError: the truth of the image cannot be used.
    """
    arguments = self._arguments(sample)
    return [measure.metric.contribution(*arguments) for measure in self._measures]

  def add(self, contributions: Sequence[Contribution]) -> None:
    """Adds an image: what `contributions` returned for it."""
    for measure, contribution in zip(self._measures, contributions):
      measure.metric.add(contribution)

  @property
  def names(self) -> list[str]:
    """Names of the metrics that every such evaluation has."""
    return [name for measure in self._measures for name in measure.report.names]

  def result(self) -> tuple[dict[str, float], list[str]]:
    """Returns the metrics by name, and the table and what is to be said below it."""
    metrics: dict[str, float] = {}
    tables = []
    results = [measure.metric.result() for measure in self._measures]
    for measure, result in zip(self._measures, results):
      arguments = (result, self._data_set.classes, self._evaluation.report_per_class)
      metrics.update(measure.report.metrics(*arguments))
      tables.append(measure.report.table(*arguments))
    return metrics, [*tables, *self._remarks(results[0])]

  def files(self) -> dict[str, bytes]:
    """Returns files that belong to the result, by name."""
    return {}

  def _arguments(self, sample: Sample) -> tuple:
    """Returns what the metrics take of an image."""
    raise NotImplementedError

  def _remarks(self, result: dict) -> list[str]:
    """Returns lines about what was measured; `result` is the first metric's."""
    raise NotImplementedError


class PanopticEvaluator(Evaluator):
  """Panoptic quality."""
  kind = 'panoptic'

  def __init__(self, evaluation, data_set, truth):
    super().__init__(evaluation, data_set, truth)
    self._measures = measures.panoptic(data_set, evaluation.boundary)

  def _arguments(self, sample):
    answer = sample.answer
    return sample.true_map, sample.true_segments, answer.id_map, answer.segments

  def _remarks(self, result):
    return measured_against.panoptic(self._truth)


class SemanticEvaluator(Evaluator):
  """Mean IoU, by the data set's rule."""
  kind = 'semantic'

  def __init__(self, evaluation, data_set, truth):
    super().__init__(evaluation, data_set, truth)
    self._is_cityscapes = data_set.semantic_rule == 'cityscapes'
    self._names = [c.name for c in data_set.classes]
    self._measures = [measures.semantic(data_set)]
    self._metric = self._measures[0].metric

  def _arguments(self, sample):
    true_labels = self._true_labels(sample)
    if not self._is_cityscapes:
      return true_labels, sample.answer.labels
    values = self._truth.cityscapes_values(sample.example_id)
    return true_labels, sample.answer.labels, sample.true_map, values

  def files(self):
    """Returns the confusion matrix, as a table and as an image."""
    return confusion.files(self._metric.confusion, self._metric.missed, self._names)

  def _true_labels(self, sample: Sample) -> np.ndarray:
    """Returns the classes that mIoU is measured against, [height, width], -1 where void."""
    if self._truth.has_labels:
      return self._truth.labels(sample.example_id, sample.true_map.shape)
    class_of_id = np.array([-1] + [s['category_id'] for s in sample.true_segments])
    return class_of_id[sample.true_map]

  def _remarks(self, result):
    return measured_against.semantic(self._data_set, self._truth, result)


class InstanceEvaluator(Evaluator):
  """Average precision of masks, by the data set's rule."""
  kind = 'instance'

  def __init__(self, evaluation, data_set, truth):
    super().__init__(evaluation, data_set, truth)
    self._is_cityscapes = data_set.instance_rule == 'cityscapes'
    self._measures = measures.instance(data_set, evaluation.boundary)

  def _arguments(self, sample):
    things = self._data_set.thing_classes
    every_instance = self._truth.instances(sample.example_id)
    true_things = [
        {**row, 'mask': run_lengths.encode(row['mask'])} for row in every_instance
        if row['category_id'] in things]
    void = [self._truth.void(sample.example_id)] if self._is_cityscapes else []
    return true_things, sample.answer.instances, *void

  def _remarks(self, result):
    return measured_against.instance(self._data_set, self._truth, self._evaluation.boundary)


def build(evaluation: Evaluation, data_set: DataSet, truth: GroundTruth | None) -> list[Evaluator]:
  """Returns the evaluators of what an evaluation scores; the first one's answer is drawn."""
  chosen = []
  if evaluation.panoptic:
    chosen.append(PanopticEvaluator)
  if evaluation.semantic:
    chosen.append(SemanticEvaluator)
  if evaluation.instance:
    chosen.append(InstanceEvaluator)
  return [make(evaluation, data_set, truth) for make in chosen]


def metric_names(evaluation: Evaluation, data_set: DataSet) -> list[str]:
  """Returns the names of the metrics that every such evaluation has."""
  names = []
  for evaluator in build(evaluation, data_set, truth=None):
    names.extend(evaluator.names)
  return names
