"""The checkpoint with the best value of one metric, and one JSON file that says which it is."""

import contextlib
import math
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

import tensorflow as tf

from tf_maskformer import checkpoint_files
from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.errors import UserError
from tf_maskformer.sorted_tables import Damaged

RECORD = 'best.json'
FOLDER = 'best'
_PREFIX = 'ckpt-'
_LARGEST = 1e300  # a whole number beyond it may not fit a float


class Record(NamedTuple):
  """What best.json says.

  Attributes:
    metric: name.
    value: of the metric.
    step: of the checkpoint.
  """
  metric: str
  value: float
  step: int


class Best:
  """Keeps one checkpoint in best/; best.json names it, and never one that is gone."""

  def __init__(self, folder: str, checkpoint: tf.train.Checkpoint, metric: str, higher: bool):
    """Looks at nothing yet.

    Args:
      folder: of the run; best.json and best/ are in it.
      checkpoint: what is saved.
      metric: name of the value.
      higher: whether a higher value is better.
    """
    self._path = os.path.join(folder, RECORD)
    self._folder = os.path.join(folder, FOLDER)
    self._checkpoint = checkpoint
    self._metric = metric
    self._higher = higher
    self._best: Record | None = None

  def settle(self, evaluations: Mapping[int, Mapping[str, Any]]) -> None:
    """Reads best.json and puts in order what a killed process left; holds the run's lock.

    A record that is damaged, or names files that are gone, is made again of the checkpoints that
    are there and their evaluations. One of another metric is not compared with this one.

    Args:
      evaluations: of the run, by step; each has its 'metrics' by name.
    """
    found = self._read()
    if found is None:
      found = self._rebuilt(evaluations)
    if found is None:
      return
    self._remove_all_but(found.step)
    if found.metric == self._metric:
      self._best = found
    else:
      errors.say(
          f'{self._path} is of {errors.quoted(found.metric)}; the next evaluation replaces it by '
          f'the best of {self._metric}')

  def offer(self, value: float, step: int) -> bool:
    """Saves this step if its value is better, and returns whether it is the best so far.

    NaN and infinity never are; of equal values the older one stays. Until best.json names the new
    checkpoint, it names the former, which is there.
    """
    if not self.is_better(value):
      return math.isfinite(value) and self._best is not None and self._best.step == step
    tf.io.gfile.makedirs(self._folder)
    try:
      path = self._checkpoint.write(os.path.join(self._folder, f'{_PREFIX}{step}'))
      checkpoint_files.flush(path)
    except tf.errors.OpError:
      with contextlib.suppress(tf.errors.OpError):  # what is left, the next start removes
        checkpoint_files.remove_temporary(self._folder)
      raise
    self._note(Record(self._metric, value, step))
    self._remove_all_but(step)
    return True

  def is_better(self, value: float) -> bool:
    """Whether a value is finite and better than the best so far."""
    if not math.isfinite(value):
      return False
    if self._best is None:
      return True
    return value > self._best.value if self._higher else value < self._best.value

  def _note(self, best: Record) -> None:
    checkpoint = f'{FOLDER}/{_PREFIX}{best.step}'
    files.write_json(self._path, {**best._asdict(), 'checkpoint': checkpoint})
    self._best = best

  def _read(self) -> Record | None:
    """Returns the record; None where there is none, it is damaged, or its checkpoint is gone."""
    if not tf.io.gfile.exists(self._path):
      return None
    try:
      record = _record(files.read_json(self._path))
    except UserError as e:
      errors.warn(f'{e}; it is made again from {self._folder} and the evaluations')
      return None
    if record.step not in self._steps():
      errors.warn(
          f'{self._path} names the checkpoint of step {record.step}, which is gone or damaged')
      return None
    return record

  def _rebuilt(self, evaluations: Mapping[int, Mapping[str, Any]]) -> Record | None:
    """Returns the best of the checkpoints in best/ whose evaluation is known, and notes it."""
    values = {step: evaluations[step]['metrics'].get(self._metric)
              for step in self._steps() if step in evaluations}
    known = {step: float(value) for step, value in values.items() if _is_finite(value)}
    if not known:
      if tf.io.gfile.exists(self._path):
        tf.io.gfile.remove(self._path)  # it names nothing that is there
      return None
    step = (max if self._higher else min)(sorted(known), key=known.__getitem__)
    record = Record(self._metric, known[step], step)
    self._note(record)
    return record

  def _steps(self) -> list[int]:
    """Returns the steps of the checkpoints in best/ that are whole."""
    found = checkpoint_files.own(self._folder)
    return [one.number for one in found if not one.problem and _is_whole(one.prefix)]

  def _files(self) -> list[str]:
    return tf.io.gfile.glob(os.path.join(self._folder, f'{_PREFIX}*'))

  def _remove_all_but(self, step: int) -> None:
    """Removes checkpoints of other steps, complete or not, and names this one as the newest."""
    name = f'{_PREFIX}{step}'
    for path in self._files():
      if not re.fullmatch(rf'{name}\.(index|data-\d+-of-\d+)', os.path.basename(path)):
        tf.io.gfile.rmtree(path) if tf.io.gfile.isdir(path) else tf.io.gfile.remove(path)
    state = f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n'
    files.write_text(os.path.join(self._folder, 'checkpoint'), state)


def _record(content: object) -> Record:
  """Returns the record that the JSON holds; raises UserError where it is none."""
  if isinstance(content, dict):
    metric = content.get('metric')
    value = content.get('value')
    step = content.get('step')
    if isinstance(metric, str) and _is_finite(value) and type(step) is int and step >= 0:
      return Record(metric, float(value), step)
  raise UserError('best.json does not hold a metric, its value and a step')


def _is_whole(prefix: str) -> bool:
  try:
    checkpoint_files.read_all(prefix)
  except Damaged:
    return False
  return True


def _is_finite(value: object) -> TypeGuard[float]:
  """Whether a value from a JSON is a number, neither NaN nor infinite."""
  if isinstance(value, bool) or not isinstance(value, (int, float)):
    return False
  return -_LARGEST < value < _LARGEST
