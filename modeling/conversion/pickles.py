"""Reads pickled checkpoints (detectron2 `.pkl`, PyTorch `.pth`, `.bin`) without running them.

A pickle names the functions that rebuild its objects. The few that checkpoints need have a meaning
here (`pickled_arrays.py`), which can only make arrays and plain containers; any other name is
refused before anything is called. PyTorch is not needed. Nothing is kept from one file for the
next.
"""

import os
import struct
import zipfile
from typing import Any, BinaryIO

from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import torch_files
from tf_maskformer.modeling.conversion.budget import Budget
from tf_maskformer.modeling.conversion.budget import Damaged
from tf_maskformer.modeling.conversion.pickle_machine import Global
from tf_maskformer.modeling.conversion.pickle_machine import Machine
from tf_maskformer.modeling.conversion.pickle_machine import Refused
from tf_maskformer.modeling.conversion.pickled_arrays import Array
from tf_maskformer.modeling.conversion.pickled_arrays import Dtype
from tf_maskformer.modeling.conversion.pickled_arrays import Storage
from tf_maskformer.modeling.conversion.pickled_arrays import Tensor

_DEEPEST = 16  # containers within containers
# What a damaged or foreign file makes the reader raise; Damaged is a ValueError.
_DAMAGE = (
    ValueError, EOFError, OverflowError, MemoryError, struct.error, zipfile.BadZipFile,
    NotImplementedError, OSError)


def load(path: str, file: BinaryIO) -> Any:
  """Returns what a pickled file holds: dictionaries, lists, numbers, text, numpy arrays.

  Keys of dictionaries are texts; tuples and sets are lists. Time and memory are bounded by the
  file's size (`budget.py`).

  Args:
    path: for messages.
    file: opened for reading, with `seek`.

  Raises:
    UserError: the file is damaged, or its pickle asks for something else than arrays and
      containers.
  """
  try:
    found, budget = _read(file)
    return _resolved(found, budget, 0, {})
  except Refused as e:
    raise UserError(
        f'checkpoint {path} is refused: its pickle asks for {e}, which no checkpoint needs; '
        'nothing in it was run, take the file from its publisher') from e
  except _DAMAGE as e:
    reason = str(e) or type(e).__name__
    raise UserError(
        f'checkpoint {path} cannot be read as a pickled checkpoint ({reason}); is it damaged or '
        'cut off?') from e


def _read(file: BinaryIO) -> tuple[Any, Budget]:
  """Returns what a file of any of the formats holds, with stand-ins for arrays, and its budget."""
  size = file.seek(0, os.SEEK_END)
  file.seek(0)
  start = file.read(4)
  file.seek(0)
  if start == b'PK\x03\x04':
    return torch_files.read_zip(file, size)
  budget = Budget(size)
  found = Machine(file, size, budget, torch_files.FUNCTIONS).run()
  if type(found) is int and found == torch_files.MAGIC:
    file.seek(0)
    found = torch_files.read_older(file, size, budget, torch_files.FUNCTIONS)
  return found, budget


def _resolved(value: Any, budget: Budget, depth: int, done: dict[int, Any]) -> Any:
  """Replaces the stand-ins inside containers by arrays; what is named twice is done once."""
  if depth > _DEEPEST:
    raise Damaged('containers nested too deeply')
  if id(value) in done:
    return done[id(value)]
  result: Any
  if isinstance(value, (Array, Storage, Tensor)):
    result = value.resolve(budget)
  elif isinstance(value, dict):
    result = {key: _resolved(item, budget, depth + 1, done) for key, item in value.items()}
  elif isinstance(value, (list, tuple)):
    result = [_resolved(item, budget, depth + 1, done) for item in value]
  elif isinstance(value, Global):
    result = value.name
  elif isinstance(value, Dtype):
    result = value.value
  else:
    return value
  done[id(value)] = result
  return result
