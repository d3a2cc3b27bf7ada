"""How a table of names is written and read.

A table is a list of (pattern, official name); the first that matches a name in full is taken. `{0}`
is the first group, `{0+2}` the first plus two, `{0-1}` the first minus one, `{3~0}` three minus the
first. An official name that ends in `#0`, `#1`, `#2` is that third of a tensor whose rows are
query, key and value.
"""

import dataclasses
import re
from collections.abc import Callable

import numpy as np

Rules = list[tuple[str, str]]

# What a name ends in: of a layer, of a normalization.
LAST = r'(weight|bias)'
NORM = r'(weight|bias|running_mean|running_var)'

# Not weights of the models: counters, constants that are computed, the weights of the class loss.
_NEVER_WEIGHTS = (
    r'criterion\.empty_weight', r'(.*\.)?relative_position_index', r'(.*\.)?attn_mask',
    r'(.*\.)?num_batches_tracked', r'pixel_mean', r'pixel_std')


def _unchanged(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  return arrays


@dataclasses.dataclass(frozen=True)
class NameTable:
  """One way to name the tensors.

  Attributes:
    kind: what the reports call it.
    marks: patterns of names by which a file is recognized; each must match one name.
    rules: the table.
    ignored: patterns of names that are not weights, in addition to those that never are.
    absent: patterns of official names that such files do not have, so that they keep their initial
      values.
    finish: changes the arrays, by official name, once all are renamed.
  """
  kind: str
  marks: tuple[str, ...]
  rules: Rules
  ignored: tuple[str, ...] = ()
  absent: tuple[str, ...] = ()
  finish: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = _unchanged

  def fits(self, names: list[str]) -> bool:
    """Whether the names of a file are of this kind."""
    return all(any(re.fullmatch(mark, name) for name in names) for mark in self.marks)

  def is_ignored(self, name: str) -> bool:
    """Whether a name of such a file is not a weight of the models."""
    return any(re.fullmatch(pattern, name) for pattern in (*_NEVER_WEIGHTS, *self.ignored))

  def official(self, name: str) -> str | None:
    """Returns the official name, perhaps with the mark of a third; None where no rule fits."""
    for pattern, target in self.rules:
      match = re.fullmatch(pattern, name)
      if match:
        return _filled(target, match.groups())
    return None


def _filled(target: str, groups: tuple[str, ...]) -> str:
  """Returns an official name with its `{…}` computed from the groups of a pattern."""
  def value(match: re.Match) -> str:
    first, operation, second = match.groups()
    if operation is None:
      return groups[int(first)]
    if operation == '+':
      return str(int(groups[int(first)]) + int(second))
    if operation == '-':
      return str(int(groups[int(first)]) - int(second))
    return str(int(first) - int(groups[int(second)]))
  return re.sub(r'\{(\d)(?:([+~-])(\d))?\}', value, target)
