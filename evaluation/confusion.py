"""A confusion matrix as a CSV file and as an image."""

import csv
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from PIL import ImageDraw

from tf_maskformer.evaluation import captions

CSV = 'confusion.csv'  # names of the files
PNG = 'confusion.png'
_NOTHING = '(nothing)'  # column of pixels for which nothing was predicted
_CORNER = 'truth / prediction'
_TITLE = "rows: truth, columns: prediction; percent of the truth's pixels"
_SOME = '; the {} classes with the most pixels'
_SIDE = 1500  # pixels that all cells are meant to take, if that leaves each its limits
_SMALLEST_CELL = 12
_LARGEST_CELL = 64
_CELL_WITH_NUMBER = 22
_TEXT = 0.85  # height of type by the side of a cell, up to the largest
_LARGEST_TEXT = 18
_RIGHT = np.array([8, 69, 148])  # color of all of a class's pixels where they are right
_WRONG = np.array([165, 15, 21])  # and where they are taken for another class
_UNSEEN = 232  # gray of the rows of classes that the truth does not have
_MOST_CLASSES = 400  # in the image, which has 25 megapixels then


def as_csv(confusion: np.ndarray, missed: np.ndarray, names: Sequence[str]) -> str:
  """Returns a table of pixels: a row for each true class, a column for each predicted one.

  Args:
    confusion: int64 [classes, classes], pixels by true and predicted class.
    missed: int64 [classes], pixels for which nothing was predicted; a last column if there are any.
    names: of the classes; the first line and the first column.
  """
  has_missed = bool(missed.any())
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  writer.writerow([_CORNER, *names, *([_NOTHING] if has_missed else [])])
  for name, row, count in zip(names, confusion.tolist(), missed.tolist()):
    writer.writerow([name, *row, *([count] if has_missed else [])])
  return text.getvalue()


def draw(confusion: np.ndarray, missed: np.ndarray, names: Sequence[str]) -> np.ndarray:
  """Draws the shares of each true class's pixels: blue what is right, red what is not.

  Of more than 400 classes, the 400 with the most pixels in the truth.

  Args:
    confusion: int64 [classes, classes], pixels by true and predicted class.
    missed: int64 [classes], pixels for which nothing was predicted, which makes the shares of the
      others less.
    names: of the classes.

  Returns:
    uint8 [height, width, 3].
  """
  title = _TITLE
  if len(names) > _MOST_CLASSES:
    title += _SOME.format(_MOST_CLASSES)
    most = np.sort(np.argsort(-confusion.sum(axis=1), kind='stable')[:_MOST_CLASSES])
    missed = missed[most]
    confusion = confusion[np.ix_(most, most)]
    names = [names[k] for k in most]
  count = len(names)
  cell = min(max(_SIDE // count, _SMALLEST_CELL), _LARGEST_CELL)
  size = min(round(_TEXT * cell), _LARGEST_TEXT)
  type_face = captions.font(size)
  texts = [captions.shortened(name) for name in names]
  margin = max(round(type_face.getlength(text)) for text in texts) + size
  head = 2 * size
  left, top = margin, margin + head
  title_width = round(type_face.getlength(title)) + size
  width = max(left + count * cell + size, title_width)
  canvas = Image.new('RGB', (width, top + count * cell + size), 'white')
  pen = ImageDraw.Draw(canvas)
  pen.text((size // 2, head // 2), title, fill='black', font=type_face, anchor='lm')
  totals = confusion.sum(axis=1) + missed
  shares = confusion / np.maximum(totals, 1)[:, None]
  colors = _colors(totals, shares)
  table = Image.fromarray(colors).resize((count * cell, count * cell), Image.Resampling.NEAREST)
  canvas.paste(table, (left, top))
  for k, text in enumerate(texts):
    middle = round((k + 0.5) * cell)
    pen.text((left - size // 2, top + middle), text, fill='black', font=type_face, anchor='rm')
    _write_upwards(canvas, text, (left + middle, top - size // 2), size)
  _draw_lines(pen, (left, top), count, cell)
  if cell >= _CELL_WITH_NUMBER:
    _write_numbers(pen, shares, colors, (left, top), cell)
  return np.asarray(canvas)


def files(confusion: np.ndarray, missed: np.ndarray, names: Sequence[str]) -> dict[str, bytes]:
  """Returns both files by name; arguments as of `draw`."""
  image = io.BytesIO()
  Image.fromarray(draw(confusion, missed, names)).save(image, 'PNG')
  return {CSV: as_csv(confusion, missed, names).encode(), PNG: image.getvalue()}


def _colors(totals: np.ndarray, shares: np.ndarray) -> np.ndarray:
  """Returns a color per cell, uint8 [classes, classes, 3]; small shares are made visible."""
  full = np.where(np.eye(len(shares), dtype=bool)[..., None], _RIGHT, _WRONG)
  colors = 255 - np.sqrt(shares)[..., None] * (255 - full)
  colors[totals == 0] = _UNSEEN
  return colors.round().astype(np.uint8)


def _write_upwards(canvas: Image.Image, text: str, foot: tuple[int, int], size: int) -> None:
  """Writes a text that starts at a point and runs upwards, centered on the point's column."""
  type_face = captions.font(size)
  line = Image.new('L', (round(type_face.getlength(text)) + 2, round(1.4 * size)))
  ImageDraw.Draw(line).text((0, line.height // 2), text, fill=255, font=type_face, anchor='lm')
  upright = line.rotate(90, expand=True)
  place = (foot[0] - upright.width // 2, foot[1] - upright.height)
  canvas.paste('black', (*place, place[0] + upright.width, place[1] + upright.height), upright)


def _draw_lines(pen: ImageDraw.ImageDraw, corner: tuple[int, int], count: int, cell: int) -> None:
  """Draws a light grid, which leads the eye from a name to its cells."""
  left, top = corner
  side = count * cell
  for k in range(count + 1):
    pen.line([(left + k * cell, top), (left + k * cell, top + side)], fill=(222, 222, 222))
    pen.line([(left, top + k * cell), (left + side, top + k * cell)], fill=(222, 222, 222))


def _write_numbers(pen: ImageDraw.ImageDraw, shares: np.ndarray, colors: np.ndarray,
                   corner: tuple[int, int], cell: int) -> None:
  """Writes the percentages, those that round to zero left out."""
  type_face = captions.font(min(cell // 2, _LARGEST_TEXT))
  percent = np.round(100 * shares).astype(int)
  for row, column in zip(*np.nonzero(percent)):
    place = (corner[0] + round((column + 0.5) * cell), corner[1] + round((row + 0.5) * cell))
    red, green, blue = colors[row, column].tolist()
    pen.text(place, str(percent[row, column]), fill=captions.ink((red, green, blue)),
             font=type_face, anchor='mm')
