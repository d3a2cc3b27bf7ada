"""Panoptic inference of MaskFormer (paper 3.4) and Mask2Former (official `panoptic_inference`)."""

from collections.abc import Collection

import numpy as np

from tf_maskformer.modeling.postprocessing.resize import sigmoid
from tf_maskformer.modeling.postprocessing.resize import softmax
from tf_maskformer.modeling.postprocessing.resize import to_original
from tf_maskformer.modeling.postprocessing.sizes import Sizes


def panoptic(class_logits: np.ndarray, mask_logits: np.ndarray, sizes: Sizes,
             thing_classes: Collection[int], object_mask_threshold: float, overlap_threshold: float,
             confident_only: bool = False) -> tuple[np.ndarray, list[dict]]:
  """Gives every pixel to the query with the largest class score times mask probability.

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object.
    mask_logits: float32 [queries, h, w].
    sizes: of the image.
    thing_classes: classes whose segments are not merged.
    object_mask_threshold: queries whose class score is not above it are dropped.
    overlap_threshold: a mask that keeps a smaller share of its pixels (probability >= 0.5) is
      dropped.
    confident_only: pixels whose own mask is below 0.5 stay void (Mask2Former).

  Returns:
    id_map int32 [*sizes.original], 0 where there is no segment, and the segments: dicts of id,
    category_id (class), isthing and score (of the class; for merged stuff that of the first query).
  """
  probabilities = softmax(class_logits)
  scores = probabilities.max(axis=1)
  labels = probabilities.argmax(axis=1)
  no_object = class_logits.shape[1] - 1
  kept = np.flatnonzero((labels != no_object) & (scores > object_mask_threshold))
  id_map = np.zeros(sizes.original, np.int32)
  segments = []
  if not kept.size:
    return id_map, segments
  # Only queries that can win are resized.
  masks = sigmoid(to_original(mask_logits[kept], sizes))
  owner = (scores[kept, None, None] * masks).argmax(axis=0)
  id_of_stuff = {}
  for k, query in enumerate(kept):
    label = int(labels[query])
    owned = owner == k
    inside = masks[k] >= 0.5
    if not _keeps_enough(owned, inside, overlap_threshold):
      continue
    if confident_only:
      owned &= inside
      if not owned.any():
        continue
    if label in id_of_stuff:
      id_map[owned] = id_of_stuff[label]
      continue
    is_thing = label in thing_classes
    segment_id = len(segments) + 1
    segments.append({'id': segment_id, 'category_id': label, 'isthing': is_thing,
                     'score': float(scores[query])})
    id_map[owned] = segment_id
    if not is_thing:
      id_of_stuff[label] = segment_id
  return id_map, segments


def _keeps_enough(owned: np.ndarray, inside: np.ndarray, overlap_threshold: float) -> bool:
  """Whether a mask owns enough pixels, as a share of those where its probability is >= 0.5."""
  area = int(owned.sum())
  total = int(inside.sum())
  return area > 0 and total > 0 and area / total >= overlap_threshold
