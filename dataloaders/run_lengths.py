"""COCO's run lengths, read without the C library, which trusts them.

Columns after columns, zeros first. The compressed form is a text of 6-bit characters, 5 bits of a
number each, the lowest first; from the fourth run on it holds the difference to the run before the
last. Source: pycocotools, common/maskApi.c, `rleFrString`; of a text that ends within a number, it
reads beyond the end.
"""

from typing import Any

import numpy as np

_FIRST = 48  # the character of 0
_BITS = 5
_MORE = 0x20  # flag of a character that is not its number's last
_SIGN = 0x10  # of a number's last character
_MAX_CHARACTERS = 7  # of a number; any run of an image has fewer than 35 bits


def decode(counts: Any, size: tuple[int, int]) -> np.ndarray:
  """Returns the mask of run lengths, bool [height, width].

  Args:
    counts: text, bytes, or a list of whole numbers.
    size: (height, width) of the mask.

  Raises:
    ValueError: they are not run lengths, or of a mask with another number of pixels.
  """
  runs = _of_list(counts) if isinstance(counts, list) else _of_text(counts)
  num_pixels = size[0] * size[1]
  if (runs < 0).any() or (runs > num_pixels).any():
    raise ValueError(f'the run lengths do not fit {size[0]}x{size[1]} pixels')
  total = int(runs.sum())
  if total != num_pixels:
    raise ValueError(
        f'the run lengths are of {total} pixels, not of {size[0]}x{size[1]} ({num_pixels})')
  values = np.arange(len(runs)) % 2 == 1
  return np.repeat(values, runs).reshape(size[1], size[0]).T


def _of_list(counts: list) -> np.ndarray:
  """Returns the runs of the uncompressed form, int64 [n]."""
  if not all(type(count) is int and abs(count) < 2**31 for count in counts):
    raise ValueError('the run lengths are not whole numbers')
  return np.array(counts, np.int64)


def _of_text(counts: Any) -> np.ndarray:
  """Returns the runs of the compressed form, int64 [n]."""
  if isinstance(counts, str):
    counts = counts.encode('utf-8', 'replace')
  if not isinstance(counts, bytes):
    raise ValueError('the run lengths are neither text nor a list')
  digits = np.frombuffer(counts, np.uint8).astype(np.int64) - _FIRST
  if not len(digits):
    return np.zeros(0, np.int64)
  is_last = digits & _MORE == 0
  if digits.min() < 0 or digits.max() >= 2 * _MORE or not is_last[-1]:
    raise ValueError('the run lengths are damaged')
  ends = np.flatnonzero(is_last) + 1
  starts = np.concatenate([[0], ends[:-1]])
  lengths = ends - starts
  if lengths.max() > _MAX_CHARACTERS:
    raise ValueError('the run lengths are damaged')
  place = np.arange(len(digits)) - np.repeat(starts, lengths)
  numbers = np.add.reduceat((digits & (_MORE - 1)) << (_BITS * place), starts)
  is_negative = digits[ends - 1] & _SIGN != 0
  numbers -= is_negative.astype(np.int64) << (_BITS * lengths)
  numbers[1::2] = np.cumsum(numbers[1::2])
  numbers[2::2] = np.cumsum(numbers[2::2])
  return numbers
