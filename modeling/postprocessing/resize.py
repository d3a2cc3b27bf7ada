"""Mask logits from stride 4 to the original image, in NumPy (twin: ops/resize.py)."""

import numpy as np
import scipy.special

from tf_maskformer.modeling.postprocessing.sizes import Sizes


def interpolation(size: int, target: int) -> np.ndarray:
  """Returns the matrix float64 [target, size] of bilinear interpolation.

  Centers are at half pixels, nothing is antialiased.
  """
  place = np.maximum((np.arange(target) + 0.5) * (size / target) - 0.5, 0)
  below = np.floor(place).astype(int)
  above = np.minimum(below + 1, size - 1)
  matrix = np.zeros([target, size])
  rows = np.arange(target)
  matrix[rows, below] += 1 - (place - below)
  matrix[rows, above] += place - below
  return matrix


def to_original(maps: np.ndarray, sizes: Sizes, band: slice = slice(None)) -> np.ndarray:
  """Resizes to the padded size, crops the padding, resizes to the original size (official steps).

  Args:
    maps: float32 [n, h, w], logits of masks or scores.
    sizes: of the image.
    band: rows of the result that are wanted; default: all.

  Returns:
    float32 [n, *sizes.original], or only the rows of `band`.
  """
  _, height, width = maps.shape
  if (height, width) == sizes.padded == sizes.image == sizes.original:
    return maps[:, band]
  down = _axis(height, sizes.padded[0], sizes.image[0], sizes.original[0])[band]
  across = _axis(width, sizes.padded[1], sizes.image[1], sizes.original[1])
  return np.matmul(np.matmul(down, maps), across.T)


def _axis(size: int, padded: int, cropped: int, original: int) -> np.ndarray:
  """Returns the three steps along one axis as one matrix float32 [original, size]."""
  to_padded = interpolation(size, padded)
  to_result = interpolation(cropped, original)
  return (to_result @ to_padded[:cropped]).astype(np.float32)


def sigmoid(x: np.ndarray) -> np.ndarray:
  """Logistic function in x's precision; small values decide who owns an uncertain pixel."""
  return scipy.special.expit(x)


def softmax(x: np.ndarray) -> np.ndarray:
  """Softmax over the last axis."""
  e = np.exp(x - x.max(axis=-1, keepdims=True))
  return e / e.sum(axis=-1, keepdims=True)
