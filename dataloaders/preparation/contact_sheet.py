"""A sheet of annotated images: mistakes of annotations are found by eye."""

import io
import posixpath
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from PIL import ImageDraw

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import images
from tf_maskformer.dataloaders.preparation import manifest
from tf_maskformer.dataloaders.preparation.source import Source
from tf_maskformer.evaluation import captions
from tf_maskformer.evaluation import drawing

_TILES = 12
_COLUMNS = 4
_SIDE = 480  # pixels of a tile, its title without
_TITLE = 24  # pixels
_TEXT = 15  # pixels
_LONGEST = 52  # characters of a title


def write(source: Source, rows: list[dict[str, Any]], data_set: DataSet, path: str) -> int:
  """Draws images of a source, spread over it, with their segments; writes a PNG.

  Args:
    source: where the images are.
    rows: of the source.
    data_set: its classes.
    path: of the PNG.

  Returns:
    How many images are on it; 0: none can be used, and nothing is written.

  Raises:
    UserError: the PNG cannot be written.
  """
  tiles = []
  for row in _spread(rows):
    try:
      record = source.convert_image(row).record
    except images.UnusableImage:
      continue  # the conversion reports it
    tiles.append(_tile(record, data_set, posixpath.basename(row['file_name'])))
    if len(tiles) == _TILES:
      break
  if not tiles:
    return 0
  data = images.encode(_sheet(tiles), 'PNG')
  with files.writing(path, manifest.ADVICE):
    files.write_bytes(path, data)
  return len(tiles)


def _spread(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
  """Returns rows, those first that are spread evenly; some more, in place of unusable ones."""
  order = []
  for parts in (_TILES, 4 * _TILES):
    order += np.linspace(0, len(rows) - 1, min(parts, len(rows))).round().astype(int).tolist()
  return [rows[i] for i in dict.fromkeys(order)]


def _tile(record: bytes, data_set: DataSet, title: str) -> Image.Image:
  """Returns the image of a record with its segments, under its name."""
  features = tf.train.Example.FromString(record).features.feature
  image = _decoded(features['image/encoded'].bytes_list.value[0]).convert('RGB')
  maps = [np.asarray(_decoded(data)) for data in features['image/id_maps'].bytes_list.value]
  id_map = np.max(maps, axis=0).astype(np.int32)
  segments = [
      {'id': k + 1, 'category_id': class_id}
      for k, class_id in enumerate(features['segments/class'].int64_list.value)]
  image, id_map = _shrunk(image, id_map)
  drawn = Image.fromarray(
      drawing.draw_panoptic(np.asarray(image), id_map, segments, data_set.classes))
  drawn.thumbnail((_SIDE, _SIDE))
  tile = Image.new('RGB', (_SIDE, _SIDE + _TITLE), 'white')
  tile.paste(drawn, (0, _TITLE))
  title = errors.one_line(title)
  text = title if len(title) <= _LONGEST else f'...{title[-_LONGEST:]}'
  pen = ImageDraw.Draw(tile)
  pen.text((4, _TITLE // 2), text, fill='black', font=captions.font(_TEXT), anchor='lm')
  return tile


def _decoded(data: bytes) -> Image.Image:
  image = Image.open(io.BytesIO(data))
  image.load()
  return image


def _shrunk(image: Image.Image, id_map: np.ndarray) -> tuple[Image.Image, np.ndarray]:
  """Returns an image and its id map at the size of a tile, where they are larger."""
  scale = _SIDE / max(image.size)
  if scale >= 1:
    return image, id_map
  size = (max(round(scale * image.width), 1), max(round(scale * image.height), 1))
  small = Image.fromarray(id_map).resize(size, Image.Resampling.NEAREST)
  return image.resize(size, Image.Resampling.BILINEAR), np.asarray(small)


def _sheet(tiles: list[Image.Image]) -> np.ndarray:
  """Returns tiles in rows, uint8 [height, width, 3]."""
  columns = min(_COLUMNS, len(tiles))
  rows = -(-len(tiles) // columns)
  gap = 8
  width, height = tiles[0].size
  sheet = Image.new('RGB', (columns * (width + gap) + gap, rows * (height + gap) + gap), 'white')
  for i, tile in enumerate(tiles):
    row, column = divmod(i, columns)
    sheet.paste(tile, (gap + column * (width + gap), gap + row * (height + gap)))
  return np.asarray(sheet)
