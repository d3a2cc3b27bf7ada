"""Panoptic inference of MaskFormer (paper 3.4) and Mask2Former (official `panoptic_inference`)."""

from collections.abc import Collection

import numpy as np

from tf_maskformer.modeling.postprocessing.resize import sigmoid
from tf_maskformer.modeling.postprocessing.resize import softmax
from tf_maskformer.modeling.postprocessing.resize import to_original


def panoptic(class_logits: np.ndarray, mask_logits: np.ndarray, padded_size, image_size, original_size,
             thing_classes: Collection[int], object_mask_threshold: float, overlap_threshold: float,
             confident_only: bool = False) -> tuple[np.ndarray, list[dict]]:
  """Gives every pixel to the query with the largest class score times mask probability.

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object.
    mask_logits: float32 [queries, h, w].
    padded_size: (height, width) of the batch that the model saw.
    image_size: (height, width) of the image in it.
    original_size: (height, width) of the result.
    thing_classes: classes whose segments are not merged.
    object_mask_threshold: queries whose class score is not above it are left out.
    overlap_threshold: a mask that keeps a smaller share of its pixels (probability >= 0.5) is left out.
    confident_only: pixels whose own mask is below 0.5 stay void (Mask2Former).

  Returns:
    id_map int32 [*original_size], 0 where no segment is, and the segments: dicts of id, category_id (class), isthing
    and score (of the class; for merged stuff the first).
  """
  probabilities = softmax(class_logits)
  scores, labels = probabilities.max(axis=1), probabilities.argmax(axis=1)
  kept = np.flatnonzero((labels != class_logits.shape[1] - 1) & (scores > object_mask_threshold))
  id_map = np.zeros(tuple(original_size), np.int32)
  segments = []
  if not kept.size:
    return id_map, segments
  # Only queries that can win are resized; the others take no part.
  masks = sigmoid(to_original(mask_logits[kept], padded_size, image_size, original_size))
  owner = (scores[kept, None, None] * masks).argmax(axis=0)
  id_of_stuff = {}
  for k, query in enumerate(kept):
    label = int(labels[query])
    owned = owner == k
    inside = masks[k] >= 0.5
    area, whole = int(owned.sum()), int(inside.sum())
    if not area or not whole or area / whole < overlap_threshold:
      continue
    if confident_only:
      owned &= inside
      if not owned.any():
        continue
    is_thing = label in thing_classes
    if not is_thing and label in id_of_stuff:
      id_map[owned] = id_of_stuff[label]
      continue
    segments.append({'id': len(segments) + 1, 'category_id': label, 'isthing': is_thing,
                     'score': float(scores[query])})
    id_map[owned] = len(segments)
    if not is_thing:
      id_of_stuff[label] = len(segments)
  return id_map, segments
