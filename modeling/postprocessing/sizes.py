"""The three sizes that post-processing needs of an image."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Sizes:
  """Sizes of one image in pixels, (height, width) each.

  Attributes:
    padded: of the model's input, which the image was padded to.
    image: of the resized image, in the upper left corner of the model's input.
    original: of the image before it was resized; results have this size.
  """
  padded: tuple[int, int]
  image: tuple[int, int]
  original: tuple[int, int]

  @classmethod
  def of(cls, padded: Sequence[int], image: Sequence[int], original: Sequence[int]) -> 'Sizes':
    """Returns the sizes from any sequences of two integers, arrays for example."""
    return cls(_pair(padded), _pair(image), _pair(original))


def _pair(size: Sequence[int]) -> tuple[int, int]:
  height, width = size
  return int(height), int(width)
