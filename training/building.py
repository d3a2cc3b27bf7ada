"""What a run is made of: strategy, optimizer and trainer of an experiment."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orbit
import tensorflow as tf
import tf_keras
from official.common import distribute_utils

from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.optimization import AdamW
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import Runtime
from tf_maskformer.errors import UserError
from tf_maskformer.training import optimizers
from tf_maskformer.training.trainer import Trainer

_POLICIES = {
    'float32': 'float32',
    'bfloat16': 'mixed_bfloat16',
    'mixed_bfloat16': 'mixed_bfloat16',
    'float16': 'mixed_float16',
    'mixed_float16': 'mixed_float16',
}


class Restored(Protocol):
  """What was restored from a checkpoint that is not of this run.

  Attributes:
    path: of the checkpoint.
    restored: names of the model's tensors that were filled.
    partial: names of those of which some rows were filled.
    missing: names of those that kept their initial values.
  """
  path: str
  restored: Sequence[str]
  partial: Sequence[str]
  missing: Sequence[str]


def check_filled(restored: Restored) -> None:
  """Checks that a model which is only evaluated has no initial values.

  Raises:
    UserError: a tensor was not filled, or only in part.
  """
  filled = len(restored.restored)
  initial = [*restored.missing, *restored.partial]
  if initial:
    raise UserError(
        f'{restored.path} fills only {filled} of {filled + len(initial)} tensors, {initial[0]} and '
        'others would be random; evaluate with the experiment of the checkpoint and '
        'task.init_checkpoint_modules=all, or insist with --allow_random_weights')


class Task(Protocol):
  """What a run asks of a task, in addition to the Model Garden's `base_task.Task`."""

  def build_model(self) -> tf_keras.Model:
    """Returns the model with its initial weights."""

  def initialize(self, model: tf_keras.Model) -> Restored | None:
    """Restores what the task starts from; returns None where that is nothing."""

  def parameter_groups(self, model: tf_keras.Model, optimizer: AdamW) -> dict[str, Any]:
    """Returns arguments of `optimizers.build` that depend on the model's variables."""

  def build_inputs(self, params: DataConfig, input_context: tf.distribute.InputContext | None,
                   start_step: int = 0) -> tf.data.Dataset:
    """Returns the batches of one input pipeline; training resumes after `start_step` steps."""

  def expected_examples(self) -> int:
    """Returns the number of validation images; reads the ground truth that is scored against."""

  def explain_failure(self, params: DataConfig, error: Exception) -> str:
    """Returns why an input pipeline failed and which record it was, in one line."""

  def metric_names(self) -> list[str]:
    """Returns the names of the scores of an evaluation."""


MakeTask = Callable[..., Task]  # (Segmentation, Runtime, train_steps=int)


def strategy(runtime: Runtime, tpu_address: str | None = None,
             of_workers: tf.distribute.Strategy | None = None) -> tf.distribute.Strategy:
  """Seeds the random numbers, sets the precision and returns the distribution strategy.

  Args:
    runtime: of the experiment.
    tpu_address: of the TPU, where `runtime.tpu` is only its name.
    of_workers: that joins several workers, which is made before anything touches a device.
  """
  tf_keras.utils.set_random_seed(runtime.seed)
  tf_keras.mixed_precision.set_global_policy(_POLICIES[runtime.mixed_precision_dtype])
  if of_workers is not None:
    return of_workers
  return distribute_utils.get_distribution_strategy(
      distribution_strategy=runtime.distribution_strategy,
      all_reduce_alg=runtime.all_reduce_alg,
      num_gpus=runtime.num_gpus,
      tpu_address=tpu_address or runtime.tpu)


def trainer(experiment: Experiment, task: Task, trains: bool, evaluates: bool, start_step: int
            ) -> Trainer:
  """Returns the trainer of a task with a new model and optimizer; call it in the strategy's scope.

  Args:
    experiment: settled and valid.
    task: made of it.
    trains: whether there is training.
    evaluates: whether there is evaluation.
    start_step: the training records continue as if this many steps had been run.

  Raises:
    UserError: the metric that the best checkpoint is chosen by is not one of the task.
  """
  _check_metric(experiment.trainer.best_checkpoint_eval_metric, task)
  model = task.build_model()
  optimizer = _optimizer(experiment, task, model)
  data = experiment.task
  return Trainer(
      experiment, task, model, optimizer, train=trains, evaluate=evaluates,
      train_dataset=_distributed(task, data.train_data, start_step) if trains else None,
      validation_dataset=_distributed(task, data.validation_data) if evaluates else None)


def _check_metric(name: str, task: Task) -> None:
  known = task.metric_names()
  if name not in known:
    raise UserError(
        f'trainer.best_checkpoint_eval_metric={name} is not a metric; known: {", ".join(known)}')


def _optimizer(experiment: Experiment, task: Task,
               model: tf_keras.Model) -> tf_keras.optimizers.Optimizer:
  config = experiment.trainer
  groups = task.parameter_groups(model, config.optimizer_config.optimizer)
  optimizer = optimizers.build(config.optimizer_config, config.train_steps, **groups)
  optimizer.build(model.trainable_variables)
  if _POLICIES[experiment.runtime.mixed_precision_dtype] == 'mixed_float16':
    return tf_keras.mixed_precision.LossScaleOptimizer(optimizer)
  return optimizer


def _distributed(
    task: Task, data: DataConfig, start_step: int = 0) -> tf.distribute.DistributedDataset:
  """Returns the batches of all replicas of the strategy whose scope this is called in."""
  def build(input_context: tf.distribute.InputContext) -> tf.data.Dataset:
    batches = task.build_inputs(data, input_context, start_step=start_step)
    if data.is_training and input_context.num_input_pipelines > 1:
      # Else workers ask each other before every step whether one has come to its end.
      endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
      batches = batches.apply(endless)
    return batches
  return orbit.utils.make_distributed_dataset(tf.distribute.get_strategy(), build)
