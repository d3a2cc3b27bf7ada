"""From an image's logits to its answer in NumPy, under the names that exports have.

Imports no TensorFlow.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing.instance import instances
from tf_maskformer.modeling.postprocessing.panoptic import panoptic
from tf_maskformer.modeling.postprocessing.sizes import Sizes


def answer(logits: Mapping[str, np.ndarray], sizes: Sizes, task: str, evaluation: Any,
           thing_classes: Collection[int]) -> dict[str, np.ndarray]:
  """Returns the answer to an image's logits, see `road.Road.answer`.

  Args:
    logits: class_logits [q, c + 1], not of a per-pixel model, and mask_logits [q, h, w].
    sizes: of the image.
    task: what is answered.
    evaluation: a `configs.evaluation.Evaluation` or what has its thresholds.
    thing_classes: classes that are things.
  """
  if task == 'raw':
    return {'padded_size': np.array(sizes.padded, np.int32),
            'image_size': np.array(sizes.image, np.int32)}
  if task == 'semantic':
    return {'labels': predictions.labels_of(logits, sizes, resize_first=False)}
  if task == 'instance':
    rows = instances(
        logits['class_logits'], logits['mask_logits'], sizes, evaluation.instances_per_image)
    return {
        'classes': np.array([row['category_id'] for row in rows], np.int32),
        'scores': np.array([row['score'] for row in rows], np.float32),
        'masks': np.stack([row['mask'] for row in rows]).astype(np.uint8)}
  return _panoptic(logits, sizes, evaluation, thing_classes)


def _panoptic(logits: Mapping[str, np.ndarray], sizes: Sizes, evaluation: Any,
              thing_classes: Collection[int]) -> dict[str, np.ndarray]:
  """Returns the panoptic answer; arguments as `answer`."""
  id_map, segments = panoptic(
      logits['class_logits'], logits['mask_logits'], sizes, thing_classes,
      evaluation.object_mask_threshold, evaluation.overlap_threshold,
      evaluation.confident_pixels_only)
  room = len(logits['class_logits'])
  classes = np.zeros(room, np.int32)
  scores = np.zeros(room, np.float32)
  for number, segment in enumerate(segments):
    classes[number] = segment['category_id']
    scores[number] = segment['score']
  return {'id_map': id_map, 'classes': classes, 'scores': scores,
          'count': np.array(len(segments), np.int32)}
