"""A legend for an image: a swatch of color and a name per class, to the right or below."""

from collections.abc import Sequence

from PIL import Image
from PIL import ImageDraw

from tf_maskformer.evaluation import captions

Entry = tuple[str, captions.Color]  # name, color

_BACKGROUND = (255, 255, 255)
_INK = (32, 32, 32)


def add(image: Image.Image, entries: Sequence[Entry]) -> Image.Image:
  """Returns the image with its legend on white, on the side where the result is smaller.

  Args:
    image: RGB.
    entries: name and color (0..255 each) per class, in the order of the legend; where there is
      none, the image is returned.
  """
  if not entries:
    return image
  size = captions.text_size(image.size[::-1])
  row_height = round(1.6 * size)
  type_face = captions.font(size)
  names = [captions.shortened(name) for name, _ in entries]
  column_width = 3 * size + max(round(type_face.getlength(name)) for name in names)
  rows_right = max((image.height - size) // row_height, 1)
  columns_below = max((image.width - size) // column_width, 1)
  columns_right, rows_below = -(-len(names) // rows_right), -(-len(names) // columns_below)
  right = (image.width + columns_right * column_width + size, max(image.height, row_height + size))
  below = (max(image.width, column_width + size), image.height + rows_below * row_height + size)
  to_the_right = right[0] * right[1] <= below[0] * below[1]
  canvas = Image.new('RGB', right if to_the_right else below, _BACKGROUND)
  canvas.paste(image, (0, 0))
  start = (image.width + size, size // 2) if to_the_right else (size, image.height + size // 2)
  rows = rows_right if to_the_right else rows_below
  pen = ImageDraw.Draw(canvas)
  for number, (name, (_, color)) in enumerate(zip(names, entries)):
    left = start[0] + number // rows * column_width
    middle = start[1] + (number % rows) * row_height + row_height / 2
    swatch = (left, middle - size / 2, left + 1.4 * size, middle + size / 2)
    pen.rounded_rectangle(swatch, radius=size // 4, fill=color)
    pen.text((left + 1.9 * size, middle), name, fill=_INK, font=type_face, anchor='lm')
  return canvas
