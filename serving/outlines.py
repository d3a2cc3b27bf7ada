"""Outlines of a mask as polygons that enclose its pixels and no others.

Corners are those of pixels, integers x and y; the upper left corner of the first pixel is (0, 0).
A polygon cannot have a hole; where a mask has one, its polygon runs along a cut of no width from
the outside to the hole, around it, and back.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

Corner = tuple[int, int]  # x, y


def of_mask(mask: np.ndarray) -> list[list[Corner]]:
  """Returns a polygon for each connected part of a mask, from top to bottom.

  Pixels that touch at a corner alone are not connected.

  Args:
    mask: bool [height, width].
  """
  rows = np.flatnonzero(mask.any(axis=1))
  if not len(rows):
    return []
  columns = np.flatnonzero(mask.any(axis=0))
  top = int(rows[0])
  left = int(columns[0])
  outlined = _Outlined(mask[top:rows[-1] + 1, left:columns[-1] + 1])
  return [[(x + left, y + top) for x, y in polygon] for polygon in outlined.polygons()]


@dataclasses.dataclass(frozen=True)
class _Cut:
  """A cut from a horizontal edge straight down to a hole."""
  top: Corner
  ring: int  # the hole


class _Outlined:
  """The corners of a mask's border, the edges between them, and the rings that they form.

  Corners are sorted by row, then column. Where four pixels meet of which two opposite ones are in
  the mask, there are two corners: edges come from all four sides.
  """

  def __init__(self, mask: np.ndarray):
    self._mask = mask
    y, x, is_falling, is_second = _corners(mask)
    self._x: list[int] = x.tolist()
    self._y: list[int] = y.tolist()
    # In a row each odd corner ends the edge that the one before begins; in a column likewise. Of
    # two corners in one place, the first ends the edge from the left. In a column the one from
    # above has to be first: that is the same one where the pixels in the mask are upper left and
    # lower right, so that the two corners belong to one pixel each.
    is_lower = np.where(is_falling, is_second, ~is_second)
    down = np.lexsort((is_lower, y, x))
    vertical = np.empty(len(x), int)
    vertical[down[::2]] = down[1::2]
    vertical[down[1::2]] = down[::2]
    self._rings = _rings(vertical.tolist())
    self._cuts: dict[int, list[_Cut]] = {}  # by half the number of the edge's left corner

  def polygons(self) -> list[list[Corner]]:
    """Returns a polygon for each part."""
    starts = [ring[0] for ring in self._rings]
    is_hole = [not self._mask[self._y[corner], self._x[corner]] for corner in starts]
    holes = [number for number, hole in enumerate(is_hole) if hole]
    self._cut([starts[number] for number in holes], holes)
    outer = [number for number, hole in enumerate(is_hole) if not hole]
    return [self._walked(number) for number in outer]

  def _cut(self, starts: Sequence[int], holes: Sequence[int]) -> None:
    """Notes a cut to the first corner of each hole, from the edge straight above it."""
    keys = np.array(self._y, int) * (self._mask.shape[1] + 1) + self._x
    for start, ring in zip(starts, holes):
      x = self._x[start]
      outside = np.flatnonzero(~self._mask[:self._y[start], x])
      top = int(outside[-1]) + 1 if len(outside) else 0
      key = top * (self._mask.shape[1] + 1) + x
      left_corner = int(np.searchsorted(keys, key, side='right')) - 1
      self._cuts.setdefault(left_corner // 2, []).append(_Cut((x, top), ring))

  def _walked(self, ring: int) -> list[Corner]:
    """Returns the corners of a ring and of all holes that are cut open from it."""
    corners: list[Corner] = []
    under_way = [self._steps(ring)]
    while under_way:
      step = next(under_way[-1], None)
      if step is None:
        under_way.pop()
      elif isinstance(step, _Cut):
        _append(corners, step.top)
        under_way.append(self._steps(step.ring, step.top))
      else:
        _append(corners, step)
    return corners

  def _steps(self, ring: int, top: Corner | None = None) -> Iterator[Corner | _Cut]:
    """Yields a ring's corners, and the cuts where they leave it.

    Args:
      ring: its number.
      top: of a hole, the other end of its cut: the hole is walked the other way round, so that it
        is one by either rule of filling, even-odd or non-zero, and the way back is yielded, too.
    """
    numbers = self._rings[ring]
    if top:
      numbers = [numbers[0], *numbers[:0:-1]]
    for position, corner in enumerate(numbers):
      yield self._x[corner], self._y[corner]
      if (position % 2 == 0) == (top is None):  # a horizontal edge follows
        to_the_left = corner ^ 1 < corner
        cuts = self._cuts.get(corner // 2, [])
        yield from sorted(cuts, key=lambda cut: cut.top[0], reverse=to_the_left)
    if top:
      yield self._x[numbers[0]], self._y[numbers[0]]
      yield top


def _corners(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
  """Returns y and x of the corners, whether two are in their place (falling), and which it is."""
  padded = np.pad(mask, 1)
  upper_left = padded[:-1, :-1]
  upper_right = padded[:-1, 1:]
  lower_left = padded[1:, :-1]
  lower_right = padded[1:, 1:]
  is_odd = upper_left ^ upper_right ^ lower_left ^ lower_right
  is_falling = upper_left & lower_right & ~upper_right & ~lower_left
  is_rising = upper_right & lower_left & ~upper_left & ~lower_right
  count = is_odd + 2 * (is_falling | is_rising).astype(int)
  y, x = np.nonzero(count)
  repeated = np.repeat(np.arange(len(y)), count[y, x])
  is_second = np.zeros(len(repeated), bool)
  is_second[1:] = repeated[1:] == repeated[:-1]
  return y[repeated], x[repeated], is_falling[y, x][repeated], is_second


def _rings(vertical: Sequence[int]) -> list[list[int]]:
  """Returns the corners of each ring, from its first one on along the edge to the right."""
  seen = [False] * len(vertical)
  rings = []
  for start in range(len(vertical)):
    ring = []
    corner = start
    while not seen[corner]:
      across = corner ^ 1  # the other end of the horizontal edge
      seen[corner] = True
      seen[across] = True
      ring += [corner, across]
      corner = vertical[across]
    if ring:
      rings.append(ring)
  return rings


def _append(corners: list[Corner], corner: Corner) -> None:
  """Adds a corner that is not the last one again."""
  if not corners or corners[-1] != corner:
    corners.append(corner)
