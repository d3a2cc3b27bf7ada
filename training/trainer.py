"""The Model Garden's trainer with a step that reports: what is not finite is named and skipped at
once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import base_trainer

from tf_maskformer import errors
from tf_maskformer.training import checkpoints

_EXAMPLE_ID = 'example_id'  # key of the logs


class Diverged(Exception):
  """Too many updates in a row were not finite."""


def number(variable: tf.Variable) -> float | int:
  """Returns the value of a scalar variable, also of one that is on several replicas."""
  return tf.convert_to_tensor(variable).numpy().item()


class Trainer(base_trainer.Trainer):
  """One call per step, so that signals and values that are not finite are handled after each."""

  def __init__(self, *args: Any, **kwargs: Any):
    """Takes the arguments of the Model Garden's trainer."""
    super().__init__(*args, **kwargs)
    if kwargs.get('train', True):
      # What was summed since the last report: a run that resumes reports the same means.
      means = [self.train_loss, *self.train_metrics]
      self.checkpoint.means = {metric.name: metric for metric in means}
    self._run = tf.function(self._step, autograph=False)
    self._batches: Iterator | None = None  # of the training data, from the first step on

  def _step(self, iterator: Iterator) -> dict[str, Any]:
    def step_fn(inputs: Any) -> dict[str, tf.Tensor]:
      step = self.task.train_step
      if self.config.runtime.jit_compile:
        step = tf.function(step, jit_compile=True, autograph=False)
      logs = step(inputs, model=self.model, optimizer=self.optimizer, metrics=self.train_metrics)
      self._train_loss.update_state(logs[self.task.loss])
      self.global_step.assign_add(1)
      return logs
    return self.strategy.run(step_fn, args=(next(iterator),), options=self._runtime_options)

  def restore(self, path: str) -> None:
    """Restores a checkpoint of a run; one of an earlier version has no means, which start at 0.

    Args:
      path: prefix of the checkpoint.

    Raises:
      UserError: it is of another model.
    """
    names = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    checkpoint = self.checkpoint
    if not any(name.startswith('means/') for name in names):
      checkpoint = tf.train.Checkpoint(
          global_step=self.global_step, model=self.model, optimizer=self.optimizer)
    checkpoints.restore(checkpoint, path)

  @property
  def guarded(self) -> tf_keras.optimizers.Optimizer:
    """The optimizer that counts skipped updates, without a loss scale around it."""
    return getattr(self.optimizer, 'inner_optimizer', self.optimizer)

  def run_step(self) -> None:
    """Runs one step.

    Raises:
      Diverged: `max_skipped_updates` in a row changed nothing.
    """
    if self._batches is None:
      self._batches = iter(self.train_dataset)
    before = number(self.guarded.skipped)
    logs = self._run(self._batches)
    if number(self.guarded.skipped) > before:
      local = self.strategy.experimental_local_results
      self._report_skipped({name: local(value) for name, value in logs.items()})

  def _report_skipped(self, logs: Mapping[str, Sequence[tf.Tensor]]) -> None:
    """Prints what was not finite in the step.

    Args:
      logs: of the step: by name, a tensor per replica; 'example_id' has the images of the batch.
    """
    ids = [one for values in logs.get(_EXAMPLE_ID, ()) for one in values.numpy().ravel().tolist()]
    terms = [
        name for name, values in logs.items()
        if name != _EXAMPLE_ID and not all(np.isfinite(v.numpy()).all() for v in values)]
    where = ', '.join(terms) or 'the gradient'
    step = number(self.global_step)
    errors.warn(f'step {step}: {where} not finite, the update was skipped; example ids {ids}')
    in_a_row = number(self.guarded.skipped_in_a_row)
    if in_a_row >= self.config.trainer.max_skipped_updates:
      raise Diverged(
          f'{in_a_row} updates in a row were not finite ({where}), last at step {step}; lower the '
          'learning rate or look at the images named above')

  def collect(self) -> dict[str, float]:
    """Returns the means since the last call, learning rate, gradient norm and skipped updates."""
    logs = {}
    for metric in [self.train_loss, *self.train_metrics]:
      logs[metric.name] = float(metric.result())
      metric.reset_states()
    logs['learning_rate'] = number(self.guarded.learning_rate)
    logs['gradient_norm'] = number(self.guarded.gradient_norm)
    logs['skipped_updates'] = number(self.guarded.skipped)
    return logs
