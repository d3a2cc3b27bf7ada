"""Drawn images with things and stuff: what the embedded data set shows.

Every image has a background of sky over ground (grass, sand, or both), textured, with a wavy
horizon, and a few overlapping things (disc, square, triangle, star). As in life a class has its
usual color, but not always: one thing in ten has a random one, and only its shape tells what it is.
Some images hold a crowd segment (a cluster of small things) or a void region, as COCO's do.
"""

import dataclasses

import numpy as np
from PIL import Image
from PIL import ImageDraw

SUPERSAMPLING = 4
DISC, SQUARE, TRIANGLE, STAR, SKY, GRASS, SAND = range(7)
MOST_TURNED = np.pi / 9  # radians
ODD_COLORED = 0.1  # share of things with a random color
USUAL_COLOR = {
    DISC: (200, 55, 50), SQUARE: (130, 60, 180), TRIANGLE: (240, 135, 30), STAR: (250, 240, 120)}
# Shares of images.
WIDE = 0.7
CROWDED = 0.08
WITH_VOID = 0.15
TWO_GROUNDS = 0.5
# What remains of a covered thing must still be visible: this share of the longest side, squared.
SMALLEST = 0.03


@dataclasses.dataclass(frozen=True)
class Region:
  """A drawn segment: its class, whether a crowd, and its pixels."""
  class_id: int
  is_crowd: bool
  mask: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Layer:
  """What is painted over the background, from the back to the front.

  Attributes:
    class_id: None: void.
    is_crowd: whether a crowd.
    cover: share of each pixel that it covers, float [height, width].
  """
  class_id: int | None
  is_crowd: bool
  cover: np.ndarray


