"""Panoptic maps drawn over images, for people to look at."""

import numpy as np
from PIL import Image
from PIL import ImageDraw

_SMALLEST = 256  # pixels; smaller images are enlarged so that contours and names can be read


def _enlarge(array: np.ndarray, nearest: bool) -> np.ndarray:
  factor = -(-_SMALLEST // max(array.shape[:2]))
  size = (array.shape[1] * factor, array.shape[0] * factor)
  how = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
  return array if factor < 2 else np.asarray(Image.fromarray(array).resize(size, how))


def draw_panoptic(image: np.ndarray, id_map: np.ndarray, segments: list[dict], classes) -> np.ndarray:
  """Colors every segment by its class, shades apart within a class, with contours and names; void stays as it is.

  Args:
    image: uint8 [height, width, 3].
    id_map: whole numbers [height, width], 0 = void.
    segments: dicts of id and category_id (class).
    classes: with name and color each, by class.

  Returns:
    uint8, the image's size or, for small images, a whole multiple of it.
  """
  image, id_map = _enlarge(image, False), _enlarge(id_map.astype(np.int32), True)
  drawn = image.astype(np.float32)
  seen = {}
  for segment in segments:
    category = segment['category_id']
    shade = 1 - 0.18 * (seen.get(category, 0) % 4)
    seen[category] = seen.get(category, 0) + 1
    mask = id_map == segment['id']
    drawn[mask] = 0.4 * drawn[mask] + 0.6 * shade * np.array(classes[category].color, np.float32)
  edge = np.zeros(id_map.shape, bool)
  edge[:, 1:] |= id_map[:, 1:] != id_map[:, :-1]
  edge[1:] |= id_map[1:] != id_map[:-1]
  drawn[edge] = 255
  canvas = Image.fromarray(drawn.astype(np.uint8))
  pen = ImageDraw.Draw(canvas)
  for segment in segments:
    rows, columns = np.nonzero(id_map == segment['id'])
    if len(rows) < 600:
      continue
    middle = np.argmin((rows - rows.mean())**2 + (columns - columns.mean())**2)  # a pixel of the segment
    text = classes[segment['category_id']].name
    if 'score' in segment:
      text += f' {segment["score"]:.2f}'
    box = pen.textbbox((columns[middle], rows[middle]), text, anchor='mm')
    pen.rectangle(box, fill=(0, 0, 0))
    pen.text((columns[middle], rows[middle]), text, fill=(255, 255, 255), anchor='mm')
  return np.asarray(canvas)


def side_by_side(images: list[np.ndarray], titles: list[str]) -> np.ndarray:
  """Returns images in a row, each with its title above, uint8; small ones are enlarged to fit the largest."""
  height = max(p.shape[0] for p in images)
  scaled = [Image.fromarray(p).resize((round(p.shape[1] * height / p.shape[0]), height)) for p in images]
  gap, head = 6, 16
  canvas = Image.new('RGB', (sum(s.width + gap for s in scaled) - gap, height + head), (255, 255, 255))
  pen, left = ImageDraw.Draw(canvas), 0
  for image, title in zip(scaled, titles):
    canvas.paste(image, (left, head))
    pen.text((left + 3, 2), title, fill=(0, 0, 0))
    left += image.width + gap
  return np.asarray(canvas)
