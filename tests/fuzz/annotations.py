"""Fuzz targets: the readers of annotations, up to the record of every image."""

import contextlib
import functools
import pathlib
import tempfile
from collections.abc import Callable

from tests.dataloaders import small_coco
from tests.faults import annotations as data_sets
from tests.fuzz import harness
from tf_maskformer import json_text
from tf_maskformer.dataloaders import annotations
from tf_maskformer.dataloaders import coco_categories
from tf_maskformer.dataloaders import coco_json
from tf_maskformer.dataloaders import instance_masks
from tf_maskformer.dataloaders import run_lengths
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import cityscapes_polygons
from tf_maskformer.dataloaders.preparation import coco_images
from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import image_index

_SIZE = (24, 31)  # of the masks that run lengths are read for
_MODULES = (
    annotations, coco_categories, coco_images, coco_instances, coco_json, coco_panoptic,
    cityscapes_polygons, image_index, instance_masks, json_text, run_lengths)
_FILES = {
    'panoptic': 'annotations/panoptic_val2017.json',
    'instances': 'annotations/instances_val2017.json',
    'polygons': 'gtFine/train/x/b_gtFine_polygons.json'}


@functools.cache
def _folder(kind: str) -> pathlib.Path:
  """Returns a data set of a few small images, made once; its annotations are replaced."""
  root = pathlib.Path(tempfile.mkdtemp(prefix='fuzz-'))
  if kind == 'polygons':
    return data_sets.write_folders(root, kind)
  small_coco.SIZE = 48
  return small_coco.write(root / 'coco')


def _convert(kind: str, data: bytes) -> None:
  """Converts the images of a data set whose annotations have these bytes."""
  root = _folder(kind)
  (root / _FILES[kind]).write_bytes(data)
  source = data_sets.source_of(kind, root)
  for row in source.rows():
    with contextlib.suppress(UnusableImage):
      source.convert_image(row)


def _seeds(kind: str) -> Callable[[], list[bytes]]:
  def read() -> list[bytes]:
    return [(_folder(kind) / _FILES[kind]).read_bytes()]
  return read


def _run_lengths(data: bytes) -> None:
  with contextlib.suppress(ValueError):
    mask = run_lengths.decode(data, _SIZE)
    assert mask.shape == _SIZE


TARGETS = {
    kind: harness.Target(functools.partial(_convert, kind), _seeds(kind), _MODULES)
    for kind in _FILES}
TARGETS['run lengths'] = harness.Target(
    _run_lengths, lambda: [b'b04L3O1', b'0f2', b'71'], _MODULES)

if __name__ == '__main__':
  harness.run(TARGETS)
