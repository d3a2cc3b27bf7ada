"""What the tasks share: model, data, the training step, and the wiring of validation."""

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import base_task

from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.optimization import AdamW
from tf_maskformer.configs.task import Runtime
from tf_maskformer.configs.task import Segmentation
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders import input_service
from tf_maskformer.dataloaders import reader
from tf_maskformer.dataloaders import record_faults
from tf_maskformer.errors import UserError
from tf_maskformer.modeling import factory
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.ops import image as image_ops
from tf_maskformer.tasks import evaluators
from tf_maskformer.tasks import initialization
from tf_maskformer.tasks import merging
from tf_maskformer.tasks import micro_batches
from tf_maskformer.tasks.scores import Scores
from tf_maskformer.tasks.spread_scores import SpreadScores

_SEEDS_APART = 1000003  # a prime; the steps of runs with different seeds stay apart for that long


class SegmentationTask(base_task.Task):
  """A model on records; a subclass says in `losses` and `losses_of_images` what its loss is."""

  def __init__(self, params: Segmentation, runtime: Runtime | None = None,
               logging_dir: str | None = None, name: str | None = None,
               train_steps: int | None = None):
    """Makes the task.

    Args:
      params: the task's configuration; completed in place (`Segmentation.resolve`).
      runtime: seed, and whether the step is compiled; defaults to Runtime().
      logging_dir: the model's folder.
      name: the task's name.
      train_steps: length of the training, for models that change in the course of it; None: they
        are as at its end.

    Made in the scope of the strategy that it runs under: several workers merge their evaluations.
    """
    super().__init__(params, logging_dir=logging_dir, name=name)
    params.resolve()
    self._runtime = runtime or Runtime()
    self._train_steps = train_steps
    self._data_set = catalog.get(params.data_set)
    self._strategy = tf.distribute.get_strategy()
    self._ground_truth: ground_truth.GroundTruth | None = None

  # Implemented by subclasses.

  def normalizers(self, targets) -> Any:
    """Returns what a replica's losses are normalized by; known before the model runs."""
    raise NotImplementedError

  def normalizers_of(self, normalizers: Any, index: tf.Tensor) -> Any:
    """Returns the normalizers of the images `index` int32 [n] of that batch."""
    raise NotImplementedError

  def losses(self, outputs, targets, normalized_by, seed=None
             ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the weighted total of some images and what is logged, by name.

    Both add up over the parts of a batch.

    Args:
      outputs: the model's.
      targets: of these images.
      normalized_by: from `normalizers` or `normalizers_of`.
      seed: int32 [2], of what is random.
    """
    raise NotImplementedError

  def losses_of_images(self, outputs, targets) -> tf.Tensor:
    """Returns the weighted total per image, float32 [batch], as if each were its own batch."""
    raise NotImplementedError

  def loss_names(self) -> list[str]:
    """Returns the names under which `losses` logs."""
    raise NotImplementedError

  # Model and optimizer.

  def build_model(self) -> tf_keras.Model:
    """Returns the model with freshly initialized weights, a function of the runtime's seed."""
    return factory.build_model(self.task_config.model, seed=self._runtime.seed)

  def initialize(self, model: tf_keras.Model) -> restore.Report | None:
    """Restores `init_checkpoint`, if one is given; prints and returns the report."""
    return initialization.initialize(model, self.task_config)

  def parameter_groups(self, model: tf_keras.Model, optimizer: AdamW) -> dict[str, Any]:
    """Returns what the optimizer treats differently, as `training.optimizers.build` takes it."""
    return {
        'rate_multipliers': model.rate_multipliers(optimizer),
        'undecayed': model.undecayed_variables(),
    }

  # Data.

  def build_inputs(self, params: DataConfig,
                   input_context: tf.distribute.InputContext | None = None,
                   start_step: int = 0) -> tf.data.Dataset:
    """Returns the batches of one input pipeline.

    Args:
      params: the records.
      input_context: of the replica's pipeline.
      start_step: training resumes as if this many steps had been run.

    Raises:
      UserError: the replicas or the micro-batches cannot share a batch, or the records cannot be
        read.
    """
    replicas = input_context.num_replicas_in_sync if input_context else 1
    per_replica = params.global_batch_size // replicas
    micro = self.task_config.micro_batch_size
    if params.is_training and micro and per_replica % micro:
      raise UserError(
          f'task.micro_batch_size={micro} does not divide the {per_replica} images per replica; '
          'choose a divisor, or 0 for the complete batch')
    if not params.is_training and per_replica > 1 and not params.parser.output_size:
      print(f'validation: {per_replica} images per replica are padded to the largest of them, '
            'which changes the scores; the published ones are of one image '
            '(task.validation_data.global_batch_size=0)', flush=True)
    return reader.build(
        params, self.task_config.data_set, self._runtime.seed, start_step, input_context)

  def explain_failure(self, params: DataConfig, error: Exception) -> str:
    """Returns why an input pipeline failed and which record it was, in one line.

    Looks for the record for up to half a minute.

    Args:
      params: the records.
      error: what the pipeline raised, one of `decoder.ERRORS`.
    """
    why = decoder.explain(error)
    if why.startswith(input_service.LOST):
      return why
    try:
      place = record_faults.locate(params.input_path, self.task_config.data_set)
    except UserError as e:
      place = str(e)
    return place if place.endswith(why) else f'{why}; {place}'

  # Steps.

  def _prepare(self, features, targets):
    """Normalizes the images and pads images and id maps to what the model asks for."""
    divisor = self.task_config.model.size_divisibility
    images = image_ops.normalize(features['image'], features['image_size'])
    images = image_ops.pad_to_multiple(images, divisor)
    id_maps = image_ops.pad_to_multiple(tf.transpose(targets['id_maps'], [0, 2, 3, 1]), divisor)
    return images, {**targets, 'id_maps': tf.transpose(id_maps, [0, 3, 1, 2])}

  def _own_size(self, features) -> dict[str, tf.Tensor]:
    """Returns 'image_size' for the losses: an image alone is padded to the model's divisor only."""
    size = tf.cast(features['image_size'], tf.int32)
    return {'image_size': image_ops.round_up(size, self.task_config.model.size_divisibility)}

  def _trains_padded(self) -> bool:
    """Whether the settings let training images be padded to each other or to a window."""
    parser = self.task_config.train_data.parser
    is_alone = self.task_config.micro_batch_size == 1 and not parser.output_size
    # In a filled window the padding is part of the image.
    is_filled = parser.output_size and parser.padding_byte >= 0
    return not (is_alone or is_filled)

  def _seed(self, step: tf.Tensor) -> tf.Tensor:
    """Returns the seed of a step on this replica, int32 [2]."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    offset = _SEEDS_APART * self._runtime.seed % 2**31
    return tf.stack([tf.cast(step, tf.int32) + offset, tf.cast(replica, tf.int32)])

  def _progress(self, step: tf.Tensor) -> tf.Tensor | None:
    """Returns the share of the training that is done, float32 in 0 .. 1; None where unknown."""
    if not self._train_steps:
      return None
    return tf.minimum(tf.cast(step, tf.float32) / self._train_steps, 1.0)

  # Nothing here is Python that depends on tensors: conversion by AutoGraph would only double the
  # time of tracing.
  @tf.autograph.experimental.do_not_convert
  def train_step(self, inputs, model: tf_keras.Model, optimizer: tf_keras.optimizers.Optimizer,
                 metrics: list[tf_keras.metrics.Metric] | None = None) -> dict[str, tf.Tensor]:
    """One update on a batch (features, targets); returns the losses by name."""
    features, targets = inputs
    step = tf.convert_to_tensor(optimizer.iterations)
    progress = self._progress(step)
    def gradients_of(part, normalized_by, seed):
      return self._gradients(part, normalized_by, seed, progress, model, optimizer)
    no_gradients = [tf.zeros(v.shape) for v in model.trainable_variables]
    no_logs = {name: tf.constant(0.0) for name in ('loss', *self.loss_names())}
    gradients, logs = micro_batches.accumulate(
        gradients_of, (features, targets), self.normalizers(targets), self.normalizers_of,
        self._seed(step), self.task_config.micro_batch_size, (no_gradients, no_logs))
    dropped = tf.reduce_sum(targets['dropped_segments'])
    logs['dropped_segments'] = tf.cast(dropped, tf.float32)
    if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
      gradients = optimizer.get_unscaled_gradients(gradients)
    optimizer.apply_gradients(list(zip(gradients, model.trainable_variables)))
    for metric in metrics or []:
      metric.update_state(logs[metric.name])
    return {**logs, 'example_id': targets['example_id']}

  def _gradients(self, inputs, normalized_by, seed, progress, model, optimizer
                 ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
    """Returns the gradients of some images' losses and these losses by name.

    The gradients are scaled as the optimizer asks.
    """
    images, targets = self._prepare(*inputs)
    if self._trains_padded():
      targets.update(self._own_size(inputs[0]))
    with tf.GradientTape() as tape:
      outputs = model(images, training=True, seed=seed, progress=progress)
      total, logs = self.losses(outputs, targets, normalized_by, seed)
      # Gradients are summed over replicas.
      scaled = total / tf.distribute.get_strategy().num_replicas_in_sync
      if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
        scaled = optimizer.get_scaled_loss(scaled)
    return tape.gradient(scaled, model.trainable_variables), {'loss': total, **logs}

  def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
    """Returns a mean for each loss in training; validation is scored on the host."""
    if not training:
      return []
    return [tf_keras.metrics.Mean(name) for name in [*self.loss_names(), 'dropped_segments']]

  def num_predictions(self) -> int:
    """Returns the number of predictions of the model that have a loss."""
    return self.task_config.model.num_predictions()

  @tf.autograph.experimental.do_not_convert
  def validation_step(self, inputs, model: tf_keras.Model, metrics=None) -> dict[str, tf.Tensor]:
    """Returns the last prediction's logits and what the host needs to score them."""
    del metrics
    features, targets = inputs
    images, targets = self._prepare(features, targets)
    targets.update(self._own_size(features))
    outputs = model(images, training=False)
    batch = tf.shape(images)[0]
    return {
        **{name: logits[-1] for name, logits in outputs.items()},
        'loss': self.losses_of_images(outputs, targets),
        'padded_size': tf.tile(tf.shape(images)[None, 1:3], [batch, 1]),
        'image_size': features['image_size'],
        'original_size': targets['original_size'],
        'example_id': targets['example_id'],
        'is_real': targets['is_real'],
    }

  # Scoring, on the host.

  def expected_examples(self) -> int:
    """Returns the number of images in the validation records; each must be scored exactly once."""
    return len(self._truth())

  def aggregate_logs(self, state: Scores | None = None, step_outputs: Any = None) -> Scores:
    """Hands one step's images over to be scored; may return before they are.

    Every worker is to call it at every step, with its own images.

    Args:
      state: what the earlier steps accumulated; None at first.
      step_outputs: what `validation_step` returned, a tuple of one value per replica under each
        name.

    Returns:
      The state with these images in it.
    """
    if state is None:
      state = self._new_scores()
    for replica in range(len(step_outputs['loss'])):
      # Logits stay on their device, where the answers are computed.
      outputs = {
          name: values[replica] if name.endswith('_logits') else values[replica].numpy()
          for name, values in step_outputs.items()}
      for i in np.flatnonzero(outputs['is_real']):
        state.add({name: value[i] for name, value in outputs.items()})
    state.end_step()
    return state

  def _new_scores(self) -> Scores:
    """Returns the state of an evaluation that has not scored anything yet."""
    arguments = (self.task_config.evaluation, self._data_set, self._truth())
    place = merging.place(self._strategy)
    if place.count == 1:
      return Scores(*arguments)
    return SpreadScores(*arguments, place, lambda one: merging.gather(one, self._strategy))

  def reduce_aggregated_logs(self, aggregated_logs: Scores, global_step: tf.Tensor | None = None
                             ) -> dict[str, Any]:
    """Returns the metrics of the complete set, {'pq_all': …}; see `Scores.result`."""
    del global_step
    return aggregated_logs.result()

  def metric_names(self) -> list[str]:
    """Returns the metrics that may choose the best checkpoint."""
    names = evaluators.metric_names(self.task_config.evaluation, self._data_set)
    return [*names, 'validation_loss']

  def _truth(self) -> ground_truth.GroundTruth:
    if self._ground_truth is None:
      evaluation = self.task_config.evaluation
      self._ground_truth = ground_truth.GroundTruth(
          self.task_config.validation_data.input_path, self.task_config.data_set,
          evaluation.instance_annotations, evaluation.semantic_labels)
    return self._ground_truth
