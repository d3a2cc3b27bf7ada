"""A small data set in COCO's layout: images of the embedded set under COCO's categories.

As in COCO, the panoptic map has every pixel once while instances overlap: one thing is annotated
twice, as couch and as bed; most instances are polygons, some are run lengths, and crowds are
uncompressed run lengths. One image has no instance, another has a crowd.
"""

import json
import pathlib

import numpy as np
from PIL import Image
from pycocotools import mask as mask_tools

from tests import support
from tests.dataloaders import official_polygons
from tf_maskformer.dataloaders.preparation import drawn_shapes
from tf_maskformer.dataloaders.preparation.drawn_shapes import Region

SIZE = 160  # longest side in pixels
IMAGE_IDS = (11, 12, 13, 14, 15)
WITH_DOUBLE = 12  # the image in which one thing is annotated twice
WITH_CROWD = 13
WITHOUT_INSTANCES = 15
COUCH, BED = 63, 65
# COCO's category of each drawn class, and whether it is a thing.
CATEGORIES = {
    drawn_shapes.DISC: (1, 1),
    drawn_shapes.SQUARE: (62, 1),
    drawn_shapes.TRIANGLE: (20, 1),
    drawn_shapes.STAR: (44, 1),
    drawn_shapes.SKY: (187, 0),
    drawn_shapes.GRASS: (193, 0),
    drawn_shapes.SAND: (154, 0),
}
THINGS = (*(category for category, isthing in CATEGORIES.values() if isthing), COUCH, BED)


def folder(kind: str, path: pathlib.Path) -> pathlib.Path:
  """Returns a data set in COCO's layout: 'drawn' by `write` at `path`, or 'real' images of COCO."""
  return write(path) if kind == 'drawn' else support.shared('data/coco_panoptic_mini')


def write(root: pathlib.Path) -> pathlib.Path:
  """Writes train2017 and val2017, the same images, and annotations; train has no instances JSON.

  Args:
    root: the folder; made if needed.

  Returns:
    `root`.
  """
  annotations, images = root / 'annotations', root / 'val2017'
  pngs = annotations / 'panoptic_val2017'
  for folder in (images, pngs):
    folder.mkdir(parents=True)
  rows, panoptic, instances = [], [], []
  for image_id in IMAGE_IDS:
    image, regions = drawn_shapes.draw(np.random.default_rng([6, image_id]), SIZE)
    name = f'{image_id:012d}'
    Image.fromarray(image).save(images / f'{name}.jpg', quality=92)
    id_map, segments = _panoptic(image_id, regions)
    Image.fromarray(id_map).save(pngs / f'{name}.png')
    height, width = image.shape[:2]
    rows.append({'id': image_id, 'file_name': f'{name}.jpg', 'height': height, 'width': width})
    panoptic.append({'image_id': image_id, 'file_name': f'{name}.png', 'segments_info': segments})
    instances += _instances(image_id, regions, (height, width))
  things = [{'id': category} for category in THINGS]
  classes = [{'id': category, 'isthing': isthing} for category, isthing in CATEGORIES.values()]
  (annotations / 'panoptic_val2017.json').write_text(
      json.dumps({'images': rows, 'annotations': panoptic, 'categories': classes}))
  (annotations / 'instances_val2017.json').write_text(
      json.dumps({'images': rows, 'annotations': instances, 'categories': things}))
  for name in ('{}2017', 'annotations/panoptic_{}2017', 'annotations/panoptic_{}2017.json'):
    (root / name.format('train')).symlink_to(root / name.format('val'))
  return root


def _is_crowd(image_id: int, region: Region) -> bool:
  return region.is_crowd or (image_id == WITH_CROWD and region.class_id == drawn_shapes.DISC)


def _panoptic(image_id: int, regions: list[Region]) -> tuple[np.ndarray, list[dict]]:
  """Returns a panoptic PNG's pixels, uint8 [height, width, 3], and its segments."""
  id_map = np.zeros([*regions[0].mask.shape, 3], np.uint8)
  segments = []
  for k, region in enumerate(regions):
    red, green, blue = 40 * k + 1, 3, k
    id_map[region.mask] = red, green, blue
    segments.append({
        'id': red + 256 * green + 65536 * blue, 'category_id': CATEGORIES[region.class_id][0],
        'iscrowd': int(_is_crowd(image_id, region)), 'area': int(region.mask.sum()),
        'bbox': _box(region.mask)})
  return id_map, segments


def _box(mask: np.ndarray) -> list[int]:
  """Returns [left, top, width, height]."""
  rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
  top, left = int(rows[0]), int(columns[0])
  return [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1]


def _instances(image_id: int, regions: list[Region], size: tuple[int, int]) -> list[dict]:
  """Returns an image's annotations: run lengths of the drawn things, and polygons over them."""
  if image_id == WITHOUT_INSTANCES:
    return []
  found = []
  for region in regions:
    category, isthing = CATEGORIES[region.class_id]
    if isthing:
      crowd = _is_crowd(image_id, region)
      found.append({
          'category_id': category, 'iscrowd': int(crowd), 'area': int(region.mask.sum()),
          'segmentation': _run_lengths(region.mask, compressed=not crowd)})
  rng = np.random.default_rng([4, image_id])
  for row in official_polygons.annotations(rng, size, [40, 25, 18, 12, 6]):
    category = int(rng.choice(THINGS))
    found.append({'category_id': category, 'iscrowd': 0, 'area': row['area'] + 0.4,
                  'segmentation': row['segmentation']})
  if image_id == WITH_DOUBLE:
    middle = official_polygons.blob(rng, (size[1] / 2, size[0] / 2), 40)
    found += [{'category_id': category, 'iscrowd': 0, 'area': 3000.5, 'segmentation': [middle]}
              for category in (COUCH, BED)]
  return [{'id': 100 * image_id + k, 'image_id': image_id, **row} for k, row in enumerate(found)]


def _run_lengths(mask: np.ndarray, compressed: bool) -> dict:
  """Returns a mask as COCO's run lengths: a string, or a list of counts, zeros first."""
  if compressed:
    runs = mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {'size': list(mask.shape), 'counts': runs['counts'].decode()}
  pixels = mask.ravel(order='F')
  changes = np.flatnonzero(np.diff(pixels)) + 1
  counts = np.diff([0, *changes, pixels.size]).tolist()
  return {'size': list(mask.shape), 'counts': [0, *counts] if pixels[0] else counts}
