"""A folder of images and one of label images, whose values or colors are classes."""

import dataclasses
import posixpath
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation import semantic
from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.dataloaders.preparation.custom import label_meaning
from tf_maskformer.dataloaders.preparation.custom import label_scan
from tf_maskformer.dataloaders.preparation.custom import pairs
from tf_maskformer.dataloaders.preparation.custom.found import WHOLE
from tf_maskformer.dataloaders.preparation.custom.found import Found
from tf_maskformer.dataloaders.preparation.custom.found import Request
from tf_maskformer.dataloaders.preparation.custom.pairs import Pairs
from tf_maskformer.errors import UserError

PREFERRED = 'labelids'  # of Cityscapes' labels, those that are semantic


@dataclasses.dataclass(frozen=True)
class LabeledPairs(source.Source):
  """Images with the label images that their names go with; of them one split.

  Attributes:
    images: folder.
    labels: folder.
    data_set: see `catalog.get`.
    label_suffix: see `pairs.find`.
    preferred: see `pairs.find`.
    split: 'train', 'val' or 'test', which a folder on the way to an image is named after; '': all.
  """
  images: str
  labels: str
  data_set: str
  label_suffix: str = ''
  preferred: str = ''
  split: str = WHOLE

  def rows(self) -> list[dict[str, Any]]:
    """Returns dicts of 'id', 'file_name' and 'label'; see `pairs.find`."""
    found = pairs.find(self.images, self.labels, self.label_suffix, self.preferred).pairs
    return [
        {'id': pair.id, 'file_name': pair.image, 'label': pair.label} for pair in found
        if not self.split or pairs.split_of(pair.image) == self.split]

  def image_path(self, row: dict[str, Any]) -> str:
    """Returns the path of a row's image."""
    return posixpath.join(self.images, row['file_name'])

  def label_path(self, row: dict[str, Any]) -> str:
    """Returns the path of a row's label."""
    return posixpath.join(self.labels, row['label'])

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return source.folder_state(self.labels)


@dataclasses.dataclass(frozen=True)
class SemanticPairs(LabeledPairs):
  """One split of semantic labels."""

  def convert_image(self, row: dict[str, Any]) -> source.Converted:
    """See `Source.convert_image`."""
    file = image_files.read(self.image_path(row))
    form = catalog.get(self.data_set).label_form
    label = label_images.read(self.label_path(row), file.size, form)
    classes = label_images.classes_of(label, self.data_set, row['label'])
    return semantic.of_classes(file, row, classes)


def recognize(request: Request) -> Found | None:
  """Returns what a folder of label images holds; None where there is none.

  Raises:
    UserError: images and labels do not go together, or it is not clear what a value means.
  """
  request = with_images(request)
  if request.task not in ('', 'semantic') or not holds_labels(request):
    return None
  preferred = PREFERRED if request.task else ''
  found = pairs.find(request.images, request.annotations, request.label_suffix, preferred)
  names = [pair.label for pair in found.pairs]
  scan = label_scan.scan(
      request.annotations, names, request.label_form, workers=request.workers)
  meaning = label_meaning.of(scan, request)
  data_set = DataSet(
      'labels', meaning.classes, label_form=scan.form, void_labels=meaning.void)
  said = (*found.said(), *meaning.said)
  return Found(
      f'label images ({scan.form})', 'semantic', data_set,
      splits_of(found, request, SemanticPairs, preferred), said)


def with_images(request: Request) -> Request:
  """Returns a request whose images are in the folder of the labels where it names no other."""
  return dataclasses.replace(request, images=request.images or request.annotations)


def holds_labels(request: Request) -> bool:
  """Whether a request names a folder of images and one that may hold label images.

  Raises:
    UserError: the images are not a folder.
  """
  if not tf.io.gfile.isdir(request.annotations) or not pairs.holds_images(request.annotations):
    return False
  if not tf.io.gfile.isdir(request.images):
    raise UserError(f'--images {request.images} is not a directory; give the folder of the images')
  return True


def splits_of(found: Pairs, request: Request, make: Callable[..., LabeledPairs],
              preferred: str = '') -> dict[str, Callable[[str], source.Source]]:
  """Returns what makes the source of each split: those that folders are named after, or one lot.

  Args:
    found: the pairs.
    request: see `recognize`.
    make: the source.
    preferred: see `pairs.find`.
  """
  names = {pairs.split_of(pair.image) for pair in found.pairs}
  if '' in names or len(names) < 2:
    names = {WHOLE}

  def source_of(split: str) -> Callable[[str], source.Source]:
    return lambda data_set: make(
        request.images, request.annotations, data_set, request.label_suffix, preferred, split)

  return {name: source_of(name) for name in sorted(names)}
