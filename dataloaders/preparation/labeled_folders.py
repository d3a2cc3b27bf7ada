"""Layouts of two folders: images, and labels at the same relative paths."""

import dataclasses
import posixpath
from typing import Any

import tensorflow as tf

from tf_maskformer.dataloaders.preparation import source
from tf_maskformer.errors import UserError


@dataclasses.dataclass(frozen=True)
class LabeledFolders(source.Source):
  """One split; how a label is read is the subclass's.

  Attributes:
    images: folder of images, searched with all folders below it.
    labels: folder of labels at the same relative paths.
    data_set: see `catalog.get`.
    image_suffix: end of the images' names.
    label_suffix: what replaces it in the labels' names.
  """
  images: str
  labels: str
  data_set: str
  image_suffix: str = '.jpg'
  label_suffix: str = '.png'

  def rows(self) -> list[dict[str, Any]]:
    """Returns one dict per image, sorted.

    Returns:
      dicts of 'id' (relative path without the suffix), 'file_name' and 'label' (relative paths).

    Raises:
      UserError: a folder is missing or holds no such image, or a name is not UTF-8.
    """
    for folder in (self.images, self.labels):
      if not tf.io.gfile.isdir(folder):
        raise UserError(
            f'{folder} is not a directory; give the folder of the images and that of the labels')
    try:
      stems = sorted(self.stems())
    except UnicodeDecodeError as e:
      raise UserError(
          f'{self.images} holds a name that is not UTF-8 ({e.object!r}); rename it') from e
    if not stems:
      raise UserError(f'{self.images} holds no image that ends in {self.image_suffix}; '
                      'set --image_suffix')
    return [
        {'id': stem, 'file_name': stem + self.image_suffix, 'label': stem + self.label_suffix}
        for stem in stems]

  def stems(self) -> list[str]:
    """Returns the relative paths of all images, without the suffix."""
    stems = []
    for folder, _, names in tf.io.gfile.walk(self.images):
      below = folder[len(self.images):].strip('/')
      for name in names:
        if name.endswith(self.image_suffix):
          stems.append(posixpath.join(below, name.removesuffix(self.image_suffix)))
    return stems

  def image_path(self, row: dict[str, Any]) -> str:
    """Returns the path of a row's image."""
    return posixpath.join(self.images, row['file_name'])

  def label_path(self, row: dict[str, Any]) -> str:
    """Returns the path of a row's label."""
    return posixpath.join(self.labels, row['label'])

  def annotations_state(self) -> list[int]:
    """See `Source.annotations_state`."""
    return source.folder_state(self.labels)
