"""Semantic inference of MaskFormer (paper 3.4, `semantic_inference`) and of the baselines."""

from collections.abc import Iterable, Iterator

import numpy as np

from tf_maskformer.modeling.postprocessing.resize import interpolation
from tf_maskformer.modeling.postprocessing.resize import sigmoid
from tf_maskformer.modeling.postprocessing.resize import softmax
from tf_maskformer.modeling.postprocessing.resize import to_original
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.ops.strides import MASK_STRIDE

_BAND_ELEMENTS = 2**25  # scores that are in memory at the same time


def semantic(class_logits: np.ndarray, mask_logits: np.ndarray, sizes: Sizes, resize_first: bool
             ) -> np.ndarray:
  """Sums class probability times mask probability over queries; labels are its argmax over classes.

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object.
    mask_logits: float32 [queries, h, w].
    sizes: of the image.
    resize_first: masks are brought to the original size before they are combined (panoptic
      configurations); otherwise they are combined at padded size and the scores are resized
      (semantic ones).

  Returns:
    float32 [classes, *sizes.original], not normalized.
  """
  return next(_semantic_bands(class_logits, mask_logits, sizes, resize_first, sizes.original[0]))


def semantic_labels(class_logits: np.ndarray, mask_logits: np.ndarray, sizes: Sizes,
                    resize_first: bool) -> np.ndarray:
  """Returns `semantic(...)`'s argmax over classes, int32 [*sizes.original], in bounded memory."""
  rows = _rows_per_band(class_logits.shape[1] - 1, sizes)
  return _labels(_semantic_bands(class_logits, mask_logits, sizes, resize_first, rows))


def per_pixel_labels(mask_logits: np.ndarray, sizes: Sizes) -> np.ndarray:
  """Returns the class of every pixel by a per-pixel model's logits, int32 [*sizes.original].

  The logits are enlarged four times, cropped to the image and resized, then compared (official
  order).

  Args:
    mask_logits: float32 [classes, h, w].
    sizes: of the image; what it was padded to plays no part.
  """
  height, width = mask_logits.shape[1:]
  enlarged = Sizes((MASK_STRIDE * height, MASK_STRIDE * width), sizes.image, sizes.original)
  bands = _bands(sizes.original[0], _rows_per_band(mask_logits.shape[0], sizes))
  return _labels(to_original(mask_logits, enlarged, band) for band in bands)


def as_segments(labels: np.ndarray) -> tuple[np.ndarray, list[dict]]:
  """Returns a label map (void below 0) as an id map (void 0) and one segment per class in it."""
  present = [int(c) for c in np.unique(labels) if c >= 0]
  segments = [{'id': c + 1, 'category_id': c, 'isthing': False} for c in present]
  return labels.astype(np.int32) + 1, segments


def _labels(bands: Iterable[np.ndarray]) -> np.ndarray:
  return np.concatenate([scores.argmax(axis=0).astype(np.int32) for scores in bands])


def _rows_per_band(num_classes: int, sizes: Sizes) -> int:
  return max(_BAND_ELEMENTS // (num_classes * sizes.original[1]), 1)


def _bands(height: int, rows: int) -> list[slice]:
  return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def _semantic_bands(class_logits: np.ndarray, mask_logits: np.ndarray, sizes: Sizes,
                    resize_first: bool, rows: int) -> Iterator[np.ndarray]:
  """Yields the scores `rows` rows at a time, float32 [classes, rows, width]."""
  classes = softmax(class_logits)[:, :-1]
  down = interpolation(sizes.image[0], sizes.original[0]).astype(np.float32)
  across = interpolation(sizes.image[1], sizes.original[1]).astype(np.float32)
  only_enlarged = Sizes(sizes.padded, sizes.padded, sizes.padded)
  for band in _bands(sizes.original[0], rows):
    if resize_first:
      yield _combine(classes, to_original(mask_logits, sizes, band))
      continue
    # The rows of the padded image that these rows of the result are made of.
    used = np.flatnonzero(down[band].any(axis=0))
    needed = slice(used[0], used[-1] + 1)
    scores = _combine(classes, to_original(mask_logits, only_enlarged, needed))
    scores = scores[:, :, :sizes.image[1]]
    yield np.matmul(np.matmul(down[band, needed], scores), across.T)


def _combine(classes: np.ndarray, mask_logits: np.ndarray) -> np.ndarray:
  """Class probabilities [queries, classes], [queries, h, w] -> scores float32 [classes, h, w]."""
  return np.tensordot(classes, sigmoid(mask_logits), axes=[[0], [0]]).astype(np.float32)