def _noise(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
  """Smooth noise in [0, 1], [height, width]."""
  coarse = Image.fromarray(rng.random([cells, cells]).astype(np.float32))
  return np.asarray(coarse.resize((size[1], size[0]), Image.Resampling.BICUBIC)).clip(0, 1)


def _texture(rng: np.random.Generator, kind: int, size: tuple[int, int]) -> np.ndarray:
  """The look of a stuff class, float [height, width, 3] in 0 .. 255."""
  height, width = size
  cloud = _noise(rng, size, 4)[..., None]
  grain = rng.normal(size=[height, width, 1])
  if kind == SKY:
    base = np.array([110, 170, 235]) + rng.normal(0, 12, 3)
    return base + 90 * np.maximum(cloud - 0.5, 0) + 2 * grain
  if kind == GRASS:
    blades = np.repeat(rng.normal(size=[height, width // 2 + 1, 1]), 2, axis=1)[:, :width]
    base = np.array([75, 145, 60]) + rng.normal(0, 10, 3)
    return base + 40 * (cloud - 0.5) + 14 * blades
  base = np.array([215, 190, 135]) + rng.normal(0, 10, 3)
  return base + 30 * (cloud - 0.5) + 9 * grain


def _outline(rng: np.random.Generator, kind: int, center: tuple[float, float], radius: float
             ) -> list[tuple[float, float]]:
  """Corners of a thing as (x, y), nearly upright."""
  count, inner, upright = {
      DISC: (40, 1.0, 0.0),
      SQUARE: (4, 1.0, np.pi / 4),
      TRIANGLE: (3, 1.0, -np.pi / 2),
      STAR: (10, 0.42, -np.pi / 2),
  }[kind]
  turn = upright + rng.uniform(-MOST_TURNED, MOST_TURNED)
  radii = [radius * (inner if i % 2 and kind == STAR else 1.0) for i in range(count)]
  angles = turn + 2 * np.pi * np.arange(count) / count
  return [(center[0] + r * np.cos(a), center[1] + r * np.sin(a)) for r, a in zip(radii, angles)]


def _cover(size: tuple[int, int], outline: list[tuple[float, float]]) -> np.ndarray:
  """Share of each pixel inside an outline, float [height, width]."""
  height, width = size
  big = Image.new('L', (width * SUPERSAMPLING, height * SUPERSAMPLING))
  corners = [(x * SUPERSAMPLING, y * SUPERSAMPLING) for x, y in outline]
  ImageDraw.Draw(big).polygon(corners, fill=255)
  return np.asarray(big.resize((width, height), Image.Resampling.BOX)) / 255.0


def _wave(rng: np.random.Generator, size: tuple[int, int], level: float) -> np.ndarray:
  """The row of a wavy border in each column, float [width]; `level` is a share of the height."""
  height, width = size
  x = np.arange(width) / width
  return height * (level + 0.05 * np.sin(2 * np.pi * (x * rng.uniform(0.5, 2) + rng.random())))


def _ground(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, list[Region]]:
  """Sky above one or two kinds of ground, with wavy borders."""
  height, width = size
  rows = np.arange(height)[:, None]
  below_horizon = rows >= _wave(rng, size, rng.uniform(0.3, 0.6))[None]
  near = rows >= _wave(rng, size, rng.uniform(0.7, 0.85))[None]
  first, second = rng.permutation([GRASS, SAND]).tolist()
  masks = {SKY: ~below_horizon, first: below_horizon}
  if rng.random() < TWO_GROUNDS:
    masks = {SKY: ~below_horizon, first: below_horizon & ~near, second: below_horizon & near}
  image = np.zeros([height, width, 3])
  regions = []
  for kind, mask in masks.items():
    image[mask] = _texture(rng, kind, size)[mask]
    regions.append(Region(kind, False, mask))
  return image, regions


def _blend(image: np.ndarray, over: np.ndarray, cover: np.ndarray) -> np.ndarray:
  """Puts one image over another, [height, width, 3], where `cover` [height, width] says so."""
  return image * (1 - cover[..., None]) + over * cover[..., None]


def _paint(rng: np.random.Generator, image: np.ndarray, cover: np.ndarray, kind: int
           ) -> np.ndarray:
  """Paints a thing over the image, shaded across."""
  if rng.random() < ODD_COLORED:
    color = rng.uniform(0, 255, 3)
  else:
    color = np.array(USUAL_COLOR[kind]) + rng.normal(0, 20, 3)
  height, width = cover.shape
  x = np.arange(width)[None] / width
  y = np.arange(height)[:, None] / height
  shade = 1 + 0.25 * (x - 0.5) + 0.25 * (y - 0.5)
  painted = (color * shade[..., None]).clip(0, 255) + rng.normal(0, 4, [height, width, 1])
  return _blend(image, painted, cover)


class _Canvas:
  """An image while things are painted over its background.

  Attributes:
    image: float [height, width, 3] in 0 .. 255.
    layers: what was painted.
  """

  def __init__(self, rng: np.random.Generator, background: np.ndarray, longest: int):
    self._rng = rng
    self._longest = longest
    self._size = background.shape[:2]
    self.image = background
    self.layers: list[_Layer] = []

  def _position(self, radius: float) -> tuple[float, float]:
    """Returns a random center (x, y) of something of this radius."""
    height, width = self._size
    x = self._rng.uniform(0.6 * radius, width - 0.6 * radius)
    y = self._rng.uniform(0.6 * radius, height - 0.6 * radius)
    return x, y

  def _cover(self, kind: int, center: tuple[float, float], radius: float) -> np.ndarray:
    return _cover(self._size, _outline(self._rng, kind, center, radius))

  def add_crowd(self) -> None:
    """Paints six small things of one kind in a cluster."""
    kind = int(self._rng.integers(4))
    x, y = self._position(0.2 * self._longest)
    radius = 0.06 * self._longest
    step = 1.6 * radius
    spots = []
    for dx in (-1, 0, 1):
      for dy in (-0.5, 0.5):
        spots.append(self._cover(kind, (x + dx * step, y + dy * step), radius))
    for spot in spots:
      self.image = _paint(self._rng, self.image, spot, kind)
    self.layers.append(_Layer(kind, True, np.max(spots, axis=0)))

  def add_thing(self) -> None:
    """Paints one thing."""
    kind = int(self._rng.integers(4))
    radius = self._longest * self._rng.uniform(0.16, 0.28)
    cover = self._cover(kind, self._position(radius), radius)
    self.image = _paint(self._rng, self.image, cover, kind)
    self.layers.append(_Layer(kind, False, cover))

  def add_void(self) -> None:
    """Paints a disc of static."""
    radius = 0.12 * self._longest
    cover = self._cover(DISC, self._position(radius), radius)
    static = 0.5 * self.image + 0.5 * self._rng.uniform(0, 255, [*self._size, 1])
    self.image = _blend(self.image, static, cover)
    self.layers.append(_Layer(None, False, cover))


def draw(rng: np.random.Generator, size: int) -> tuple[np.ndarray, list[Region]]:
  """Draws one image.

  Args:
    rng: the source of everything random.
    size: longest side in pixels; the other is 3/4 of it or more.

  Returns:
    uint8 [height, width, 3] and the segments, each with a mask bool [height, width]; masks do not
    overlap, pixels in none are void.
  """
  short = int(size * rng.uniform(0.75, 1.0))
  is_wide = rng.random() < WIDE
  height, width = (short, size) if is_wide else (size, short)
  background, regions = _ground(rng, (height, width))
  canvas = _Canvas(rng, background, size)
  if rng.random() < CROWDED:
    canvas.add_crowd()
  for _ in range(rng.integers(2, 4)):
    canvas.add_thing()
  if rng.random() < WITH_VOID:
    canvas.add_void()
  smallest = (SMALLEST * size)**2
  visible = [r for r in _visible(regions, canvas.layers) if r.mask.sum() >= smallest]
  return canvas.image.clip(0, 255).astype(np.uint8), visible


def _visible(background: list[Region], layers: list[_Layer]) -> list[Region]:
  """Returns what is visible of each region and layer that has a class."""
  regions = list(background)
  for layer in layers:
    above = layer.cover >= 0.5
    regions = [dataclasses.replace(r, mask=r.mask & ~above) for r in regions]
    if layer.class_id is not None:
      regions.append(Region(layer.class_id, layer.is_crowd, above))
  return regions
