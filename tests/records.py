"""Records of the embedded data set for tests that train."""

import pathlib

from dataloaders import shapes
from dataloaders.converters import coco_panoptic
from dataloaders.converters import shards


def shapes_records(make_folder, train: int, validation: int) -> pathlib.Path:
  """Draws pictures of 64x64 and converts them; returns the folder of the records.

  Args:
    make_folder: pytest's `tmp_path_factory.mktemp`.
    train: pictures to train on.
    validation: pictures to score.
  """
  root, output = make_folder('drawn'), make_folder('records')
  shapes.write(str(root), shapes.Options(train=train, validation=validation, size=64))
  for split, source in coco_panoptic.coco_splits(str(root), 'shapes_panoptic').items():
    shards.convert(source, str(output), split, 2, 1)
  return output
