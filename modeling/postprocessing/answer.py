"""What is predicted of an image, to be scored, drawn and written."""

from typing import Any, NamedTuple

import numpy as np


class Answer(NamedTuple):
  """What is predicted of an image; what was not asked for is None.

  Attributes:
    size: (height, width) of the image.
    id_map: int32 [height, width], ids of the panoptic segments, 0 where there is none.
    segments: dicts of id, category_id (class), isthing and score, see `panoptic.panoptic`.
    labels: int32 [height, width], the class of each pixel.
    instances: dicts of category_id, query, score and mask (run lengths, see
      `evaluation.run_lengths`), see `instance.instances`.
  """
  size: tuple[int, int]
  id_map: np.ndarray | None
  segments: list[dict[str, Any]] | None
  labels: np.ndarray | None
  instances: list[dict[str, Any]] | None
