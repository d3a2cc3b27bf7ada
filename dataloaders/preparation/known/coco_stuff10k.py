"""COCO-Stuff-10k as its owners publish it: images, annotations/*.mat, imageLists/{train,test}.txt.

The array S of version 1.1 holds ids, 1 .. 182, 0 where unlabeled; that of 1.0, for which MaskFormer
was trained, the index of the class + 2, 1 where unlabeled. The 171 classes are the same. Source:
MaskFormer, datasets/prepare_coco_stuff_10k_v1.0_sem_seg.py; github.com/nightrome/cocostuff10k.
"""

import dataclasses
import posixpath
from typing import Any

import numpy as np

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation.image_files import ImageFile
from tf_maskformer.dataloaders.preparation.known import download
from tf_maskformer.dataloaders.preparation.known import mat_files
from tf_maskformer.dataloaders.preparation.known.download import Listed
from tf_maskformer.dataloaders.preparation.known.download import Part
from tf_maskformer.dataloaders.preparation.known.download import Wanted
from tf_maskformer.dataloaders.preparation.known.mat_files import LabelMap
from tf_maskformer.dataloaders.preparation.semantic import SemanticFolders

_LIST_OF = {'train': 'train', 'val': 'test'}
_ORIGIN = 'cocostuff-10k-v1.1.zip (or v1.0) of github.com/nightrome/cocostuff10k'
_NAMES_OF_1_0 = 172  # with 'unlabeled'; the list of 1.1 has 182 or 183


@dataclasses.dataclass(frozen=True)
class CocoStuff10k(Listed, SemanticFolders):
  """One split; the labels are `*.mat`."""

  def read(self, row: dict[str, Any]) -> tuple[ImageFile, np.ndarray]:
    """See `SemanticFolders.read`."""
    file = image_files.read(self.image_path(row))
    path = self.label_path(row)
    label = mat_files.read(path, file.size)
    class_of = _class_of_value(label, catalog.get(self.data_set))
    values, inverse = np.unique(label.values, return_inverse=True)
    unknown = [value for value in values.tolist() if value not in class_of]
    if unknown:
      raise UnusableImage(f'{path} has values that are neither class nor void: {unknown[:5]}')
    classes = np.array([class_of[value] for value in values.tolist()])
    return file, classes[inverse].reshape(label.values.shape)

  def require_plausible(self, rows: list[dict[str, Any]]) -> None:
    """See `SemanticFolders.require_plausible`: each file says which version's values it has."""
    del rows


def _class_of_value(label: LabelMap, data_set: DataSet) -> dict[int, int]:
  """Returns the class of each value in the version of a file, -1 where it is void."""
  if label.num_names is None:
    is_1_0 = label.is_hdf5
  else:
    is_1_0 = label.num_names == _NAMES_OF_1_0
  if is_1_0:
    return {1: -1, **{i + 2: i for i in range(data_set.num_classes)}}
  return {0: -1, **data_set.contiguous_ids}


def sources(wanted: Wanted) -> dict[str, CocoStuff10k]:
  """Returns the source of each split; 'val' is the published test split.

  Args:
    wanted: the root holds images, annotations and imageLists.

  Raises:
    UserError: a part of the download is missing.
  """
  below = ['dataset', 'cocostuff-10k-v1.1', 'coco_stuff_10k']
  root = download.locate(wanted.root, 'imageLists', below)
  found = {}
  for split in wanted.splits:
    list_file = f'imageLists/{_LIST_OF[split]}.txt'
    parts = ('images', 'annotations', list_file)
    download.require(root, [Part(path, _ORIGIN) for path in parts])
    found[split] = CocoStuff10k(
        images=posixpath.join(root, 'images'),
        labels=posixpath.join(root, 'annotations'),
        data_set=wanted.data_set,
        label_suffix='.mat',
        list_file=posixpath.join(root, list_file),
        label_origin=f'they come from {_ORIGIN}')
  return found
