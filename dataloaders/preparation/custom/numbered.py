"""From pixels that are numbers, one of each instance, to a record."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.preparation.image_files import ImageFile
from tf_maskformer.dataloaders.preparation.source import Converted
from tf_maskformer.dataloaders.preparation.source import converted


class Kind(NamedTuple):
  """What a number is: contiguous class, and whether it stands for a group not told apart."""
  class_id: int
  is_crowd: bool = False


def of_numbers(file: ImageFile, row: dict[str, Any], numbers: np.ndarray,
               kind_of: Mapping[int, Kind], void: np.ndarray) -> Converted:
  """Returns the record of an image; each number that is of a kind is one segment.

  Args:
    file: the image.
    row: its 'id' and 'file_name'.
    numbers: integers [height, width].
    kind_of: by number; pixels of others are in no segment.
    void: bool [height, width], pixels that no score counts.

  Raises:
    UnusableImage: there are more segments than a record holds.
  """
  values, inverse, areas = np.unique(numbers, return_inverse=True, return_counts=True)
  position_of = np.zeros(len(values), np.int32)
  segments: list[schema.Segment] = []
  for k, (value, area) in enumerate(zip(values.tolist(), areas.tolist())):
    kind = kind_of.get(value)
    if kind is None:
      continue
    segments.append(schema.Segment(kind.class_id, kind.is_crowd, plane=0, area=area, id=value))
    position_of[k] = len(segments)
  if len(segments) > schema.MAX_SEGMENTS:
    raise UnusableImage(
        f'{row["file_name"]} has {len(segments)} segments, more than {schema.MAX_SEGMENTS}')
  id_map = position_of[inverse].reshape(numbers.shape)
  remarks = [] if segments else ['no segment']
  return converted(file, row, [id_map], segments, remarks, void)
