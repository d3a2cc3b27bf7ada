"""The embedded data set: drawn images with things and stuff, in COCO's panoptic layout.

Every image has a background of sky over ground (grass, sand, or both), textured, with a wavy horizon, and a few
overlapping things (disc, square, triangle, star). As in life a class has its usual color, but not always: one thing
in ten has any, and only its shape tells what it is.
Some images hold a crowd segment (a cluster of small things) or a void region, as COCO's do.
"""

import dataclasses
import json
import pathlib

import numpy as np
from PIL import Image
from PIL import ImageDraw

from tf_maskformer.configs.datasets import catalog

SUPERSAMPLING = 4
DISC, SQUARE, TRIANGLE, STAR, SKY, GRASS, SAND = range(7)
MOST_TURNED = np.pi / 9  # radians
ODD_COLORED = 0.1  # share of things with any color
USUAL_COLOR = {DISC: (200, 55, 50), SQUARE: (130, 60, 180), TRIANGLE: (240, 135, 30), STAR: (250, 240, 120)}


@dataclasses.dataclass(frozen=True)
class Options:
  """What to draw: numbers of images, their size in pixels, and the seed."""
  train: int = 2000
  validation: int = 200
  size: int = 128
  seed: int = 0


@dataclasses.dataclass(frozen=True)
class Region:
  """A drawn segment: its class, whether a crowd, and its pixels."""
  class_id: int
  is_crowd: bool
  mask: np.ndarray


