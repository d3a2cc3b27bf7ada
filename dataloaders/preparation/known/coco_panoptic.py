"""COCO 2017, panoptic, as its owners publish it."""

from tf_maskformer.dataloaders.preparation import coco_panoptic
from tf_maskformer.dataloaders.preparation.coco_panoptic import CocoPanoptic
from tf_maskformer.dataloaders.preparation.known import download
from tf_maskformer.dataloaders.preparation.known.download import Part
from tf_maskformer.dataloaders.preparation.known.download import Wanted

_SITE = 'images.cocodataset.org'
_ARCHIVE = f'panoptic_annotations_trainval2017.zip of {_SITE}'


def sources(wanted: Wanted) -> dict[str, CocoPanoptic]:
  """Returns the source of each split.

  Args:
    wanted: the root holds train2017, val2017 and annotations.

  Raises:
    UserError: a part of the download is missing.
  """
  root = download.locate(wanted.root, 'annotations', ['coco'])
  for split in wanted.splits:
    pngs = f'annotations/panoptic_{split}2017'
    download.require(root, [
        Part(f'{split}2017', f'{split}2017.zip of {_SITE}'),
        Part(f'{pngs}.json', _ARCHIVE),
        Part(pngs, f'{pngs}.zip, an archive in {_ARCHIVE}')])
  found = coco_panoptic.coco_splits(root, wanted.data_set)
  return {split: found[split] for split in wanted.splits}
