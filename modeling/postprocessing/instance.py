"""Instance inference of Mask2Former (official `instance_inference`)."""

from collections.abc import Collection

import numpy as np

from tf_maskformer.modeling.postprocessing.resize import sigmoid
from tf_maskformer.modeling.postprocessing.resize import softmax
from tf_maskformer.modeling.postprocessing.resize import to_original
from tf_maskformer.modeling.postprocessing.sizes import Sizes

_NO_DIVISION_BY_ZERO = 1e-6  # added to the area, as officially


def instances(class_logits: np.ndarray, mask_logits: np.ndarray, sizes: Sizes, count: int,
              only_classes: Collection[int] | None = None) -> list[dict]:
  """Takes the best pairs of query and class; a query may appear with several classes.

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object.
    mask_logits: float32 [queries, h, w].
    sizes: of the image.
    count: number of pairs.
    only_classes: pairs of other classes are dropped afterwards (things only, where a panoptic
      prediction is made too).

  Returns:
    Dicts of category_id (class), query, score (class probability times the mean probability inside
    the mask) and mask, bool [*sizes.original]; best class probability first.
  """
  probabilities = softmax(class_logits)[:, :-1]
  num_classes = probabilities.shape[1]
  best = np.argsort(-probabilities.ravel(), kind='stable')[:count]
  pairs = [(int(i) // num_classes, int(i) % num_classes) for i in best]
  pairs = [(q, c) for q, c in pairs if only_classes is None or c in only_classes]
  masks = {
      query: _binary_mask(mask_logits[query:query + 1], sizes) for query in {q for q, _ in pairs}}
  rows = []
  for query, category in pairs:
    mask, certainty = masks[query]
    score = float(probabilities[query, category]) * certainty
    rows.append({'category_id': category, 'query': query, 'score': score, 'mask': mask})
  return rows


def _binary_mask(mask_logits: np.ndarray, sizes: Sizes) -> tuple[np.ndarray, float]:
  """Returns the mask of [1, h, w] at original size, and the mean probability inside it."""
  logits = to_original(mask_logits, sizes)[0]
  mask = logits > 0
  inside = sigmoid(logits)[mask].sum(dtype=np.float64)
  return mask, float(inside / (mask.sum() + _NO_DIVISION_BY_ZERO))
