"""What decides which segments are shown."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Thresholds:
  """Bounds of segments, 0 .. 1 each.

  Attributes:
    score: panoptic: queries whose class probability is not above it are dropped; instance: so are
      instances of such a score; semantic: without effect.
    overlap: panoptic: a mask that keeps a smaller share of its pixels is dropped; without effect
      otherwise.
  """
  score: float = 0.0
  overlap: float = 0.0
