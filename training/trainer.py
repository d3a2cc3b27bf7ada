"""The Model Garden's trainer with a step that reports: what is not finite is named and skipped at
once."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import base_trainer

from tf_maskformer import errors
from tf_maskformer.training import checkpoints
from tf_maskformer.training import signals

_EXAMPLE_ID = 'example_id'  # keys of the logs
_SIGNALS = 'signals'


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
    self._has_peers = isinstance(self.strategy, tf.distribute.MultiWorkerMirroredStrategy)
    self._has_own_statistics = self._has_peers or (
        isinstance(self.strategy, tf.distribute.MirroredStrategy)
        and self.strategy.num_replicas_in_sync > 1)
    self._agreed_stop: int | None = None  # number of a signal that a worker received
    self._is_synchronized = True  # what replicas keep on their own is equal

  def _step(self, iterator: Iterator, received: tf.Tensor) -> dict[str, Any]:
    def step_fn(inputs: Any) -> dict[str, tf.Tensor]:
      step = self.task.train_step
      if self.config.runtime.jit_compile:
        step = tf.function(step, jit_compile=True, autograph=False)
      logs = step(inputs, model=self.model, optimizer=self.optimizer, metrics=self.train_metrics)
      self._train_loss.update_state(logs[self.task.loss])
      self.global_step.assign_add(1)
      if self._has_peers:
        context = tf.distribute.get_replica_context()
        own = tf.identity(received)
        logs[_SIGNALS] = context.all_reduce(tf.distribute.ReduceOp.SUM, own)
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

  def checksum(self) -> int:
    """Returns a number that tells the model's values from others."""
    found = 0
    for variable in self.model.variables:
      found = zlib.crc32(tf.convert_to_tensor(variable).numpy().tobytes(), found)
    return found

  def synchronize(self) -> None:
    """Gives all replicas the mean of what each keeps on its own: batch norms' moving statistics.

    A checkpoint holds the mean, so that a training which resumes begins with it; one that was not
    disturbed does the same after it has saved, and before it is scored. Sums of the losses are
    shared likewise.
    """
    if not self._has_own_statistics or self._is_synchronized:
      return
    means = [self.train_loss, *self.train_metrics]
    own = [*self.model.variables, *(one for mean in means for one in mean.variables)]
    for variable in own:
      if variable.synchronization == tf.VariableSynchronization.ON_READ:
        variable.assign(tf.convert_to_tensor(variable))
    self._is_synchronized = True

  @property
  def guarded(self) -> tf_keras.optimizers.Optimizer:
    """The optimizer that counts skipped updates, without a loss scale around it."""
    return getattr(self.optimizer, 'inner_optimizer', self.optimizer)

  def stopped_by(self, stop: signals.Stop) -> int | None:
    """Returns the number of the signal that ends the training after this step, None for none.

    Of several workers, each finds the same after the same step: what a step found is told to all
    in the next one.

    Args:
      stop: has what this worker received.
    """
    return self._agreed_stop if self._has_peers else stop.signal

  def run_step(self, stop: signals.Stop) -> None:
    """Runs one step.

    Args:
      stop: has the signal that this worker received.

    Raises:
      Diverged: `max_skipped_updates` in a row changed nothing.
    """
    if self._batches is None:
      self._batches = iter(self.train_dataset)
    self._is_synchronized = False
    before = number(self.guarded.skipped)
    received = tf.constant([float(stop.signal == one) for one in signals.HANDLED])
    logs = self._run(self._batches, received)
    agreed = logs.pop(_SIGNALS, None)
    if number(self.guarded.skipped) > before:
      local = self.strategy.experimental_local_results
      self._report_skipped({name: local(value) for name, value in logs.items()})
    if agreed is not None:
      self._agree(self.strategy.experimental_local_results(agreed)[0])

  def _agree(self, received: tf.Tensor) -> None:
    """Notes the signal that some worker received; the number of workers, for each signal."""
    counts = received.numpy()
    if counts.any():
      self._agreed_stop = int(signals.HANDLED[int(counts.argmax())])

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
