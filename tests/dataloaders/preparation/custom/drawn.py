"""Two drawn images, whose objects' pixels are known, and what a conversion makes of them."""

import json
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.scripts import prepare_custom

SIZE = (40, 80)  # height and width in pixels
CLASSES = {'cat': 4, 'dog': 9}
CORNERS = {'cat': (10, 5, 30, 25), 'dog': (40, 10, 72, 30)}  # left, top, right, bottom


def mask(name: str) -> np.ndarray:
  """Returns the pixels of an object, bool [height, width]."""
  left, top, right, bottom = CORNERS[name]
  pixels = np.zeros(SIZE, bool)
  pixels[top:bottom, left:right] = True
  return pixels


def polygon(name: str) -> list[float]:
  """Returns x1, y1, x2, y2, ... of an object."""
  left, top, right, bottom = CORNERS[name]
  return [left, top, right, top, right, bottom, left, bottom]


def image(path: pathlib.Path, value: int = 90) -> None:
  """Writes an image of one gray."""
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.full([*SIZE, 3], value, np.uint8)).save(path)


def coco_json(path: pathlib.Path, names: Sequence[str], classes: Mapping[str, int] = CLASSES,
              scale: int = 1) -> str:
  """Writes a JSON in COCO's form with a dog in every image; returns its path.

  Args:
    path: of the JSON.
    names: of the images, whose ids are their places in the list.
    classes: ids by name.
    scale: of sizes and corners.
  """
  height, width = (scale * side for side in SIZE)
  outline = [scale * value for value in polygon('dog')]
  left, top, right, bottom = (scale * corner for corner in CORNERS['dog'])
  box = [left, top, right - left, bottom - top]
  area = scale**2 * mask('dog').sum().item()
  content = {
      'images': [{'id': k, 'file_name': name, 'height': height, 'width': width}
                 for k, name in enumerate(names)],
      'annotations': [
          {'id': k + 1, 'image_id': k, 'category_id': classes['dog'], 'iscrowd': 0,
           'area': area, 'bbox': box, 'segmentation': [outline]}
          for k, _ in enumerate(names)],
      'categories': [{'id': i, 'name': name} for name, i in classes.items()]}
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(content), encoding='utf-8')
  return str(path)


def prepare(output: pathlib.Path, *flags: str) -> str:
  """Runs the command and returns the path of the description next to the records."""
  prepare_custom.main([*flags, f'--output={output}', '--workers=1', '--shards=1'])
  return f'{output}/data_set.yaml'


def objects(output: pathlib.Path, split: str) -> dict[str, list[tuple[str, np.ndarray]]]:
  """Returns the name of the class and the pixels of each instance, by the id of the image."""
  path = f'{output}/data_set.yaml'
  names = [c.name for c in catalog.get(path).classes]
  truth = ground_truth.GroundTruth(f'{output}/{split}-*.tfrecord', path)
  return {
      truth.source_id(e): [(names[i['category_id']], i['mask']) for i in truth.instances(e)]
      for e in truth.example_ids}


def require_drawn(found: list[tuple[str, np.ndarray]], *names: str) -> None:
  """Asserts that instances are these objects, every pixel, in any order."""
  found = sorted(found, key=lambda one: one[0])
  assert [name for name, _ in found] == sorted(names)
  for name, pixels in found:
    np.testing.assert_array_equal(pixels, mask(name))
