"""Boundaries of masks, for Boundary IoU (Cheng, Girshick, Dollár, Berg, Kirillov, CVPR 2021).

A mask's boundary is the mask minus its erosion: its pixels that are near its outline. The border of
the image is part of the outline. Distances are the larger one of both axes, as in the authors'
code, which erodes by a square of 3 x 3 pixels again and again.
"""

import math

import numpy as np

_RATIO = 0.02  # of the image's diagonal, the authors' value for COCO and LVIS


def width_of(size: tuple[int, int]) -> int:
  """Returns the width of boundaries in an image of (height, width): pixels, at least 1."""
  return max(round(_RATIO * math.hypot(*size)), 1)


def interior(id_map: np.ndarray, width: int) -> np.ndarray:
  """Returns which pixels have one id, and no border of the image, within a distance.

  Args:
    id_map: integers [height, width].
    width: the distance in pixels.

  Returns:
    bool [height, width]: whether the square of 2 * width + 1 pixels around is of one id.
  """
  as_right = id_map[:, 1:] == id_map[:, :-1]
  as_below = id_map[1:] == id_map[:-1]
  # A square is of one id where each of its rows is, and its middle column.
  rows = _all(_all(as_right, 2 * width, axis=1), 2 * width + 1, axis=0)
  columns = _all(as_below, 2 * width, axis=0)[:, width:id_map.shape[1] - width]
  return _padded(rows & columns, width, id_map.shape)


def of_mask(mask: np.ndarray) -> np.ndarray:
  """Returns the boundary of a mask, bool [height, width], in an image of the mask's size."""
  boundary = mask.copy()
  rows = np.flatnonzero(mask.any(axis=1))
  columns = np.flatnonzero(mask.any(axis=0))
  if rows.size:
    # Beyond its box nothing is of the mask, as beyond the image.
    box = np.s_[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    inside = mask[box]
    width = width_of(mask.shape)
    side = 2 * width + 1
    eroded = _all(_all(inside, side, axis=1), side, axis=0)
    boundary[box] = inside & ~_padded(eroded, width, inside.shape)
  return boundary


def _all(flags: np.ndarray, window: int, axis: int) -> np.ndarray:
  """Returns whether all of `window` neighbors along an axis are true; it is window - 1 shorter."""
  if flags.shape[axis] < window:
    shape = [0 if k == axis else length for k, length in enumerate(flags.shape)]
    return np.zeros(shape, bool)
  covered = 1
  while covered < window:
    step = min(covered, window - covered)
    near, far = (flags[:-step], flags[step:]) if axis == 0 else (flags[:, :-step], flags[:, step:])
    flags = near & far
    covered += step
  return flags


def _padded(flags: np.ndarray, width: int, shape: tuple[int, ...]) -> np.ndarray:
  """Returns the flags in the middle of an array of a shape, false around."""
  result = np.zeros(shape, bool)
  if flags.size:
    result[width:shape[0] - width, width:shape[1] - width] = flags
  return result
