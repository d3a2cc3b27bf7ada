"""Lines below the tables: what a score was measured against, where the published one differs."""

from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders.ground_truth import GroundTruth


def panoptic(truth: GroundTruth) -> list[str]:
  """Returns the lines below PQ."""
  if truth.knows_crowds:
    return []
  return [
      "warning: records of the Model Garden's converter know no crowds, so PQ counts a crowd as "
      'one thing; the published PQ does not. Convert with tf-maskformer prepare coco_panoptic.']


def semantic(data_set: DataSet, truth: GroundTruth, result: dict) -> list[str]:
  """Returns the lines below mIoU; `result` is the metric's."""
  lines = []
  if data_set.semantic_truth == 'labels' and truth.repeats_a_class and not truth.has_labels:
    lines.append(
        "mIoU is against the records' panoptic segments; the published one is against the label "
        'PNGs. Set task.evaluation.semantic_labels to their folder.')
  if data_set.semantic_rule == 'cityscapes' and 'iiou' not in result:
    lines.append(
        'iIoU is not measured: these records do not tell instances apart. Convert with '
        f'tf-maskformer prepare cityscapes --data_set {data_set.name}.')
  return lines


def instance(data_set: DataSet, truth: GroundTruth, boundary: bool) -> list[str]:
  """Returns the lines below AP; `boundary`: boundary AP was asked for, too."""
  if data_set.instance_rule == 'cityscapes':
    return ["boundary AP is not measured: it is defined by COCO's rules."] if boundary else []
  if data_set.has_things_alone:  # their segments are the instances
    return []
  if truth.instance_source == 'annotations':
    return ['AP is against task.evaluation.instance_annotations.']
  if truth.instance_source == 'instances':
    return ['AP is against the instances that the records hold.']
  return [
      "AP is against the records' panoptic segments; the published one is against the instances. "
      'Convert with tf-maskformer prepare coco_panoptic --instances or set '
      'task.evaluation.instance_annotations.']
