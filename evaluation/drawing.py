"""Segments drawn over images, for people to look at."""

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image
from PIL import ImageDraw

from tf_maskformer.evaluation import captions
from tf_maskformer.evaluation import legend

Drawn = tuple[np.ndarray, Sequence[Mapping[str, Any]]]  # id map and segments, see `draw_panoptic`

_SMALLEST = 384  # pixels; smaller images are enlarged so that contours and names can be read
_OPACITY = 0.55  # of the colors
_OUTLINE = 1 / 700  # width by the shorter side
# Of the instances of a class, one after the other: shift of the hue (turns), share of white
# (above 0) or black (below 0) that is mixed in.
_SHADES = (
    (0.0, 0.0), (0.04, 0.2), (-0.05, -0.2), (0.08, -0.1), (-0.08, 0.25), (0.03, -0.35),
    (-0.03, 0.4))


def shade(color: Sequence[int], number: int) -> captions.Color:
  """Returns the color of a class's instance, counted from 0, which has the class's own color."""
  turn, mixed_in = _SHADES[number % len(_SHADES)]
  hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in color))
  turned = np.array(colorsys.hls_to_rgb((hue + turn) % 1, lightness, saturation))
  target = 1.0 if mixed_in > 0 else 0.0
  mixed = turned + abs(mixed_in) * (target - turned)
  red, green, blue = (round(255 * float(channel)) for channel in mixed)
  return red, green, blue


def draw_panoptic(image: np.ndarray, id_map: np.ndarray, segments: Sequence[Mapping[str, Any]],
                  classes: Sequence[Any], with_legend: bool = False) -> np.ndarray:
  """Colors every segment by its class, shades apart within a class, with outlines and captions.

  A caption is the class's name and, where there is one, the score. Void stays as it is.

  Args:
    image: uint8 [height, width, 3].
    id_map: whole numbers [height, width], 0 = void.
    segments: dicts of id and category_id (class), and score if known.
    classes: with name and color each, by class.
    with_legend: adds a legend of the classes in the image, those of the largest area first.

  Returns:
    uint8 [height, width, 3]: the image's size or, for small images, an integer multiple of it;
    with a legend wider or higher.
  """
  image = _enlarge(image, Image.Resampling.BILINEAR)
  values = _enlarge(_numbered(id_map, segments), Image.Resampling.NEAREST)
  colors = _colors(segments, classes)
  drawn = _tinted(image, values, colors)
  drawn[_outlines(values)] = 255
  canvas = Image.fromarray(drawn)
  captions.draw(canvas, values, [
      captions.Caption(number + 1, _text(segment, classes), color)
      for number, (segment, color) in enumerate(zip(segments, colors))])
  if with_legend:
    canvas = legend.add(canvas, _entries(values, segments, classes))
  return np.asarray(canvas)


def compare(image: np.ndarray, truth: Drawn, prediction: Drawn,
            classes: Sequence[Any]) -> np.ndarray:
  """Returns an image, its truth and its prediction in a row; arguments as `draw_panoptic`.

  Args:
    image: uint8 [height, width, 3].
    truth: id map and segments.
    prediction: id map and segments.
    classes: by class.
  """
  drawn = [draw_panoptic(image, *of, classes) for of in (truth, prediction)]
  return side_by_side([image, *drawn], ['image', 'truth', 'prediction'])


def side_by_side(images: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
  """Returns images in a row, each with its title above.

  Args:
    images: uint8 [height, width, 3]; all are enlarged to the height of the highest.
    titles: as many texts.

  Returns:
    uint8 [height, width, 3].
  """
  height = max(image.shape[0] for image in images)
  scaled = [_of_height(image, height) for image in images]
  size = captions.text_size((height, max(image.width for image in scaled)))
  gap, head = size, 2 * size
  width = sum(image.width + gap for image in scaled) - gap
  canvas = Image.new('RGB', (width, height + head), 'white')
  pen = ImageDraw.Draw(canvas)
  left = 0
  for image, title in zip(scaled, titles):
    canvas.paste(image, (left, head))
    place = (left + size // 4, head // 2)
    pen.text(place, title, fill='black', font=captions.font(size), anchor='lm')
    left += image.width + gap
  return np.asarray(canvas)


def _of_height(image: np.ndarray, height: int) -> Image.Image:
  width = max(round(image.shape[1] * height / image.shape[0]), 1)
  return Image.fromarray(image).resize((width, height))


def _enlarge(array: np.ndarray, how: Image.Resampling) -> np.ndarray:
  """Returns [height, width, …] an integer times as large, the longer side at least 384."""
  factor = -(-_SMALLEST // max(array.shape[:2]))
  size = (array.shape[1] * factor, array.shape[0] * factor)
  return array if factor < 2 else np.asarray(Image.fromarray(array).resize(size, how))


def _numbered(id_map: np.ndarray, segments: Sequence[Mapping[str, Any]]) -> np.ndarray:
  """Returns the map with the numbers of the segments, from 1, for their ids; 0 where none is."""
  largest = max(int(id_map.max(initial=0)), *(s['id'] for s in segments), 0)
  table = np.zeros(largest + 1, np.int32)
  for number, segment in enumerate(segments):
    table[segment['id']] = number + 1
  return table[id_map]


def _colors(segments, classes) -> list[captions.Color]:
  seen: dict[int, int] = {}
  colors = []
  for segment in segments:
    category = segment['category_id']
    colors.append(shade(classes[category].color, seen.get(category, 0)))
    seen[category] = seen.get(category, 0) + 1
  return colors


def _tinted(image: np.ndarray, values: np.ndarray, colors: Sequence[captions.Color]) -> np.ndarray:
  """Returns the image under the segments' colors; by tables of bytes, 12 megapixels need 100 MB."""
  faded = np.round((1 - _OPACITY) * np.arange(256)).astype(np.uint8)
  tints = np.round(_OPACITY * np.array([(0, 0, 0), *colors])).astype(np.uint8)
  tinted = faded[image] + tints[values]
  np.copyto(tinted, image, where=values[..., None] == 0)
  return tinted


def _outlines(values: np.ndarray) -> np.ndarray:
  """Returns bool [height, width]: the pixels just right of or below a border of segments."""
  width = max(round(_OUTLINE * min(values.shape)), 1)
  outline = np.zeros(values.shape, bool)
  for step in range(1, width + 1):
    outline[:, step:] |= values[:, step:] != values[:, :-step]
    outline[step:] |= values[step:] != values[:-step]
  return outline


def _text(segment: Mapping[str, Any], classes) -> str:
  name = classes[segment['category_id']].name
  return f'{name} {segment["score"]:.2f}' if segment.get('score') is not None else name


def _entries(values: np.ndarray, segments, classes) -> list[legend.Entry]:
  """Returns name and color of every class in the map, the largest area first."""
  areas = np.bincount(values.ravel(), minlength=len(segments) + 1)[1:]
  of_class: dict[int, int] = {}
  for segment, area in zip(segments, areas):
    if area:
      of_class[segment['category_id']] = of_class.get(segment['category_id'], 0) + int(area)
  order = sorted(of_class, key=lambda category: -of_class[category])
  return [(classes[category].name, tuple(classes[category].color)) for category in order]
