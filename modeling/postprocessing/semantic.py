"""Semantic inference: of MaskFormer (paper 3.4, official `semantic_inference`) and of the per-pixel baselines."""

import numpy as np

from tf_maskformer.modeling.postprocessing.resize import interpolation
from tf_maskformer.modeling.postprocessing.resize import sigmoid
from tf_maskformer.modeling.postprocessing.resize import softmax
from tf_maskformer.modeling.postprocessing.resize import to_original

_STRIDE = 4  # of per-pixel logits
_BAND_ELEMENTS = 2**25  # scores that are in memory at the same time


def semantic(class_logits: np.ndarray, mask_logits: np.ndarray, padded_size, image_size, original_size,
             resize_first: bool) -> np.ndarray:
  """Sums class probability times mask probability over the queries; the label map is its argmax over classes.

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object.
    mask_logits: float32 [queries, h, w].
    padded_size: (height, width) of the batch that the model saw.
    image_size: (height, width) of the image in it.
    original_size: (height, width) of the result.
    resize_first: masks are brought to the original size before they are combined (panoptic configurations);
      otherwise they are combined at padded size and the scores are resized (semantic ones).

  Returns:
    float32 [classes, *original_size], not normalized.
  """
  bands = _semantic_bands(class_logits, mask_logits, padded_size, image_size, original_size, resize_first,
                          original_size[0])
  return next(bands)


def semantic_labels(class_logits: np.ndarray, mask_logits: np.ndarray, padded_size, image_size, original_size,
                    resize_first: bool) -> np.ndarray:
  """Returns `semantic(...)`'s argmax over classes, int32 [*original_size], without holding all scores at once."""
  rows = max(_BAND_ELEMENTS // ((class_logits.shape[1] - 1) * original_size[1]), 1)
  return _labels(_semantic_bands(
      class_logits, mask_logits, padded_size, image_size, original_size, resize_first, rows))


def per_pixel_labels(mask_logits: np.ndarray, image_size, original_size) -> np.ndarray:
  """Returns the class of every pixel by a per-pixel model's logits, int32 [*original_size].

  The logits are enlarged four times, cut to the image and resized, then compared (official order).

  Args:
    mask_logits: float32 [classes, h, w].
    image_size: (height, width) of the image that the model saw.
    original_size: (height, width) of the result.
  """
  padded = tuple(_STRIDE * size for size in mask_logits.shape[1:])
  rows = max(_BAND_ELEMENTS // (mask_logits.shape[0] * original_size[1]), 1)
  return _labels(to_original(mask_logits, padded, image_size, original_size, band)
                 for band in _bands(original_size[0], rows))


def as_segments(labels: np.ndarray) -> tuple[np.ndarray, list[dict]]:
  """Returns a label map as an id map (0 = void, where the label is below 0) and one segment for each class in it."""
  return labels.astype(np.int32) + 1, [
      {'id': int(c) + 1, 'category_id': int(c), 'isthing': False} for c in np.unique(labels) if c >= 0]


def _labels(bands) -> np.ndarray:
  return np.concatenate([scores.argmax(axis=0).astype(np.int32) for scores in bands])


def _bands(height: int, rows: int):
  return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def _semantic_bands(class_logits, mask_logits, padded_size, image_size, original_size, resize_first, rows):
  """Yields `rows` rows of the scores after another, float32 [classes, rows, width]."""
  classes = softmax(class_logits)[:, :-1]
  def combine(masks):
    return np.tensordot(classes, sigmoid(masks), axes=[[0], [0]]).astype(np.float32)
  columns = interpolation(image_size[1], original_size[1]).astype(np.float32)
  down = interpolation(image_size[0], original_size[0]).astype(np.float32)
  for band in _bands(original_size[0], rows):
    if resize_first:
      yield combine(to_original(mask_logits, padded_size, image_size, original_size, band))
      continue
    # The rows of the padded image that these rows of the result are made of.
    used = np.flatnonzero(down[band].any(axis=0))
    needed = slice(used[0], used[-1] + 1)
    masks = to_original(mask_logits, padded_size, padded_size, padded_size, needed)
    scores = combine(masks)[:, :, :image_size[1]]
    yield np.matmul(np.matmul(down[band, needed], scores), columns.T)
