"""The exports of one model for `scripts/export_matrix.py`, in one process.

They are made by the steps of `tf-maskformer export`; only, TensorFlow is imported and the model is
read once, and for all float32 exports of a size the checkpoint's network is traced once and sees an
image once.
"""

import contextlib
import copy
import functools
import io
import os
import resource
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np

from tf_maskformer.errors import UserError
from tf_maskformer.scripts import export
from tf_maskformer.scripts import export_worker
from tf_maskformer.scripts import matrix_rows
from tf_maskformer.serving.export import child
from tf_maskformer.serving.export import plan as plans

# Random weights are sure of nothing.
_THRESHOLDS = 'task.evaluation.object_mask_threshold=0.02,task.evaluation.overlap_threshold=0.1'


def run(cells: Sequence[Mapping[str, Any]], folder: str, scratch: str) -> None:
  """Exports one combination after the other and adds a row of each to a folder.

  Args:
    cells: of one model: the keys of rows.
    folder: of the rows.
    scratch: folder of temporary files.
  """
  checkpoint = os.path.join(scratch, cells[0]['model'])
  if not os.path.exists(checkpoint):
    make_checkpoint(cells[0]['model'], checkpoint)
  for cell in cells:
    matrix_rows.add(folder, {**cell, **_found(cell, checkpoint, scratch)})


def plan_of(cell: Mapping[str, Any]) -> plans.Plan:
  """Returns what a cell exports."""
  size = (cell['size'], cell['size']) if cell['kind'] == 'fixed' else None
  return plans.Plan(cell['format'], cell['task'], size, cell['precision'])


def _found(cell: Mapping[str, Any], checkpoint: str, scratch: str) -> dict[str, Any]:
  """Exports one combination; returns what was found, or why it does not work."""
  size = cell['size']
  edges = (f'task.validation_data.parser.augmentation.short_edges=[{size}],'
           f'task.validation_data.parser.augmentation.long_edge_limit={size * 4 // 3}')
  # A model's precision is settled when it is built: those of other precisions share nothing.
  kind, call = (
      (_Job, _call) if cell['precision'] == 'float32' else (export_worker.Job, child.call))
  job = kind(checkpoint, cell['model'], (_THRESHOLDS, edges), (), False, False, plan_of(cell))
  try:
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory(
        dir=scratch) as output:
      content = export.export(job, output, call)
  except UserError as error:
    return {'problem': str(error)}
  return {
      'largest': max(one['largest'] for one in content['images'] if not one['resized']),
      'equal': min(one['equal'] for one in content['images']),
      'seconds': content['seconds_per_image'],
      'own_seconds': content['seconds_per_image_of_checkpoint'], 'bytes': content['bytes']}


class _Job(export_worker.Job):
  """A job that shares its model, and what the checkpoint says of images, with the one before it."""

  def load(self):
    return _loaded(*self.source())

  def reference(self, loaded, plan):
    return _reference(*self.source(), input_size=plan.input_size).of_task(plan.task)

  def seconds(self, checkpoint, image):
    return checkpoint.seconds(super().seconds, image)


class _Remembering:
  """A checkpoint whose network sees an image once, for all formats and tasks."""

  def __init__(self, reference):
    """Makes it of a `serving.export.reference.Reference`."""
    self._reference = reference
    self._task = ''
    self._said: dict[tuple, tuple] = {}
    self._seconds: dict[str, float] = {}

  def of_task(self, task: str) -> '_Remembering':
    """Returns one of another task with the same memory."""
    other = copy.copy(self)
    other._reference = self._reference.of_task(task)
    other._task = task
    return other

  def run(self, image: np.ndarray, noise: float = 0.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns what the reference does."""
    key = (image.shape, image.tobytes(), noise, seed)
    if key not in self._said:
      self._said[key] = self._reference.network(image, noise, seed)
    return self._reference.answer(*self._said[key])

  def seconds(self, measure: Callable[..., float], image: np.ndarray) -> float:
    """Returns the seconds that the checkpoint itself takes, measured once per task."""
    if self._task not in self._seconds:
      self._seconds[self._task] = measure(self._reference, image)
    return self._seconds[self._task]


@functools.lru_cache(maxsize=1)
def _loaded(*source: Any):
  """Returns a checkpoint's model, see `serving.loading.open_checkpoint`."""
  from tf_maskformer.serving import loading
  return loading.open_checkpoint(*source)


@functools.lru_cache(maxsize=1)
def _reference(*source: Any, input_size: tuple[int, int] | None) -> _Remembering:
  """Returns what answers with a checkpoint."""
  from tf_maskformer.serving.export.reference import Reference
  return _Remembering(Reference(_loaded(*source), plans.Plan('saved_model', '', input_size)))


def _call(what: str, log: str, function: Callable, *arguments: Any, is_silent: bool = False
          ) -> child.Done:
  """Calls a step in this process; arguments and errors as `child.call`."""
  del log, is_silent
  try:
    value = function(*arguments)
  except UserError:
    raise
  except Exception as e:  # pylint: disable=broad-except
    raise UserError(f'{what} failed: {child.first_line(e)}') from e
  return child.Done(value, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)


def make_checkpoint(name: str, folder: str) -> None:
  """Writes a checkpoint of a registered experiment with lively random weights."""
  import tensorflow as tf

  from tf_maskformer.configs.experiments import registry
  from tf_maskformer.modeling.factory import build_model

  experiment = registry.get(name)
  experiment.task.resolve()
  model = build_model(experiment.task.model, seed=0)
  rng = np.random.default_rng(0)
  for variable in model.weights:
    value = variable.numpy()
    if value.ndim >= 2 and value.std():
      continue  # is random already
    changed = value + rng.normal(0, 0.1, value.shape)
    variable.assign(np.abs(changed) + 0.1 if 'variance' in variable.name else changed)
  head = getattr(model.predictor, 'class_embed', None)
  if head is not None:
    bias = head.bias.numpy()
    bias[-1] = -3  # few queries are no-object
    head.bias.assign(bias)
  tf.train.Checkpoint(model=model).save(os.path.join(folder, 'ckpt'))
