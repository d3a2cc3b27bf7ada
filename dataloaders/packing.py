"""Masks that may overlap into as few id maps as first-fit finds."""

from collections.abc import Iterable

import numpy as np

from tf_maskformer.dataloaders import schema
from tf_maskformer.dataloaders.images import UnusableImage


class IdMaps:
  """Id maps of one image, to which masks are added; each mask goes into the first map with room.

  Attributes:
    planes: the id maps so far, uint16 [height, width] each, 0 where nothing is.
  """

  def __init__(self, size: tuple[int, int], max_planes: int):
    """Begins with one empty id map.

    Args:
      size: (height, width).
      max_planes: as many id maps at most.
    """
    self._size = size
    self._max_planes = max_planes
    self.planes = [np.zeros(size, np.uint16)]

  def add(self, mask: np.ndarray, value: int, corner: tuple[int, int] = (0, 0)) -> int:
    """Writes `value` where a mask is and returns the index of the id map that took it.

    Where no id map has room and no more are made, that index is their number.

    Args:
      mask: bool [rows, columns], the part of the image that begins at `corner`.
      value: what marks the mask, 1 to 65535.
      corner: row and column of the mask's first pixel in the image.
    """
    rows = slice(corner[0], corner[0] + mask.shape[0])
    columns = slice(corner[1], corner[1] + mask.shape[1])
    index = self._first_free(mask, rows, columns)
    if index == self._max_planes:
      return index
    if index == len(self.planes):
      self.planes.append(np.zeros(self._size, np.uint16))
    np.copyto(self.planes[index][rows, columns], np.uint16(value), where=mask)
    return index

  def _first_free(self, mask: np.ndarray, rows: slice, columns: slice) -> int:
    """Returns the first id map where a mask overlaps nothing; their number if there is none."""
    for index, plane in enumerate(self.planes):
      if not (plane[rows, columns] * mask).any():
        return index
    return len(self.planes)


def pack(masks: Iterable[np.ndarray], size: tuple[int, int]
         ) -> tuple[list[np.ndarray], list[int]]:
  """Puts masks that may overlap into id maps; no pixel is lost.

  Args:
    masks: bool [height, width] each; read one at a time.
    size: (height, width).

  Returns:
    id maps uint16 [height, width], value k + 1 where the k-th mask is, at least one; and the id map
    of each mask.

  Raises:
    UnusableImage: they need more than `schema.MAX_MAP_PIXELS`.
  """
  max_planes = max(schema.MAX_MAP_PIXELS // (size[0] * size[1]), 1)
  id_maps = IdMaps(size, max_planes)
  plane_of = []
  for k, mask in enumerate(masks):
    plane_of.append(id_maps.add(mask, k + 1))
    if plane_of[-1] == max_planes:
      raise UnusableImage(f'more than {max_planes} segments overlap in one place')
  return id_maps.planes, plane_of
