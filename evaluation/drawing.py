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
Box = tuple[int, int, int, int]  # left, top, width, height

_SMALLEST = 384  # pixels; smaller images are enlarged so that contours and names can be read
_OPACITY = 0.55  # of the colors
_OUTLINE = 1 / 700  # width by the shorter side
_BOX = 1 / 350
# Of the instances of a class, one after the other: shift of the hue (turns), share of white
# (above 0) or black (below 0) that is mixed in. Each is as far from those before it as the others
# allow, in the colors of COCO's classes.
_SHADES = (
    (0.0, 0.0), (0.04, 0.2), (-0.05, -0.2), (0.08, -0.1), (-0.08, 0.25), (0.03, -0.35),
    (-0.03, 0.4), (-0.09, -0.45), (-0.09, 0.0), (0.09, -0.45), (-0.09, -0.3), (0.09, 0.45),
    (-0.03, 0.15), (0.09, 0.3), (0.0, 0.3), (0.05, 0.0), (0.09, 0.15), (0.0, -0.15),
    (0.0, -0.45), (-0.09, -0.15), (-0.03, -0.3), (0.09, 0.0), (-0.09, 0.15), (-0.09, 0.45))


def shade(color: Sequence[int], number: int) -> captions.Color:
  """Returns the color of a class's instance, counted from 0, which has the class's own color."""
  turn, mixed_in = _SHADES[number % len(_SHADES)]
  hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in color))
  turned = np.array(colorsys.hls_to_rgb((hue + turn) % 1, lightness, saturation))
  target = 1.0 if mixed_in > 0 else 0.0
  mixed = turned + abs(mixed_in) * (target - turned)
  red, green, blue = (round(255 * float(channel)) for channel in mixed)
  return red, green, blue


def colors_of(segments: Sequence[Mapping[str, Any]], classes: Sequence[Any]
              ) -> list[captions.Color]:
  """Returns each segment's color: that of its class, in another shade for each of its instances.

  Args:
    segments: dicts of category_id (class).
    classes: with color each, by class.
  """
  seen: dict[int, int] = {}
  colors = []
  for segment in segments:
    category = segment['category_id']
    number = seen.get(category, 0)
    seen[category] = number + 1
    colors.append(shade(classes[category].color, number))
  return colors


def draw_panoptic(image: np.ndarray, id_map: np.ndarray, segments: Sequence[Mapping[str, Any]],
                  classes: Sequence[Any], with_legend: bool = False,
                  boxes: Sequence[Box | None] = (), enlarged: bool = True) -> np.ndarray:
  """Colors every segment by its class, shades apart within a class, with outlines and captions.

  A caption is the class's name and, where there is one, the score. Void stays as it is.

  Args:
    image: uint8 [height, width, 3].
    id_map: integers [height, width], 0 = void.
    segments: dicts of id and category_id (class), and score if known.
    classes: with name and color each, by class.
    with_legend: adds a legend of the classes in the image, those of the largest area first.
    boxes: to draw around the segments, in their order: left, top, width, height in pixels; None or
      an empty one is not drawn.
    enlarged: whether a small image may be.

  Returns:
    uint8 [height, width, 3]: the image's size or, for small images, an integer multiple of it;
    with a legend wider or higher.
  """
  factor = _enlargement(image.shape) if enlarged else 1
  image = _times(image, factor, Image.Resampling.BILINEAR)
  values = _times(_numbered(id_map, segments), factor, Image.Resampling.NEAREST)
  colors = colors_of(segments, classes)
  drawn = _tinted(image, values, colors)
  drawn[_outlines(values)] = 255
  canvas = Image.fromarray(drawn)
  _draw_boxes(canvas, boxes, colors, factor)
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


def _enlargement(shape: Sequence[int]) -> int:
  """Returns how many times a small image is enlarged, so that its longer side is at least 384."""
  return -(-_SMALLEST // max(shape[:2]))


def _times(array: np.ndarray, factor: int, how: Image.Resampling) -> np.ndarray:
  """Returns [height, width, …] an integer times as large."""
  size = (array.shape[1] * factor, array.shape[0] * factor)
  return array if factor < 2 else np.asarray(Image.fromarray(array).resize(size, how))


def _draw_boxes(canvas: Image.Image, boxes: Sequence[Box | None],
                colors: Sequence[captions.Color], factor: int) -> None:
  """Draws boxes of the image before it was enlarged, each in its segment's color."""
  pen = ImageDraw.Draw(canvas)
  width = max(round(_BOX * min(canvas.size)), 2)
  for box, color in zip(boxes, colors):
    if box and box[2] and box[3]:
      left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
      corners = (left * factor, top * factor, right * factor - 1, bottom * factor - 1)
      pen.rectangle(corners, outline=color, width=width)


def _numbered(id_map: np.ndarray, segments: Sequence[Mapping[str, Any]]) -> np.ndarray:
  """Returns the map with the numbers of the segments, from 1, for their ids; 0 where none is."""
  largest = max(int(id_map.max(initial=0)), *(s['id'] for s in segments), 0)
  table = np.zeros(largest + 1, np.int32)
  for number, segment in enumerate(segments):
    table[segment['id']] = number + 1
  return table[id_map]


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
