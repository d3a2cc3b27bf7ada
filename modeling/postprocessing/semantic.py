"""Semantic inference of MaskFormer (paper 3.4, official `semantic_inference`)."""

import numpy as np

from modeling.postprocessing.resize import interpolation
from modeling.postprocessing.resize import sigmoid
from modeling.postprocessing.resize import softmax
from modeling.postprocessing.resize import to_original


def semantic(class_logits: np.ndarray, mask_logits: np.ndarray, padded_size, image_size, original_size,
             resize_first: bool) -> np.ndarray:
  """Sums class probability times mask probability over the queries; the label map is its argmax over classes.

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object.
    mask_logits: float32 [queries, h, w].
    padded_size: (height, width) of the batch that the model saw.
    image_size: (height, width) of the picture in it.
    original_size: (height, width) of the result.
    resize_first: masks are brought to the original size before they are combined (panoptic configurations);
      otherwise they are combined at padded size and the scores are resized (semantic ones).

  Returns:
    float32 [classes, *original_size], not normalised.
  """
  classes = softmax(class_logits)[:, :-1]
  def combine(masks):
    return np.tensordot(classes, sigmoid(masks), axes=[[0], [0]]).astype(np.float32)
  if resize_first:
    return combine(to_original(mask_logits, padded_size, image_size, original_size))
  padded = to_original(mask_logits, padded_size, padded_size, padded_size)
  scores = combine(padded)[:, :image_size[0], :image_size[1]]
  rows = interpolation(image_size[0], original_size[0]).astype(np.float32)
  columns = interpolation(image_size[1], original_size[1]).astype(np.float32)
  return np.matmul(np.matmul(rows, scores), columns.T)
