"""One segment of an image's prediction."""

import dataclasses

import numpy as np

from tf_maskformer.evaluation import run_lengths
from tf_maskformer.serving import encoding


@dataclasses.dataclass(frozen=True, eq=False)
class Segment:
  """One segment of an image.

  Attributes:
    id: its pixels in `Result.id_map`, from 1.
    class_id: the class, counted from 0 (`Predictor.classes[class_id]`).
    category_id: the class's id in the data set's annotation files.
    label: the class's name.
    score: 0..1. Panoptic: the class's probability (of merged stuff, that of the first query);
      instance: that times the mean mask probability inside the mask; semantic: None.
    area: pixels of `mask`.
    box: left, top, width, height of `mask` in pixels, as COCO's boxes.
    is_thing: whether its class is one whose instances are told apart.
  """
  id: int
  class_id: int
  category_id: int
  label: str
  score: float | None
  area: int
  box: encoding.Box
  is_thing: bool
  _id_map: np.ndarray = dataclasses.field(repr=False)
  _runs: dict | None = dataclasses.field(default=None, repr=False)

  @property
  def mask(self) -> np.ndarray:
    """bool [height, width], made at each access; an instance's with the pixels that others hide."""
    if self._runs is not None:
      return run_lengths.decode(self._runs)
    return self._id_map == self.id

  @property
  def runs(self) -> dict:
    """The mask as COCO's compressed run lengths: size [height, width] and counts, ASCII bytes."""
    return self._runs if self._runs is not None else run_lengths.encode(self.mask)
