"""Segments as `supervision.Detections`, for its annotators, trackers and metrics."""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_maskformer.errors import UserError
from tf_maskformer.serving import encoding
from tf_maskformer.serving.segment import Segment


def detections(segments: Sequence[Segment], size: tuple[int, int]) -> Any:
  """Returns the segments that are not empty; see `Result.to_supervision`.

  Args:
    segments: of one image.
    size: (height, width) of the image.

  Raises:
    UserError: supervision is not installed.
  """
  try:
    supervision = importlib.import_module('supervision')
  except ImportError as e:
    raise UserError(
        'supervision is not installed; run: python -m pip install supervision') from e
  kept = [segment for segment in segments if segment.area]
  has_scores = all(segment.score is not None for segment in kept)
  masks = [segment.mask for segment in kept]
  return supervision.Detections(
      xyxy=np.array([_corners(s.box) for s in kept], np.float32).reshape(-1, 4),
      mask=np.stack(masks) if masks else np.zeros([0, *size], bool),
      confidence=np.array([s.score for s in kept], np.float32) if has_scores else None,
      class_id=np.array([s.class_id for s in kept], int),
      data={
          'class_name': np.array([s.label for s in kept], dtype=str),
          'segment_id': np.array([s.id for s in kept], int),
          'category_id': np.array([s.category_id for s in kept], int),
      })


def _corners(box: encoding.Box) -> tuple[int, int, int, int]:
  left, top, width, height = box
  return left, top, left + width, top + height
