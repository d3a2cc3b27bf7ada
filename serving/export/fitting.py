"""Images of any size through a network of one size: fitted in before, brought back after.

Needs NumPy and Pillow alone, so that exported folders can carry this file.
"""

from collections.abc import Mapping

import numpy as np
from PIL import Image

# ImageNet's mean in bytes: what is nearest to the zeros of padding once it is normalized.
PADDING = (124, 116, 104)


def fit(image: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
  """Scales an image until it just fits and pads it, right or below.

  Args:
    image: uint8 [H, W, 3].
    size: (height, width) wanted.

  Returns:
    uint8 [*size, 3], and (height, width) of the image in its upper left corner.
  """
  height, width = image.shape[:2]
  scale = min(size[0] / height, size[1] / width)
  inner = (min(max(int(height * scale + 0.5), 1), size[0]),
           min(max(int(width * scale + 0.5), 1), size[1]))
  resized = image
  if inner != (height, width):
    pillow = Image.fromarray(image).resize((inner[1], inner[0]), Image.Resampling.BILINEAR)
    resized = np.asarray(pillow)
  fitted = np.empty([*size, 3], np.uint8)
  fitted[:] = PADDING
  fitted[:inner[0], :inner[1]] = resized
  return fitted, inner


def restore(answer: Mapping[str, np.ndarray], inner: tuple[int, int], original: tuple[int, int]
            ) -> dict[str, np.ndarray]:
  """Returns a fitted image's answer at the image's own size.

  Args:
    answer: id_map, labels [height, width] and masks [n, height, width] are cropped and resized to
      the nearest pixel; all others stay.
    inner: (height, width) of the image in the network's input, see `fit`.
    original: (height, width) of the image before.
  """
  rows = _nearest(inner[0], original[0])
  columns = _nearest(inner[1], original[1])
  result = dict(answer)
  for name in ('id_map', 'labels', 'masks'):
    if name in answer:
      result[name] = answer[name][..., rows[:, None], columns[None]]
  return result


def _nearest(size: int, target: int) -> np.ndarray:
  """Returns the sample, int [target], whose center is nearest to each target's."""
  places = (np.arange(target) + 0.5) * (size / target)
  return np.minimum(places.astype(int), size - 1)
