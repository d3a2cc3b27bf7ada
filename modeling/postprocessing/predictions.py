"""What evaluation and prediction have in common: classes per pixel, and the segments shown."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_maskformer.evaluation import run_lengths
from tf_maskformer.modeling.postprocessing.answer import Answer
from tf_maskformer.modeling.postprocessing.semantic import as_segments
from tf_maskformer.modeling.postprocessing.semantic import per_pixel_labels
from tf_maskformer.modeling.postprocessing.semantic import semantic_labels
from tf_maskformer.modeling.postprocessing.sizes import Sizes

_DRAWN_ABOVE = 0.5  # score of instances that are shown


def labels_of(output: Mapping[str, np.ndarray], sizes: Sizes, resize_first: bool) -> np.ndarray:
  """Returns the class of every pixel, int32 [*sizes.original].

  Args:
    output: mask_logits float32 [queries, h, w] of one image, and class_logits float32 [queries,
      classes + 1] except for a per-pixel model.
    sizes: of the image.
    resize_first: see `semantic`.
  """
  if 'class_logits' not in output:
    return per_pixel_labels(output['mask_logits'], sizes)
  return semantic_labels(output['class_logits'], output['mask_logits'], sizes, resize_first)


def shown(answer: Answer, kind: str) -> tuple[np.ndarray, list[dict[str, Any]]]:
  """Returns an answer as an id map int32 [height, width] (0 = none) and its segments.

  Args:
    answer: has what is asked for.
    kind: 'panoptic'; 'semantic': a segment per class; 'instance': see `drawable`.
  """
  if kind == 'panoptic':
    assert answer.id_map is not None and answer.segments is not None
    return answer.id_map, answer.segments
  if kind == 'semantic':
    assert answer.labels is not None
    return as_segments(answer.labels)
  assert answer.instances is not None
  return drawable(answer.instances, answer.size)


def drawable(found: list[dict], size: tuple[int, int], threshold: float = _DRAWN_ABOVE
             ) -> tuple[np.ndarray, list[dict]]:
  """Returns the instances with a score above the threshold as an id map and their segments.

  The instance with the highest score is on top. A segment has the instance's full mask too, as it
  was found, which other instances may partly hide in the map.
  """
  id_map = np.zeros(size, np.int32)
  segments = []
  for row in sorted(found, key=lambda row: row['score']):
    if row['score'] <= threshold:
      continue
    segment_id = len(segments) + 1
    segments.append({'id': segment_id, 'category_id': row['category_id'], 'isthing': True,
                     'score': row['score'], 'mask': row['mask']})
    id_map[run_lengths.decode(row['mask'])] = segment_id
  return id_map, segments
