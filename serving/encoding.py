"""How ids, classes and masks are written into PNG and JSON."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as mask_tools

_BYTE = 256  # values of 8 bits

Box = tuple[int, int, int, int]  # left, top, width, height in pixels, as COCO's boxes


def id_image(id_map: np.ndarray) -> np.ndarray:
  """Returns segment ids as COCO's panoptic PNGs hold them: id = R + 256 G + 65536 B.

  Args:
    id_map: integers [height, width], 0 .. 2^24 - 1.

  Returns:
    uint8 [height, width, 3].
  """
  red = id_map % _BYTE
  green = id_map // _BYTE % _BYTE
  blue = id_map // _BYTE**2
  return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def label_image(labels: np.ndarray, num_classes: int, with_void: bool) -> np.ndarray:
  """Returns classes as a label PNG holds them, counted from 0.

  Args:
    labels: integers [height, width], -1 = void.
    num_classes: of the data set.
    with_void: whether there may be void, which needs a value of its own.

  Returns:
    uint8 [height, width], void = 255; or uint16, void = 65535, where the classes need it.
  """
  is_small = num_classes + int(with_void) <= _BYTE
  return labels.astype(np.uint8 if is_small else np.uint16)


def palette_png(values: np.ndarray, colors: Mapping[int, Sequence[int]]) -> bytes:
  """Returns a PNG whose pixels are the values, and which programs show in colors.

  Args:
    values: uint8 [height, width].
    colors: red, green, blue of values, 0 .. 255 each; the others are black.
  """
  palette = np.zeros([_BYTE, 3], np.uint8)
  for value, color in colors.items():
    palette[value] = color
  image = Image.fromarray(values)
  image.putpalette(palette.tobytes())
  buffer = io.BytesIO()
  image.save(buffer, 'PNG')
  return buffer.getvalue()


def runs_as_text(runs: Mapping[str, Any]) -> dict:
  """Returns compressed run lengths with their counts as text, which JSON can hold."""
  return {**runs, 'counts': runs['counts'].decode()}


def box_of_runs(runs: Mapping[str, Any]) -> Box:
  """Returns the box around a mask given as compressed run lengths; zeros where it is empty."""
  left, top, width, height = (int(value) for value in mask_tools.toBbox(runs))
  return left, top, width, height


def box_of_slices(rows: slice, columns: slice) -> Box:
  """Returns the box that spans these rows and columns."""
  return columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start
