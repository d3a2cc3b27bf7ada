"""Instance inference of Mask2Former (official `instance_inference`)."""

from collections.abc import Collection

import numpy as np

from tf_maskformer.modeling.postprocessing.resize import sigmoid
from tf_maskformer.modeling.postprocessing.resize import softmax
from tf_maskformer.modeling.postprocessing.resize import to_original


def instances(class_logits: np.ndarray, mask_logits: np.ndarray, padded_size, image_size, original_size,
              count: int, only_classes: Collection[int] | None = None) -> list[dict]:
  """Takes the best pairs of query and class; a query may be there with several classes.

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object.
    mask_logits: float32 [queries, h, w].
    padded_size: (height, width) of the batch that the model saw.
    image_size: (height, width) of the image in it.
    original_size: (height, width) of the result.
    count: how many pairs.
    only_classes: pairs of other classes are left out afterwards (things, where a panoptic answer is asked for too).

  Returns:
    Dicts of category_id (class), query, score (class probability times the mean probability inside the mask) and
    mask, bool [*original_size]; best class probability first.
  """
  probabilities = softmax(class_logits)[:, :-1]
  num_classes = probabilities.shape[1]
  best = np.argsort(-probabilities.ravel(), kind='stable')[:count]
  pairs = [(int(i) // num_classes, int(i) % num_classes) for i in best]
  pairs = [(q, c) for q, c in pairs if only_classes is None or c in only_classes]
  masks = {}  # by query: (binary mask, mean probability inside)
  for query, _ in pairs:
    if query not in masks:
      logits = to_original(mask_logits[query:query + 1], padded_size, image_size, original_size)[0]
      mask = logits > 0
      masks[query] = mask, float(sigmoid(logits)[mask].sum(dtype=np.float64) / (mask.sum() + 1e-6))
  return [{'category_id': c, 'query': q, 'score': float(probabilities[q, c]) * masks[q][1], 'mask': masks[q][0]}
          for q, c in pairs]
