"""What reading one foreign file may cost, by the file's size."""

MEGABYTE = 2**20
INSTRUCTIONS = 'instructions'
COPIES = 'bytes of content'
ARRAYS = 'bytes of arrays'


class Damaged(ValueError):
  """The file is not what a checkpoint of its kind looks like."""


class Budget:
  """Bounds for one file, spent before the cost is incurred; nested parts of a file share it.

  A file is read once; text may be encoded and a nested pickle read once more, so that `COPIES` is
  three times the size. Tensors may share their numbers (tied weights): `ARRAYS` is twice the size.
  An instruction costs up to 130 bytes of memory: a checkpoint with optimizer state of 1000 tensors
  has 90 000.
  """

  def __init__(self, size: int):
    """Makes the bounds for a file of `size` bytes."""
    self._left = {
        INSTRUCTIONS: 400_000 + size // 64,
        COPIES: MEGABYTE + 3 * size,
        ARRAYS: 16 * MEGABYTE + 2 * size,
    }

  def spend(self, what: str, amount: int) -> None:
    """Takes an amount of one of the kinds above; raises Damaged where too little is left."""
    self._left[what] -= amount
    if self._left[what] < 0:
      raise Damaged(f'it unfolds into more {what} than a checkpoint of its size has')
