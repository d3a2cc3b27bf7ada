"""Accumulates evaluation results: predictions against the records' truth, at original size."""

from typing import Any

import numpy as np

from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.evaluation import drawing
from tf_maskformer.modeling.postprocessing.resize import to_original
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.tasks import evaluators
from tf_maskformer.tasks.evaluators import Sample

_SHARED_ELEMENTS = 2**26  # of mask logits at original size that are in memory at the same time


class Scores:
  """Adds images one by one; the result is that of the complete set, whatever the batches were."""

  def __init__(self, evaluation: Evaluation, data_set: DataSet, truth: GroundTruth):
    self._num_images = evaluation.num_images
    self._classes = data_set.classes
    # All masks are needed for mIoU, a part of them for the others.
    self._shares_masks = evaluation.semantic and (evaluation.panoptic or evaluation.instance)
    self._truth = truth
    self._evaluators = evaluators.build(evaluation, data_set, truth)
    self._loss = 0.0
    self._scored = []
    self._drawn = []

  def add(self, output: dict[str, np.ndarray]) -> None:
    """Scores one image: its row of what a task's `validation_step` returned."""
    example_id = int(output['example_id'])
    sizes = Sizes.of(output['padded_size'], output['image_size'], output['original_size'])
    true_map, true_segments = self._truth[example_id]
    if self._shares_masks:
      output, sizes = _at_original_size(output, sizes)
    sample = Sample(example_id, output, sizes, true_map, true_segments)
    predictions = [evaluator.update(sample) for evaluator in self._evaluators]
    self._loss += float(output['loss'])
    self._scored.append(example_id)
    if len(self._drawn) < self._num_images:
      id_map, segments = self._evaluators[0].as_segments(predictions[0], sizes)
      self._drawn.append(self._draw(sample, id_map, segments))

  def _draw(self, sample: Sample, id_map: np.ndarray, segments: list[dict]) -> np.ndarray:
    """Returns the image next to its truth and its prediction, uint8 [height, width, 3]."""
    image = self._truth.image(sample.example_id)
    truth = drawing.draw_panoptic(image, sample.true_map, sample.true_segments, self._classes)
    predicted = drawing.draw_panoptic(image, id_map, segments, self._classes)
    return drawing.side_by_side([image, truth, predicted], ['image', 'truth', 'prediction'])

  def result(self) -> dict[str, Any]:
    """Returns the metrics by name, and what belongs to them.

    These are 'scored' (ids), 'table' (text), 'images' (name: uint8 [1, height, width, 3]) and
    'files' (name: bytes).
    """
    metrics = {}
    lines = []
    files = {}
    for evaluator in self._evaluators:
      own_metrics, own_lines = evaluator.result()
      metrics.update(own_metrics)
      lines.extend(own_lines)
      files.update(evaluator.files())
    metrics['validation_loss'] = self._loss / max(len(self._scored), 1)
    images = {f'prediction_{i}': image[None] for i, image in enumerate(self._drawn)}
    return {
        **metrics, 'scored': self._scored, 'table': '\n'.join(lines), 'images': images,
        'files': files}


def _at_original_size(output: dict[str, np.ndarray], sizes: Sizes
                      ) -> tuple[dict[str, np.ndarray], Sizes]:
  """Resizes an image's masks for all evaluators at once, unless they would be too large."""
  masks = output['mask_logits']
  if len(masks) * sizes.original[0] * sizes.original[1] > _SHARED_ELEMENTS:
    return output, sizes
  resized = {**output, 'mask_logits': to_original(masks, sizes)}
  return resized, Sizes(sizes.original, sizes.original, sizes.original)
