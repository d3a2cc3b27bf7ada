"""From a model's logits of one picture to its answer; the one place that evaluation and prediction ask."""

from collections.abc import Collection, Mapping

import numpy as np

from configs.evaluation import Evaluation
from modeling.postprocessing.panoptic import panoptic
from modeling.postprocessing.semantic import as_segments
from modeling.postprocessing.semantic import per_pixel_labels
from modeling.postprocessing.semantic import semantic_labels


def panoptic_of(output: Mapping[str, np.ndarray], padded_size, image_size, original_size,
                thing_classes: Collection[int], evaluation: Evaluation) -> tuple[np.ndarray, list[dict]]:
  """Returns id map and segments, see `panoptic`; `output` holds class_logits and mask_logits of one picture."""
  return panoptic(
      output['class_logits'], output['mask_logits'], padded_size, image_size, original_size, thing_classes,
      evaluation.object_mask_threshold, evaluation.overlap_threshold, evaluation.confident_pixels_only)


def labels_of(output: Mapping[str, np.ndarray], padded_size, image_size, original_size,
              resize_first: bool) -> np.ndarray:
  """Returns the class of every pixel, int32 [*original_size].

  Args:
    output: mask_logits of one picture, and class_logits but for a per-pixel model.
    padded_size: (height, width) of the batch that the model saw.
    image_size: (height, width) of the picture in it.
    original_size: (height, width) of the result.
    resize_first: see `semantic`.
  """
  if 'class_logits' not in output:
    return per_pixel_labels(output['mask_logits'], image_size, original_size)
  return semantic_labels(
      output['class_logits'], output['mask_logits'], padded_size, image_size, original_size, resize_first)


def answer(output: Mapping[str, np.ndarray], padded_size, image_size, original_size,
           thing_classes: Collection[int], evaluation: Evaluation) -> tuple[np.ndarray, list[dict]]:
  """Returns the panoptic answer where the task has one, else the semantic one with a segment for each class."""
  sizes = padded_size, image_size, original_size
  if evaluation.panoptic:
    return panoptic_of(output, *sizes, thing_classes, evaluation)
  return as_segments(labels_of(output, *sizes, resize_first=False))