def _noise(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
  """Smooth noise in [0, 1], [height, width]."""
  coarse = Image.fromarray(rng.random([cells, cells]).astype(np.float32))
  return np.asarray(coarse.resize((size[1], size[0]), Image.Resampling.BICUBIC)).clip(0, 1)


def _texture(rng: np.random.Generator, kind: int, size: tuple[int, int]) -> np.ndarray:
  """A stuff class' look, float [height, width, 3] in 0..255."""
  height, width = size
  cloud, grain = _noise(rng, size, 4)[..., None], rng.normal(size=[height, width, 1])
  if kind == SKY:
    base = np.array([110, 170, 235]) + rng.normal(0, 12, 3)
    return base + 90 * np.maximum(cloud - 0.5, 0) + 2 * grain
  if kind == GRASS:
    blades = np.repeat(rng.normal(size=[height, width // 2 + 1, 1]), 2, axis=1)[:, :width]
    return np.array([75, 145, 60]) + rng.normal(0, 10, 3) + 40 * (cloud - 0.5) + 14 * blades
  return np.array([215, 190, 135]) + rng.normal(0, 10, 3) + 30 * (cloud - 0.5) + 9 * grain


def _outline(rng: np.random.Generator, kind: int, center: tuple[float, float], radius: float
             ) -> list[tuple[float, float]]:
  """Corners of a thing as (x, y), nearly upright."""
  count, inner, upright = {
      DISC: (40, 1.0, 0.0), SQUARE: (4, 1.0, np.pi / 4), TRIANGLE: (3, 1.0, -np.pi / 2),
      STAR: (10, 0.42, -np.pi / 2)}[kind]
  turn = upright + rng.uniform(-MOST_TURNED, MOST_TURNED)
  radii = [radius * (inner if i % 2 and kind == STAR else 1.0) for i in range(count)]
  angles = turn + 2 * np.pi * np.arange(count) / count
  return [(center[0] + r * np.cos(a), center[1] + r * np.sin(a)) for r, a in zip(radii, angles)]


def _cover(size: tuple[int, int], outline: list[tuple[float, float]]) -> np.ndarray:
  """Share of each pixel inside an outline, float [height, width]."""
  big = Image.new('L', (size[1] * SUPERSAMPLING, size[0] * SUPERSAMPLING))
  ImageDraw.Draw(big).polygon([(x * SUPERSAMPLING, y * SUPERSAMPLING) for x, y in outline], fill=255)
  return np.asarray(big.resize((size[1], size[0]), Image.Resampling.BOX)) / 255.0


def _ground(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, list[Region]]:
  """Sky above one or two kinds of ground, with wavy borders."""
  height, width = size
  x = np.arange(width) / width
  wave = lambda level: height * (level + 0.05 * np.sin(2 * np.pi * (x * rng.uniform(0.5, 2) + rng.random())))
  rows = np.arange(height)[:, None]
  below_horizon = rows >= wave(rng.uniform(0.3, 0.6))[None]
  near = rows >= wave(rng.uniform(0.7, 0.85))[None]
  first, second = rng.permutation([GRASS, SAND])
  masks = {SKY: ~below_horizon, int(first): below_horizon}
  if rng.random() < 0.5:
    masks = {SKY: ~below_horizon, int(first): below_horizon & ~near, int(second): below_horizon & near}
  image = np.zeros([height, width, 3])
  regions = []
  for kind, mask in masks.items():
    image[mask] = _texture(rng, kind, size)[mask]
    regions.append(Region(kind, False, mask))
  return image, regions


def _paint(rng, image, cover, kind):
  """Paints a thing over the image, shaded across."""
  if rng.random() < ODD_COLORED:
    color = rng.uniform(0, 255, 3)
  else:
    color = np.array(USUAL_COLOR[kind]) + rng.normal(0, 20, 3)
  height, width = cover.shape
  shade = 1 + 0.25 * (np.arange(width)[None] / width - 0.5) + 0.25 * (np.arange(height)[:, None] / height - 0.5)
  painted = (color * shade[..., None]).clip(0, 255) + rng.normal(0, 4, [height, width, 1])
  return image * (1 - cover[..., None]) + painted * cover[..., None]


def draw(rng: np.random.Generator, size: int) -> tuple[np.ndarray, list[Region]]:
  """Draws one image.

  Args:
    rng: the source of everything random.
    size: longest side in pixels; the other is 3/4 of it or more.

  Returns:
    uint8 [height, width, 3] and the segments, each with a mask bool [height, width]; masks do not overlap, pixels
    in none are void.
  """
  short = int(size * rng.uniform(0.75, 1.0))
  height, width = (short, size) if rng.random() < 0.7 else (size, short)
  image, regions = _ground(rng, (height, width))
  def place(radius):
    return rng.uniform(0.6 * radius, width - 0.6 * radius), rng.uniform(0.6 * radius, height - 0.6 * radius)
  layers = []  # (class or None for void, is crowd, cover)
  if rng.random() < 0.08:
    kind, (cx, cy), radius = int(rng.integers(4)), place(0.2 * size), 0.06 * size
    spots = [_cover((height, width), _outline(rng, kind, (cx + dx * radius * 1.6, cy + dy * radius * 1.6), radius))
             for dx in (-1, 0, 1) for dy in (-0.5, 0.5)]
    for spot in spots:
      image = _paint(rng, image, spot, kind)
    layers.append((kind, True, np.max(spots, axis=0)))
  for _ in range(rng.integers(2, 4)):
    kind, radius = int(rng.integers(4)), size * rng.uniform(0.16, 0.28)
    cover = _cover((height, width), _outline(rng, kind, place(radius), radius))
    image = _paint(rng, image, cover, kind)
    layers.append((kind, False, cover))
  if rng.random() < 0.15:
    radius = 0.12 * size
    cover = _cover((height, width), _outline(rng, DISC, place(radius), radius))
    static = 0.5 * image + 0.5 * rng.uniform(0, 255, [height, width, 1])
    image = image * (1 - cover[..., None]) + static * cover[..., None]
    layers.append((None, False, cover))
  masks = [r.mask for r in regions]
  kinds = [(r.class_id, r.is_crowd) for r in regions]
  for kind, is_crowd, cover in layers:
    above = cover >= 0.5
    masks = [m & ~above for m in masks] + [above]
    kinds.append((kind, is_crowd))
  smallest = (0.03 * size)**2  # what is left of a covered thing must still be something to see
  segments = [Region(kind, crowd, mask) for (kind, crowd), mask in zip(kinds, masks)
              if kind is not None and mask.sum() >= smallest]
  return image.clip(0, 255).astype(np.uint8), segments


def _save_whole(path: pathlib.Path, save) -> None:
  """Calls save(temporary path), then renames: the file is there whole or not at all."""
  temporary = path.with_name('.part-' + path.name)
  save(temporary)
  temporary.replace(path)


def _write_split(root: pathlib.Path, split: str, count: int, first_id: int, options: Options) -> None:
  """Writes the images, the PNGs and, last, the JSON of one split."""
  classes = catalog.get('shapes_panoptic').classes
  folder_of_images, pngs = root / split, root / 'annotations' / f'panoptic_{split}'
  for folder in (folder_of_images, pngs):
    folder.mkdir(parents=True, exist_ok=True)
  images, annotations = [], []
  for image_id in range(first_id, first_id + count):
    rng = np.random.default_rng([options.seed, image_id])
    image, regions = draw(rng, options.size)
    ids = rng.choice(256**3 - 1, len(regions), replace=False) + 1
    id_map = np.zeros(image.shape[:2], np.int64)
    segments = []
    for region, segment_id in zip(regions, ids):
      id_map[region.mask] = segment_id
      rows, columns = np.flatnonzero(region.mask.any(1)), np.flatnonzero(region.mask.any(0))
      segments.append({
          'id': int(segment_id), 'category_id': classes[region.class_id].id, 'iscrowd': int(region.is_crowd),
          'area': int(region.mask.sum()),
          'bbox': [int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)]})
    name = f'{image_id:012d}'
    rgb = np.stack([id_map % 256, id_map // 256 % 256, id_map // 65536], axis=-1).astype(np.uint8)
    _save_whole(folder_of_images / f'{name}.jpg',
                lambda p, image=image: Image.fromarray(image).save(p, 'JPEG', quality=92))
    _save_whole(pngs / f'{name}.png', lambda p, rgb=rgb: Image.fromarray(rgb).save(p, 'PNG'))
    height, width = image.shape[:2]
    images.append({'id': image_id, 'file_name': f'{name}.jpg', 'height': height, 'width': width})
    annotations.append({'image_id': image_id, 'file_name': f'{name}.png', 'segments_info': segments})
  content = {
      'info': {'description': 'drawn shapes', 'options': dataclasses.asdict(options)},
      'images': images, 'annotations': annotations,
      'categories': [{'id': c.id, 'name': c.name, 'supercategory': 'shape' if c.isthing else 'ground',
                      'isthing': int(c.isthing), 'color': list(c.color)} for c in classes]}
  _save_whole(root / 'annotations' / f'panoptic_{split}.json', lambda p: p.write_text(json.dumps(content)))


def write(root: str, options: Options = Options()) -> bool:
  """Writes the data set below `root` in COCO's layout (train2017, val2017, annotations).

  Args:
    root: the folder.
    options: what to draw.

  Returns:
    Whether anything was drawn; False where the same data set is there already.
  """
  folder = pathlib.Path(root)
  drawn = False
  for split, count, first_id in (('train2017', options.train, 1), ('val2017', options.validation, 10**6)):
    target = folder / 'annotations' / f'panoptic_{split}.json'
    if target.exists() and json.loads(target.read_text())['info'].get('options') == dataclasses.asdict(options):
      continue
    _write_split(folder, split, count, first_id, options)
    drawn = True
  return drawn
