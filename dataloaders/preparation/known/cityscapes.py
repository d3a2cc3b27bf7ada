"""Cityscapes as its owners publish it: panoptic, which semantic experiments read too, instances."""

from tf_maskformer.dataloaders.preparation import cityscapes
from tf_maskformer.dataloaders.preparation.known import download
from tf_maskformer.dataloaders.preparation.known.download import Part
from tf_maskformer.dataloaders.preparation.known.download import Wanted
from tf_maskformer.dataloaders.preparation.labeled_folders import LabeledFolders

_SITE = 'www.cityscapes-dataset.com'


def sources(wanted: Wanted) -> dict[str, LabeledFolders]:
  """Returns the source of each split.

  Args:
    wanted: the root holds leftImg8bit and gtFine.

  Raises:
    UserError: a part of the download is missing.
  """
  root = download.locate(wanted.root, 'gtFine', ['cityscapes'])
  for split in wanted.splits:
    download.require(root, [
        Part(f'leftImg8bit/{split}', f'leftImg8bit_trainvaltest.zip of {_SITE}'),
        Part(f'gtFine/{split}', f'gtFine_trainvaltest.zip of {_SITE}')])
  found = cityscapes.splits(root, wanted.data_set, wanted.targets)
  return {split: found[split] for split in wanted.splits}
