"""Semantic layout: a folder of images and one of label images, whose pixels are classes."""

import dataclasses
from typing import Any

import numpy as np

from tf_maskformer.configs.datasets import catalog
from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation import label_check
from tf_maskformer.dataloaders.preparation.image_files import ImageFile
from tf_maskformer.dataloaders.preparation.labeled_folders import LabeledFolders
from tf_maskformer.dataloaders.preparation.source import Converted
from tf_maskformer.dataloaders.preparation.source import converted


@dataclasses.dataclass(frozen=True)
class SemanticFolders(LabeledFolders):
  """One split; the `label_rule` of the data set says what the pixels of a label mean."""

  def rows(self) -> list[dict[str, Any]]:
    """See `LabeledFolders.rows`.

    Raises:
      UserError: as there; or the labels are not read as they were written, see
        `label_check.require_plausible`.
    """
    rows = super().rows()
    self.require_plausible(rows)
    return rows

  def require_plausible(self, rows: list[dict[str, Any]]) -> None:
    """Raises UserError where the labels follow another rule than the data set's."""
    label_check.require_plausible([self.label_path(row) for row in rows], self.data_set)

  def read(self, row: dict[str, Any]) -> tuple[ImageFile, np.ndarray]:
    """Returns an image and the classes of its pixels, integers [height, width], -1 where void.

    Raises:
      UnusableImage: one of them cannot be used.
    """
    file = image_files.read(self.image_path(row))
    form = catalog.get(self.data_set).label_form
    label = label_images.read(self.label_path(row), file.size, form)
    return file, label_images.classes_of(label, self.data_set, row['label'])

  def convert_image(self, row: dict[str, Any]) -> Converted:
    """See `Source.convert_image`. Each class that an image has is one segment."""
    file, classes = self.read(row)
    return of_classes(file, row, classes)


def of_classes(file: ImageFile, row: dict[str, Any], classes: np.ndarray) -> Converted:
  """Returns the record of an image; each class that it has is one segment.

  Args:
    file: the image.
    row: its 'id' and 'file_name'.
    classes: of its pixels, integers [height, width], -1 where void.
  """
  present = np.unique(classes[classes >= 0])
  id_map = np.where(classes >= 0, np.searchsorted(present, classes) + 1, 0)
  areas = np.bincount(id_map.ravel(), minlength=len(present) + 1)[1:]
  segments = [
      schema.Segment(class_id=int(class_id), is_crowd=False, plane=0, area=int(area), id=k + 1)
      for k, (class_id, area) in enumerate(zip(present, areas))]
  remarks = [] if segments else ['nothing but void']
  return converted(file, row, [id_map], segments, remarks)
