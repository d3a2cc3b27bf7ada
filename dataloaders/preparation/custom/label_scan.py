"""What label images hold: all of them are read once before it is decided what a value means."""

import contextlib
import dataclasses
import posixpath
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from tf_maskformer.dataloaders import label_images
from tf_maskformer.dataloaders.images import UnusableImage
from tf_maskformer.dataloaders.label_images import HasColors
from tf_maskformer.dataloaders.preparation import local
from tf_maskformer.errors import UserError

MOST_VALUES = 2**16  # that are counted one by one; more are colors of a photograph, or ids
_PER_JOB = 200  # labels; a job is a process
_MIN_JOBS = 8
_PROBED = 8  # labels that are read first, to see whether they hold colors
_BINNED = 2**18  # values below this are counted in bins, which is faster than sorting
_REASONS = 5  # of labels that cannot be read


@dataclasses.dataclass
class OfValue:
  """One value of the labels.

  Attributes:
    pixels: that have it.
    images: that have it.
    alone: of them, those that have no other.
    parts: numbers of instances of it, summed over the images; see `scan`.
    example: the first label that has it.
  """
  pixels: int = 0
  images: int = 0
  alone: int = 0
  parts: int = 0
  example: str = ''


@dataclasses.dataclass
class Scan:
  """What labels hold.

  Attributes:
    form: 'values' or 'colors'.
    labels: that were read.
    pixels: of them.
    values: by value; of colors red + 256 green + 65536 blue.
    uncounted: pixels of further values, where there are more than `MOST_VALUES`.
    unreadable: labels that cannot be read.
    reasons: of some of them why, by name.
    colored: of them, those with colors where values were wanted.
  """
  form: str
  labels: int = 0
  pixels: int = 0
  values: dict[int, OfValue] = dataclasses.field(default_factory=dict)
  uncounted: int = 0
  unreadable: int = 0
  reasons: dict[str, str] = dataclasses.field(default_factory=dict)
  colored: int = 0

  def share(self, value: int) -> float:
    """Returns the share of all pixels that have a value."""
    return self.values[value].pixels / max(self.pixels, 1)

  def add(self, other: 'Scan') -> None:
    """Adds other labels."""
    for name in ('labels', 'pixels', 'uncounted', 'unreadable', 'colored'):
      setattr(self, name, getattr(self, name) + getattr(other, name))
    self.reasons.update(other.reasons)
    self.reasons = dict(list(self.reasons.items())[:_REASONS])
    for value, one in other.values.items():
      self._count(value, one)

  def count(self, name: str, label: np.ndarray, per_class: int) -> None:
    """Adds a label; see `scan`."""
    self.labels += 1
    self.pixels += label.size
    values, pixels = _counts(label)
    found: dict[int, OfValue] = {}
    for value, number in zip(values.tolist(), pixels.tolist()):
      has_number = per_class and value >= per_class
      one = found.setdefault(-(value // per_class) if has_number else value, OfValue(images=1))
      one.pixels += number
      one.parts += 1
      one.example = name
    for value, one in found.items():
      one.alone = int(len(found) == 1)
      self._count(value, one)

  def _count(self, value: int, one: OfValue) -> None:
    if value not in self.values and len(self.values) >= MOST_VALUES:
      self.uncounted += one.pixels
      return
    own = self.values.setdefault(value, OfValue())
    for name in ('pixels', 'images', 'alone', 'parts'):
      setattr(own, name, getattr(own, name) + getattr(one, name))
    own.example = min(own.example or one.example, one.example)


def scan(folder: str, names: Sequence[str], form: str, per_class: int = 0, workers: int = 1
         ) -> Scan:
  """Reads all labels.

  Args:
    folder: of the labels.
    names: relative to it, at least one.
    form: 'values', which is given up where a label has colors, or 'colors'.
    per_class: above 0: a value v of at least this is one instance of class v // per_class; it is
      counted under -(v // per_class).
    workers: processes.

  Raises:
    UserError: no label can be read, or processes died.
  """
  if form == 'values' and not per_class and _probed(folder, names).colored:
    form = 'colors'
  found = _scan(folder, names, form, per_class, workers)
  if found.colored and not per_class and form == 'values':
    found = _scan(folder, names, 'colors', per_class, workers)
  if not found.labels:
    reason = next(iter(found.reasons.values()))
    raise UserError(f'none of the {len(names)} labels can be read; the first: {reason}')
  return found


def _probed(folder: str, names: Sequence[str]) -> Scan:
  places = np.linspace(0, len(names) - 1, min(len(names), _PROBED)).astype(int)
  return _tally(folder, [names[place] for place in places], 'values', 0)


def _scan(folder: str, names: Sequence[str], form: str, per_class: int, workers: int) -> Scan:
  num_jobs = min(max(_MIN_JOBS, -(-len(names) // _PER_JOB)), len(names))
  parts = [names[i::num_jobs] for i in range(num_jobs)]
  jobs = {
      f'labels {i + 1} of {num_jobs}': (folder, part, form, per_class)
      for i, part in enumerate(parts)}
  found = Scan(form)
  with (
      tqdm(total=len(names), unit='labels', desc='labels') as bar,
      contextlib.closing(local.run(_tally, jobs, workers)) as done):
    try:
      for _, part in done:
        found.add(part)
        bar.update(part.labels + part.unreadable)
    except local.Died as e:
      name, how = next(iter(e.how.items()))
      raise UserError(f'the process of {name} {how}, twice; run the same command again with '
                      '--workers 1') from e
  return found


def _tally(folder: str, names: Sequence[str], form: str, per_class: int) -> Scan:
  """Returns what some labels hold."""
  found = Scan(form)
  for name in names:
    try:
      label = label_images.values_of(posixpath.join(folder, name), form)
    except UnusableImage as e:
      found.unreadable += 1
      found.colored += isinstance(e, HasColors)
      if len(found.reasons) < _REASONS:
        found.reasons[name] = str(e)
      continue
    found.count(name, label, per_class)
  return found


def _counts(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the values of a label, and how many pixels have each."""
  if label.min(initial=0) < 0 or label.max(initial=0) >= _BINNED:
    return np.unique(label, return_counts=True)
  pixels = np.bincount(label.ravel())
  values = np.flatnonzero(pixels)
  return values, pixels[values]
