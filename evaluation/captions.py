"""Names written onto segments of an image: one size of type for the image, no name over another."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.ndimage
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

Color = tuple[int, int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels

_TEXT_SHARE = 0.022  # height of the type by the side of a square of the image's area
_SMALLEST_TEXT = 11  # pixels; below it Pillow's font cannot be read
_LONGEST = 26  # characters
_GRID = 320  # places are searched on a map whose longer side has about so many pixels
_CANDIDATES = 400  # places that are tried per segment
_MARGIN = 2  # pixels between a caption and its segment or the border of the image
_BUDGET = 1 / 7  # share of the image that all captions may cover
# Area of a segment by that of its caption: above the first, the caption is inside, else next to it;
# below the second, the segment has no caption.
_FITS_INSIDE = 1.2
_TOO_SMALL = 0.08


@dataclasses.dataclass(frozen=True)
class Caption:
  """A text for a segment: `value` is the segment's number in the map, `color` fills the box."""
  value: int
  text: str
  color: Color


def text_size(shape: Sequence[int]) -> int:
  """Returns the height of type in pixels that suits an image of (height, width)."""
  height, width = shape[:2]
  wanted = min(_TEXT_SHARE * (height * width)**0.5, min(height, width) / 4)
  return max(round(wanted), _SMALLEST_TEXT)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
  """Returns Pillow's own font (Latin letters) at a height in pixels."""
  return ImageFont.load_default(size=size)


def shortened(text: str) -> str:
  """Returns a text of at most 26 characters, a longer one with an ellipsis for its end."""
  return text if len(text) <= _LONGEST else text[:_LONGEST - 1].rstrip() + '…'


def ink(background: Color) -> Color:
  """Returns black or white, whichever stands out more from a color (ITU-R BT.601 luma)."""
  red, green, blue = background
  return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)


def draw(canvas: Image.Image, values: np.ndarray, captions: Sequence[Caption]) -> None:
  """Writes captions onto an image, each inside its segment or, where that is small, next to it.

  Small segments choose first, since they have the fewest places. Left out are captions of segments
  that are much smaller than their text, those that find no free place, and those of the smallest
  segments where all of them would cover more than a seventh of the image.

  Args:
    canvas: RGB, drawn upon.
    values: integers [height, width] of the canvas; a caption's segment is where its value is.
    captions: what to write.
  """
  step = max(max(values.shape) // _GRID, 1)
  grid = values[step // 2::step, step // 2::step]
  height = text_size(values.shape)
  typeface = font(height)
  pad = max(round(0.25 * height), 2)
  pen = ImageDraw.Draw(canvas)
  taken: list[Box] = []
  for caption, size in _affordable(captions, grid, typeface, pad, _BUDGET * values.size):
    box = _place(grid == caption.value, step, size, canvas.size, taken)
    if box is None:
      continue
    taken.append(box)
    left, top, right, bottom = box
    pen.rounded_rectangle((left, top, right - 1, bottom - 1), radius=pad, fill=caption.color)
    middle = ((left + right) / 2, (top + bottom) / 2)
    pen.text(
        middle, shortened(caption.text), fill=ink(caption.color), font=typeface, anchor='mm')


def _affordable(captions: Sequence[Caption], grid: np.ndarray, typeface, pad: int,
                budget: float) -> list[tuple[Caption, tuple[int, int]]]:
  """Returns captions with (width, height) of their boxes, the smallest segment first.

  Args:
    captions: all of them.
    grid: integers, where each segment is.
    typeface: of the text.
    pad: pixels between text and box, left and right.
    budget: pixels that the boxes may cover together; the largest segments are served first.
  """
  largest_value = max((caption.value for caption in captions), default=0)
  areas = np.bincount(grid.ravel(), minlength=largest_value + 1)
  ascent, descent = typeface.getmetrics()
  chosen: list[tuple[Caption, tuple[int, int]]] = []
  for caption in sorted(captions, key=lambda caption: -areas[caption.value]):
    size = (round(typeface.getlength(shortened(caption.text))) + 2 * pad, ascent + descent + pad)
    budget -= size[0] * size[1]
    if budget < 0 and chosen:
      break
    chosen.append((caption, size))
  return chosen[::-1]


def _place(mask: np.ndarray, step: int, size: tuple[int, int], canvas: tuple[int, int],
           taken: list[Box]) -> Box | None:
  """Returns the best free box of `size` for a segment, None where there is none.

  Args:
    mask: bool, the segment on the grid.
    step: pixels of the canvas per pixel of the grid.
    size: (width, height) of the box.
    canvas: (width, height).
    taken: boxes of other captions.
  """
  width, height = size
  room = mask.sum() * step * step / (width * height)
  last_left = canvas[0] - width - _MARGIN
  last_top = canvas[1] - height - _MARGIN
  if room < _TOO_SMALL or min(last_left, last_top) < _MARGIN:
    return None
  if room > _FITS_INSIDE:
    centers = (_inside(mask, size) + 0.5) * step
  else:
    centers = _around(mask, step, size)
  corners = np.round(centers - (width / 2, height / 2)).astype(int)
  for left, top in np.clip(corners, _MARGIN, (last_left, last_top)):
    box = (int(left), int(top), int(left) + width, int(top) + height)
    if not any(_overlap(box, other) for other in taken):
      return box
  return None


def _inside(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Returns places [n, 2] (x, y) of a mask, first those where a box of this shape has most room."""
  width, height = size
  rows, columns = np.nonzero(mask)
  top = rows.min()
  left = columns.min()
  padded = np.pad(mask[top:rows.max() + 1, left:columns.max() + 1], 1)
  in_boxes = (1 / height, 1 / width)  # distances are measured in heights and widths of the box
  room = scipy.ndimage.distance_transform_edt(padded, sampling=in_boxes)[1:-1, 1:-1]
  order = np.argsort(-room[rows - top, columns - left], kind='stable')
  order = order[::max(len(order) // _CANDIDATES, 1)]
  return np.stack([columns[order], rows[order]], axis=1)


def _around(mask: np.ndarray, step: int, size: tuple[int, int]) -> np.ndarray:
  """Returns centers [4, 2] (x, y), in pixels, of boxes above, below, right and left of a mask."""
  width, height = size
  rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
  top, bottom = rows[0] * step, (rows[-1] + 1) * step
  left, right = columns[0] * step, (columns[-1] + 1) * step
  x, y = (left + right) / 2, (top + bottom) / 2
  return np.array([[x, top - _MARGIN - height / 2], [x, bottom + _MARGIN + height / 2],
                   [right + _MARGIN + width / 2, y], [left - _MARGIN - width / 2, y]])


def _overlap(one: Box, other: Box) -> bool:
  return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
