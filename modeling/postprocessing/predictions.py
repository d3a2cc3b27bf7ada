"""From a model's logits of one image to its prediction; used by evaluation and by prediction."""

from collections.abc import Collection, Mapping

import numpy as np

from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.modeling.postprocessing.instance import instances
from tf_maskformer.modeling.postprocessing.panoptic import panoptic
from tf_maskformer.modeling.postprocessing.semantic import as_segments
from tf_maskformer.modeling.postprocessing.semantic import per_pixel_labels
from tf_maskformer.modeling.postprocessing.semantic import semantic_labels
from tf_maskformer.modeling.postprocessing.sizes import Sizes

_DRAWN_ABOVE = 0.5  # score of instances that are shown


def answer(output: Mapping[str, np.ndarray], sizes: Sizes, thing_classes: Collection[int],
           evaluation: Evaluation) -> tuple[np.ndarray, list[dict]]:
  """Returns id map int32 [*sizes.original] and segments of what the task predicts first.

  That is the panoptic prediction where the task has one, else the instances with a score above 0.5,
  else a segment per class.

  Args:
    output: mask_logits float32 [queries, h, w] of one image, and class_logits float32 [queries,
      classes + 1] except for a per-pixel model.
    sizes: of the image.
    thing_classes: of the data set.
    evaluation: what is predicted, and thresholds.
  """
  if evaluation.panoptic:
    return panoptic(
        output['class_logits'], output['mask_logits'], sizes, thing_classes,
        evaluation.object_mask_threshold, evaluation.overlap_threshold,
        evaluation.confident_pixels_only)
  if evaluation.instance:
    found = instances(
        output['class_logits'], output['mask_logits'], sizes, evaluation.instances_per_image)
    return drawable(found, sizes.original)
  return as_segments(labels_of(output, sizes, resize_first=False))


def labels_of(output: Mapping[str, np.ndarray], sizes: Sizes, resize_first: bool) -> np.ndarray:
  """Returns the class of every pixel, int32 [*sizes.original].

  Args:
    output: see `answer`.
    sizes: of the image.
    resize_first: see `semantic`.
  """
  if 'class_logits' not in output:
    return per_pixel_labels(output['mask_logits'], sizes)
  return semantic_labels(output['class_logits'], output['mask_logits'], sizes, resize_first)


def drawable(found: list[dict], size: tuple[int, int], threshold: float = _DRAWN_ABOVE
             ) -> tuple[np.ndarray, list[dict]]:
  """Returns the instances with a score above the threshold as an id map and their segments.

  The instance with the highest score is on top. A segment has the instance's full mask too, bool
  [height, width], which other instances may partly hide in the map.
  """
  id_map = np.zeros(size, np.int32)
  segments = []
  for row in sorted(found, key=lambda row: row['score']):
    if row['score'] <= threshold:
      continue
    segment_id = len(segments) + 1
    segments.append({'id': segment_id, 'category_id': row['category_id'], 'isthing': True,
                     'score': row['score'], 'mask': row['mask']})
    id_map[row['mask']] = segment_id
  return id_map, segments
