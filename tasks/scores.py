"""What an evaluation gathers: predictions against the truth of the records, at original size."""

from typing import Any

import numpy as np

from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.evaluation import cityscapes_ap
from tf_maskformer.evaluation import cityscapes_iou
from tf_maskformer.evaluation import drawing
from tf_maskformer.evaluation import instance_ap
from tf_maskformer.evaluation import mean_iou
from tf_maskformer.evaluation import panoptic_quality
from tf_maskformer.evaluation import report
from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing.instance import instances
from tf_maskformer.modeling.postprocessing.panoptic import panoptic
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.tasks import measured_against


class Scores:
  """Adds images one by one; the result is that of the whole set, whatever the batches were."""

  def __init__(self, evaluation: Evaluation, data_set: DataSet, truth: GroundTruth):
    self._evaluation, self._data_set, self._truth = evaluation, data_set, truth
    self._quality = panoptic_quality.PanopticQuality(data_set.num_classes, data_set.thing_classes)
    self._cityscapes_iou = data_set.semantic_rule == 'cityscapes'
    if self._cityscapes_iou:
      self._iou = cityscapes_iou.CityscapesIoU([c.name for c in data_set.classes])
    else:
      self._iou = mean_iou.MeanIoU(data_set.num_classes)
    self._cityscapes = data_set.instance_rule == 'cityscapes'
    make_precision = cityscapes_ap.CityscapesAP if self._cityscapes else instance_ap.InstanceAP
    self._precision = make_precision(data_set.num_classes)
    self._loss, self._scored, self._drawn = 0.0, [], []

  def add(self, output: dict[str, np.ndarray]) -> None:
    """Scores one image: its row of what a task's `validation_step` returned."""
    example_id = int(output['example_id'])
    sizes = Sizes.of(output['padded_size'], output['image_size'], output['original_size'])
    true_map, true_segments = self._truth[example_id]
    drawn = None
    if self._evaluation.panoptic:
      drawn = id_map, segments = panoptic(
          output['class_logits'], output['mask_logits'], sizes, self._data_set.thing_classes,
          self._evaluation.object_mask_threshold, self._evaluation.overlap_threshold,
          self._evaluation.confident_pixels_only)
      self._quality.update(true_map, true_segments, id_map, segments)
    if self._evaluation.semantic:
      resize_first = self._evaluation.panoptic or self._evaluation.instance
      labels = predictions.labels_of(output, sizes, resize_first=resize_first)
      true_labels = self._true_labels(example_id, true_map, true_segments)
      told_apart = []
      if self._cityscapes_iou:
        told_apart = [true_map, self._truth.cityscapes_values(example_id)]
      self._iou.update(true_labels, labels, *told_apart)
      drawn = drawn or predictions.as_segments(labels)
    if self._evaluation.instance:
      things = self._data_set.thing_classes
      found = instances(
          output['class_logits'], output['mask_logits'], sizes, self._evaluation.instances_per_image,
          only_classes=things if self._evaluation.panoptic else None)
      true_things = [row for row in self._truth.instances(example_id) if row['category_id'] in things]
      void = [self._truth.void(example_id)] if self._cityscapes else []
      self._precision.update(true_things, found, *void)
      drawn = drawn or predictions.drawable(found, sizes.original)
    self._loss += float(output['loss'])
    self._scored.append(example_id)
    if len(self._drawn) < self._evaluation.num_images:
      self._drawn.append(self._draw(example_id, (true_map, true_segments), drawn))

  def _true_labels(self, example_id, true_map, true_segments) -> np.ndarray:
    """Returns the classes that mIoU is measured against, [height, width], -1 where void."""
    if self._truth.has_labels:
      return self._truth.labels(example_id, true_map.shape)
    table = np.array([-1] + [s['category_id'] for s in true_segments])
    return table[true_map]

  def _draw(self, example_id, truth, predicted) -> np.ndarray:
    image, classes = self._truth.image(example_id), self._data_set.classes
    return drawing.side_by_side(
        [image, drawing.draw_panoptic(image, *truth, classes), drawing.draw_panoptic(image, *predicted, classes)],
        ['image', 'truth', 'prediction'])

  def result(self) -> dict[str, Any]:
    """Returns the metrics by name, 'scored' (ids), 'table' (text) and 'images' (name: uint8 [1, height, width, 3])."""
    evaluation, classes = self._evaluation, self._data_set.classes
    metrics, tables = {}, []
    if evaluation.panoptic:
      result = self._quality.result()
      metrics.update(report.flat_panoptic(result, classes, evaluation.report_per_class))
      tables.append(report.panoptic_table(result, classes, evaluation.report_per_class))
      tables += measured_against.panoptic(self._truth)
    if evaluation.semantic:
      result = self._iou.result()
      metrics.update(report.flat_semantic(result, classes, evaluation.report_per_class))
      table = report.cityscapes_table if self._cityscapes_iou else report.semantic_table
      tables.append(table(result, classes, evaluation.report_per_class))
      tables += measured_against.semantic(self._data_set, self._truth, result)
    if evaluation.instance:
      result = self._precision.result()
      metrics.update(report.flat_instance(result, classes, evaluation.report_per_class))
      tables.append(report.instance_table(result, classes, evaluation.report_per_class))
      tables += measured_against.instance(self._data_set, self._truth)
    metrics['validation_loss'] = self._loss / max(len(self._scored), 1)
    return {**metrics, 'scored': self._scored, 'table': '\n'.join(tables),
            'images': {f'prediction_{i}': image[None] for i, image in enumerate(self._drawn)}}
