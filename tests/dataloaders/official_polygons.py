"""Targets as detectron2 and Mask2Former make them of polygons, written independently; records."""

import numpy as np
from PIL import Image
from pycocotools import mask as mask_tools

from tf_maskformer.dataloaders.preparation import coco_instances


def recovered(placement: np.ndarray, size: tuple[int, int]
              ) -> tuple[list[int], list[int], bool]:
  """Returns the random choices, in pixels: the resized height and width, the window's corner, and
  whether the image is mirrored before it is resized."""
  factor, shift = placement.T
  resized = np.abs(factor) * size
  is_mirrored = bool(factor[1] < 0)
  first = [-shift[0], (resized[1] if is_mirrored else 0) - shift[1]]
  for value in (*resized, *first):
    assert abs(value - round(value)) < 1e-6
  return [round(v) for v in resized], [round(v) for v in first], is_mirrored


def masks(annotations: list[dict], size: tuple[int, int], placement: np.ndarray,
          seen: tuple[int, int]) -> list[np.ndarray]:
  """Flips, scales and crops corners one step after the other and rasterizes the whole window.

  Args:
    annotations: polygons in 'segmentation'.
    size: (height, width) of the image.
    placement: float64 [2, 2], from which the random choices are read.
    seen: (height, width) of the augmented image.

  Returns:
    bool [height, width] each.
  """
  (new_height, new_width), (top, left), is_mirrored = recovered(placement, size)
  found = []
  for annotation in annotations:
    moved = []
    for polygon in annotation['segmentation']:
      x, y = np.array(polygon[0::2]), np.array(polygon[1::2])
      if is_mirrored:
        x = size[1] - x
      x = x * (new_width * 1.0 / size[1]) - left
      y = y * (new_height * 1.0 / size[0]) - top
      moved.append(np.stack([x, y], axis=1).ravel())
    found.append(mask_tools.decode(mask_tools.frPyObjects(moved, *seen)).any(axis=2))
  return found


def blob(rng: np.random.Generator, center: tuple[float, float], radius: float) -> list[float]:
  """Returns a polygon around a center, corners with two decimals as COCO's have."""
  angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 30)))
  radii = radius * rng.uniform(0.6, 1.4, len(angles))
  x = center[0] + radii * np.cos(angles)
  y = center[1] + radii * np.sin(angles)
  corners = np.stack([x, y], axis=1)
  return np.round(corners, 2).ravel().tolist()


def annotations(rng: np.random.Generator, size: tuple[int, int], radii: list[float]) -> list[dict]:
  """Returns an annotation of one or two polygons for each radius, at random places in the image."""
  rows = []
  for k, radius in enumerate(radii):
    center = rng.uniform(0, size[1]), rng.uniform(0, size[0])
    parts = [blob(rng, center, radius)]
    if rng.random() < 0.3:
      parts.append(blob(rng, (center[0] + 2 * radius, center[1]), radius))
    rows.append({'id': k + 1, 'category_id': 1 + k % 5, 'iscrowd': 0, 'area': radius**2,
                 'segmentation': parts})
  return rows


def record(folder, instances: list[dict], size: tuple[int, int]) -> bytes:
  """Writes a gray image to a folder, and returns its record with these instances."""
  Image.fromarray(np.full([*size, 3], 90, np.uint8)).save(folder / '1.png')
  source = coco_instances.CocoInstances(str(folder), '', 'coco_instance')
  row = {'id': 1, 'file_name': '1.png', 'height': size[0], 'width': size[1], 'instances': instances}
  converted = source.convert_image(row)
  assert 'without pixels' in converted.remark or not converted.remark
  return converted.record
