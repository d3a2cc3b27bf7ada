"""Semantic layout: a folder of images and one of label images, whose pixels are classes."""

import dataclasses
from typing import Any

import numpy as np

from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.preparation import image_files
from tf_maskformer.dataloaders.preparation.labeled_folders import LabeledFolders
from tf_maskformer.dataloaders.preparation.source import Converted
from tf_maskformer.dataloaders.preparation.source import converted


@dataclasses.dataclass(frozen=True)
class SemanticFolders(LabeledFolders):
  """One split; the `label_rule` of the data set says what the pixels of a label mean."""

  def convert_image(self, row: dict[str, Any]) -> Converted:
    """See `Source.convert_image`. Each class that an image has is one segment."""
    file = image_files.read(self.image_path(row))
    label = label_images.read(self.label_path(row), file.size)
    classes = label_images.classes_of(label, self.data_set, row['label'])
    present = np.unique(classes[classes >= 0])
    id_map = np.where(classes >= 0, np.searchsorted(present, classes) + 1, 0)
    areas = np.bincount(id_map.ravel(), minlength=len(present) + 1)[1:]
    segments = [
        schema.Segment(class_id=int(class_id), is_crowd=False, plane=0, area=int(area), id=k + 1)
        for k, (class_id, area) in enumerate(zip(present, areas))]
    remarks = [] if segments else ['nothing but void']
    return converted(file, row, [id_map], segments, remarks)
