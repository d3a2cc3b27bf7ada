"""Instances that a label image tells apart by number, in the form of COCO's instances."""

from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as mask_tools


class Numbered(NamedTuple):
  """One instance.

  Attributes:
    number: in the label image.
    class_id: contiguous class.
    mask: bool [height, width].
  """
  number: int
  class_id: int
  mask: np.ndarray


def as_coco(instance: Numbered, category_id: int) -> dict[str, Any]:
  """Returns an instance as an annotation of COCO's instances.

  Args:
    instance: of the image.
    category_id: the id of its class in the data set.
  """
  runs = mask_tools.encode(np.asfortranarray(instance.mask.astype(np.uint8)))
  return {
      'id': instance.number,
      'category_id': category_id,
      'iscrowd': 0,
      'area': int(instance.mask.sum()),
      'segmentation': {'size': list(instance.mask.shape), 'counts': runs['counts']},
  }
