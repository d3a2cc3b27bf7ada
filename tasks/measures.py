"""The metrics of each task by a data set's rules, and how they are reported."""

from typing import NamedTuple

from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.evaluation import report
from tf_maskformer.evaluation.boundary_ap import BoundaryAP
from tf_maskformer.evaluation.cityscapes_ap import CityscapesAP
from tf_maskformer.evaluation.cityscapes_iou import CityscapesIoU
from tf_maskformer.evaluation.instance_ap import InstanceAP
from tf_maskformer.evaluation.mean_iou import MeanIoU
from tf_maskformer.evaluation.metric import Metric
from tf_maskformer.evaluation.panoptic_quality import PanopticQuality


class Measure(NamedTuple):
  """A metric, whose `result()` is reported, and how."""
  metric: Metric
  report: report.Report


def panoptic(data_set: DataSet, boundary: bool) -> list[Measure]:
  """Returns PQ and, with `boundary`, boundary PQ."""
  count = data_set.num_classes
  things = data_set.thing_classes
  measures = [Measure(PanopticQuality(count, things), report.PanopticReport())]
  if boundary:
    of_boundaries = PanopticQuality(count, things, of_boundaries=True)
    measures.append(Measure(of_boundaries, report.BoundaryPanopticReport()))
  return measures


def semantic(data_set: DataSet) -> Measure:
  """Returns mIoU and what belongs to it."""
  if data_set.semantic_rule == 'cityscapes':
    names = [one.name for one in data_set.classes]
    return Measure(CityscapesIoU(names), report.CityscapesReport())
  return Measure(MeanIoU(data_set.num_classes), report.SemanticReport())


def instance(data_set: DataSet, boundary: bool) -> list[Measure]:
  """Returns AP and, with `boundary`, boundary AP, which Cityscapes' rules do not have."""
  count = data_set.num_classes
  if data_set.instance_rule == 'cityscapes':
    return [Measure(CityscapesAP(count), report.CityscapesInstanceReport())]
  measures = [Measure(InstanceAP(count), report.InstanceReport())]
  if boundary:
    measures.append(Measure(BoundaryAP(count), report.BoundaryInstanceReport()))
  return measures
