"""From a model's logits of one image to its answer; the one place that evaluation and prediction ask."""

from collections.abc import Collection, Mapping

import numpy as np

from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.modeling.postprocessing.instance import instances
from tf_maskformer.modeling.postprocessing.panoptic import panoptic
from tf_maskformer.modeling.postprocessing.semantic import as_segments
from tf_maskformer.modeling.postprocessing.semantic import per_pixel_labels
from tf_maskformer.modeling.postprocessing.semantic import semantic_labels


def panoptic_of(output: Mapping[str, np.ndarray], padded_size, image_size, original_size,
                thing_classes: Collection[int], evaluation: Evaluation) -> tuple[np.ndarray, list[dict]]:
  """Returns id map and segments, see `panoptic`; `output` holds class_logits and mask_logits of one image."""
  return panoptic(
      output['class_logits'], output['mask_logits'], padded_size, image_size, original_size, thing_classes,
      evaluation.object_mask_threshold, evaluation.overlap_threshold, evaluation.confident_pixels_only)


def labels_of(output: Mapping[str, np.ndarray], padded_size, image_size, original_size,
              resize_first: bool) -> np.ndarray:
  """Returns the class of every pixel, int32 [*original_size].

  Args:
    output: mask_logits of one image, and class_logits but for a per-pixel model.
    padded_size: (height, width) of the batch that the model saw.
    image_size: (height, width) of the image in it.
    original_size: (height, width) of the result.
    resize_first: see `semantic`.
  """
  if 'class_logits' not in output:
    return per_pixel_labels(output['mask_logits'], image_size, original_size)
  return semantic_labels(
      output['class_logits'], output['mask_logits'], padded_size, image_size, original_size, resize_first)


def instances_of(output: Mapping[str, np.ndarray], padded_size, image_size, original_size,
                 only_classes: Collection[int] | None, evaluation: Evaluation) -> list[dict]:
  """Returns the best instances, see `instances`; `output` holds class_logits and mask_logits of one image."""
  return instances(output['class_logits'], output['mask_logits'], padded_size, image_size, original_size,
                   evaluation.instances_per_image, only_classes)


def drawable(found: list[dict], size, threshold: float = 0.5) -> tuple[np.ndarray, list[dict]]:
  """Returns the instances of a score above the threshold as an id map, the surest on top, and their segments.

  A segment has the instance's whole mask too, bool [height, width], of which others may hide a part in the map.
  """
  id_map, segments = np.zeros(tuple(size), np.int32), []
  for row in sorted(found, key=lambda row: row['score']):
    if row['score'] > threshold:
      segments.append({'id': len(segments) + 1, 'category_id': row['category_id'], 'isthing': True,
                       'score': row['score'], 'mask': row['mask']})
      id_map[row['mask']] = len(segments)
  return id_map, segments


def answer(output: Mapping[str, np.ndarray], padded_size, image_size, original_size,
           thing_classes: Collection[int], evaluation: Evaluation) -> tuple[np.ndarray, list[dict]]:
  """Returns the panoptic answer where the task has one, else the instances that are sure, else a segment a class."""
  sizes = padded_size, image_size, original_size
  if evaluation.panoptic:
    return panoptic_of(output, *sizes, thing_classes, evaluation)
  if evaluation.instance:
    return drawable(instances_of(output, *sizes, None, evaluation), original_size)
  return as_segments(labels_of(output, *sizes, resize_first=False))
