"""COCO 2017, instances, as its owners publish it."""

from tf_maskformer.dataloaders.preparation import coco_instances
from tf_maskformer.dataloaders.preparation.coco_instances import CocoInstances
from tf_maskformer.dataloaders.preparation.known import download
from tf_maskformer.dataloaders.preparation.known.download import Part
from tf_maskformer.dataloaders.preparation.known.download import Wanted

_SITE = 'images.cocodataset.org'


def sources(wanted: Wanted) -> dict[str, CocoInstances]:
  """Returns the source of each split.

  Args:
    wanted: the root holds train2017, val2017 and annotations.

  Raises:
    UserError: a part of the download is missing.
  """
  root = download.locate(wanted.root, 'annotations', ['coco'])
  for split in wanted.splits:
    json = f'annotations/instances_{split}2017.json'
    download.require(root, [
        Part(f'{split}2017', f'{split}2017.zip of {_SITE}'),
        Part(json, f'annotations_trainval2017.zip of {_SITE}')])
  found = coco_instances.coco_splits(root, wanted.data_set)
  return {split: found[split] for split in wanted.splits}
