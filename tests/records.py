"""Records of the embedded data set for tests that train."""

import pathlib

from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation import shapes
from tf_maskformer.dataloaders.preparation import shards


def shapes_records(make_folder, train: int, validation: int) -> pathlib.Path:
  """Draws images of 64x64 and converts them; returns the folder of the records.

  Args:
    make_folder: pytest's `tmp_path_factory.mktemp`.
    train: images to train on.
    validation: images to score.
  """
  root, output = make_folder('drawn'), make_folder('records')
  shapes.write(str(root), shapes.Options(train=train, validation=validation, size=64))
  for split, source in coco_panoptic.coco_splits(str(root), 'shapes_panoptic').items():
    shards.convert(source, str(output), split, 2, 1)
  return output
