"""The images on which an export is compared with its checkpoint: seeded, of telling shapes.

A square image of a usual size hides errors of padding and of sizes that are computed in the graph,
so most of these have odd sides, and some are resized. NumPy alone.
"""

from typing import NamedTuple

import numpy as np

_FREE = ((128, 128), (97, 130), (101, 171), (187, 93))  # where images keep their size
_SHARES = ((1.0, 1.0), (0.61, 1.0), (1.0, 0.57), (0.33, 0.4))  # of a fixed size
_DISCS = 6
_BOXES = 6


class Sample(NamedTuple):
  """One image.

  Attributes:
    image: uint8 [height, width, 3].
    is_resized: whether the network sees another size, so that rounding to bytes may differ.
  """
  image: np.ndarray
  is_resized: bool


def make(short_edge: int, long_edge_limit: int, input_size: tuple[int, int] | None
         ) -> list[Sample]:
  """Returns images for a rule of sizes: square, landscape, portrait, odd.

  Args:
    short_edge: pixels that the shorter side is resized to; 0: images keep their size.
    long_edge_limit: pixels that the longer side does not exceed then; 0: no limit.
    input_size: (height, width) that images are fitted into; None: any size.
  """
  if input_size:
    height, width = input_size
    sizes = [(_odd(height * a) if a < 1 else height, _odd(width * b) if b < 1 else width)
             for a, b in _SHARES]
    return [Sample(draw(size, seed), False) for seed, size in enumerate(sizes)]
  if not short_edge:
    return [Sample(draw(size, seed), False) for seed, size in enumerate(_FREE)]
  kept = [(short_edge, short_edge), (short_edge, _odd(1.2 * short_edge))]
  if long_edge_limit > short_edge:  # a long side at its limit keeps its size
    short = min(short_edge, 0.6 * long_edge_limit)
    kept += [(_odd(0.9 * short), long_edge_limit), (long_edge_limit, _odd(0.7 * short))]
  else:
    kept += [(_odd(1.4 * short_edge), short_edge)]
  resized = [(_odd(0.5 * short_edge), _odd(0.7 * short_edge)),
             (_odd(1.4 * short_edge), _odd(1.1 * short_edge))]
  sizes = [*kept, *resized]
  return [Sample(draw(size, seed), size in resized) for seed, size in enumerate(sizes)]


def _odd(value: float) -> int:
  return max(int(value) // 2 * 2 + 1, 1)


def draw(size: tuple[int, int], seed: int) -> np.ndarray:
  """Returns an image with a smooth background, discs, boxes and noise, uint8 [*size, 3]."""
  rng = np.random.default_rng(seed)
  height, width = size
  y = np.linspace(0, 1, height)[:, None, None]
  x = np.linspace(0, 1, width)[None, :, None]
  corners = rng.uniform(40, 215, [4, 3])
  image = (corners[0] * (1 - y) * (1 - x) + corners[1] * (1 - y) * x
           + corners[2] * y * (1 - x) + corners[3] * y * x)
  for _ in range(_DISCS):
    center = rng.uniform(0, 1, 2)
    radius = rng.uniform(0.05, 0.2)
    inside = (y - center[0])**2 + (x - center[1])**2 < radius**2
    image = np.where(inside, rng.uniform(0, 255, 3), image)
  for _ in range(_BOXES):
    top, left = rng.uniform(0, 0.8, 2)
    tall, wide = rng.uniform(0.05, 0.3, 2)
    inside = (y > top) & (y < top + tall) & (x > left) & (x < left + wide)
    image = np.where(inside, rng.uniform(0, 255, 3), image)
  image = image + rng.normal(0, 6, image.shape)
  return image.clip(0, 255).astype(np.uint8)
