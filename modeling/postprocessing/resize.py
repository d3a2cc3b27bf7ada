"""Mask logits from stride 4 to the original image, on the host."""

import numpy as np
import scipy.special


def interpolation(size: int, target: int) -> np.ndarray:
  """Matrix float64 [target, size] of bilinear interpolation with half-pixel centers, no antialias."""
  place = np.maximum((np.arange(target) + 0.5) * (size / target) - 0.5, 0)
  below = np.floor(place).astype(int)
  above = np.minimum(below + 1, size - 1)
  matrix = np.zeros([target, size])
  rows = np.arange(target)
  matrix[rows, below] += 1 - (place - below)
  matrix[rows, above] += place - below
  return matrix


def _axis(size: int, padded: int, cropped: int, original: int) -> np.ndarray:
  """The official three steps along one axis as one matrix: to padded size, crop, to original size."""
  return (interpolation(cropped, original) @ interpolation(size, padded)[:cropped]).astype(np.float32)


def to_original(maps: np.ndarray, padded_size, image_size, original_size, band: slice = slice(None)) -> np.ndarray:
  """Resizes to the padded batch, crops the padding, resizes to the original size (MaskFormer, 3 official steps).

  Args:
    maps: float32 [n, h, w], logits of masks or scores.
    padded_size: (height, width) of the batch that the model saw.
    image_size: (height, width) of the image in it.
    original_size: (height, width) of the result.
    band: rows of the result that are wanted; default: all.

  Returns:
    float32 [n, *original_size], or only the rows of `band`.
  """
  rows = _axis(maps.shape[1], padded_size[0], image_size[0], original_size[0])[band]
  columns = _axis(maps.shape[2], padded_size[1], image_size[1], original_size[1])
  return np.matmul(np.matmul(rows, maps), columns.T)


def sigmoid(x: np.ndarray) -> np.ndarray:
  """Logistic function in x's precision, small values too: they decide who owns a pixel that no mask is sure of."""
  return scipy.special.expit(x)


def softmax(x: np.ndarray) -> np.ndarray:
  """Softmax over the last axis."""
  e = np.exp(x - x.max(axis=-1, keepdims=True))
  return e / e.sum(axis=-1, keepdims=True)
