"""Model Garden's trainer with a step that reports: what is not finite is seen, named and skipped at once."""

import numpy as np
import orbit
import tensorflow as tf
from official.core import base_trainer


class Diverged(Exception):
  """Too many updates in a row were not finite."""


def number(variable: tf.Variable) -> float | int:
  """Returns the value of a scalar variable, also of one that lies on several replicas."""
  return tf.convert_to_tensor(variable).numpy().item()


class Trainer(base_trainer.Trainer):
  """One call a step, so that signals are heard and the guard speaks after each."""

  def _step(self, iterator):
    def step_fn(inputs):
      step = self.task.train_step
      if self.config.runtime.jit_compile:
        step = tf.function(step, jit_compile=True, autograph=False)
      logs = step(inputs, model=self.model, optimizer=self.optimizer, metrics=self.train_metrics)
      self._train_loss.update_state(logs[self.task.loss])
      self.global_step.assign_add(1)
      return logs
    return self.strategy.run(step_fn, args=(next(iterator),), options=self._runtime_options)

  @property
  def guarded(self):
    """The optimizer that counts skipped updates, without a loss scale around it."""
    return getattr(self.optimizer, 'inner_optimizer', self.optimizer)

  def run_step(self) -> None:
    """Runs one step.

    Raises:
      Diverged: `max_skipped_updates` in a row changed nothing.
    """
    if self._train_iter is None:
      self._train_iter = tf.nest.map_structure(iter, self.train_dataset)
      self._run = tf.function(self._step, autograph=False)
    before = number(self.guarded.skipped)
    logs = self._run(self._train_iter)
    if number(self.guarded.skipped) > before:
      self._report_skipped({k: self.strategy.experimental_local_results(v) for k, v in logs.items()})

  def _report_skipped(self, logs) -> None:
    terms = [name for name, values in logs.items()
             if name != 'example_id' and not all(np.isfinite(v.numpy()).all() for v in values)]
    ids = np.concatenate([v.numpy().ravel() for v in logs.get('example_id', [])] or [[]]).tolist()
    where = ', '.join(terms) or 'the gradient'
    print(f'warning: step {number(self.global_step)}: {where} not finite, the update was skipped; '
          f'example ids {ids}', flush=True)
    row = number(self.guarded.skipped_in_a_row)
    if row >= self.config.trainer.max_skipped_updates:
      raise Diverged(f'{row} updates in a row were not finite ({where}), last at step {number(self.global_step)}; '
                     'lower the learning rate or look at the images named above')

  def collect(self) -> dict[str, float]:
    """Returns the means since the last call, learning rate, gradient norm and skipped updates."""
    logs = {m.name: float(m.result()) for m in [self.train_loss, *self.train_metrics]}
    for metric in [self.train_loss, *self.train_metrics]:
      metric.reset_states()
    logs['learning_rate'] = number(self.guarded.learning_rate)
    logs['gradient_norm'] = number(self.guarded.gradient_norm)
    logs['skipped_updates'] = number(self.guarded.skipped)
    return logs


def distribute(strategy: tf.distribute.Strategy, make_dataset, *args, **kwargs):
  """Returns a distributed data set made by `make_dataset(*args, input_context, **kwargs)`."""
  return orbit.utils.make_distributed_dataset(strategy, make_dataset, *args, **kwargs)
