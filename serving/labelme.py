"""LabelMe's JSON of an image: polygons that LabelMe opens, edits and saves."""

import base64
import os
from collections.abc import Iterable
from typing import Any

from tf_maskformer.serving import outlines
from tf_maskformer.serving.segment import Segment

_VERSION = '5.5.0'  # of LabelMe, whose form this is


def document(segments: Iterable[Segment], size: tuple[int, int], image_path: str | os.PathLike,
             image_data: bytes | None = None) -> dict[str, Any]:
  """Returns the content of a JSON.

  A part of a mask is a shape of its own; the shapes of one segment have its id as their `group_id`.
  Corners are those of pixels, so that the shapes cover the mask's pixels and no others, as COCO
  draws polygons; a hole is cut open, see `outlines`. The score is the shape's description.

  Args:
    segments: with id, label, score and mask.
    size: (height, width) of the image.
    image_path: where the image is, relative to the JSON.
    image_data: the image file's bytes, to hold them in the JSON; None: only the path is held.
  """
  shapes: list[dict[str, Any]] = []
  for segment in segments:
    shapes += _shapes(segment)
  encoded = None if image_data is None else base64.b64encode(image_data).decode('ascii')
  return {
      'version': _VERSION,
      'flags': {},
      'shapes': shapes,
      'imagePath': os.fspath(image_path),
      'imageData': encoded,
      'imageHeight': size[0],
      'imageWidth': size[1],
  }


def _shapes(segment: Segment) -> list[dict[str, Any]]:
  """Returns a shape per part of a segment's mask."""
  polygons = outlines.of_mask(segment.mask)
  description = '' if segment.score is None else f'{segment.score:.4f}'
  return [{
      'label': segment.label,
      'points': [[float(x), float(y)] for x, y in polygon],
      'group_id': segment.id if len(polygons) > 1 else None,
      'description': description,
      'shape_type': 'polygon',
      'flags': {},
      'mask': None,
  } for polygon in polygons]
