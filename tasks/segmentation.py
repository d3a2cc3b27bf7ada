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
from tf_maskformer.dataloaders import ground_truth
from tf_maskformer.dataloaders import reader
from tf_maskformer.errors import UserError
from tf_maskformer.evaluation import report
from tf_maskformer.modeling import factory
from tf_maskformer.modeling.conversion import restore
from tf_maskformer.ops import image as image_ops
from tf_maskformer.tasks import initialization
from tf_maskformer.tasks import micro_batches
from tf_maskformer.tasks.scores import Scores


class SegmentationTask(base_task.Task):
  """A model on records; what its loss is, a subclass says in `losses` and `losses_of_images`."""

  def __init__(self, params: Segmentation, runtime: Runtime | None = None, logging_dir: str | None = None,
               name: str | None = None):
    """Makes the task.

    Args:
      params: the task's configuration.
      runtime: seed, and whether the step is compiled; defaults to Runtime().
      logging_dir: the model's folder.
      name: the task's name.
    """
    super().__init__(params, logging_dir=logging_dir, name=name)
    params.resolve()
    self._runtime = runtime or Runtime()
    self._data_set = catalog.get(params.data_set)
    self._ground_truth: ground_truth.GroundTruth | None = None

  # Of the subclass.

  def normalizers(self, targets) -> Any:
    """Returns what the losses of a replica's whole batch are normalized by; known before the model runs."""
    raise NotImplementedError

  def normalizers_of(self, whole, index: tf.Tensor) -> Any:
    """Returns the same for the images `index` int32 [n] of that batch."""
    raise NotImplementedError

  def losses(self, outputs, targets, normalized_by, seed=None) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the weighted total of some images and what is logged, by name; what is random follows `seed`.

    Both add up over the parts of a batch.
    """
    raise NotImplementedError

  def losses_of_images(self, outputs, targets) -> tf.Tensor:
    """Returns the weighted total of every image, float32 [batch], as if it were a batch of its own."""
    raise NotImplementedError

  def loss_names(self) -> list[str]:
    """Returns the names under which `losses` logs."""
    raise NotImplementedError

  # Model and optimizer.

  def build_model(self) -> tf_keras.Model:
    return factory.build_model(self.task_config.model, seed=self._runtime.seed)

  def initialize(self, model: tf_keras.Model) -> restore.Report | None:
    """Restores `init_checkpoint`, if one is given, prints what was and was not restored, and returns that report."""
    return initialization.initialize(model, self.task_config)

  def parameter_groups(self, model: tf_keras.Model, optimizer: AdamW) -> dict[str, Any]:
    """Returns what the optimizer treats differently, as `training.optimizers.build` takes it."""
    return {
        'rate_multipliers': model.rate_multipliers(optimizer),
        'undecayed': model.undecayed_variables(),
    }

  # Data.

  def build_inputs(self, params: DataConfig, input_context: tf.distribute.InputContext | None = None,
                   start_step: int = 0) -> tf.data.Dataset:
    """Returns the batches of one input pipeline; training goes on as if `start_step` steps had been run.

    Raises:
      UserError: the replicas or the micro-batches cannot share a batch, or the records cannot be read.
    """
    replicas = input_context.num_replicas_in_sync if input_context else 1
    per_replica, micro = params.global_batch_size // replicas, self.task_config.micro_batch_size
    if params.is_training and micro and per_replica % micro:
      raise UserError(f'task.micro_batch_size={micro} does not divide the {per_replica} images per replica; choose a '
                      'divisor, or 0 for the whole batch')
    if not params.is_training and per_replica > 1 and not params.parser.output_size:
      print(f'validation: {per_replica} images per replica are padded to the largest of them, which changes the '
            'scores; the published ones are of one image (task.validation_data.global_batch_size=0)', flush=True)
    return reader.build(params, self.task_config.data_set, self._runtime.seed, start_step, input_context)

  # Steps.

  def _prepare(self, features, targets):
    """Normalizes the images and pads images and id maps to what the model asks for."""
    divisor = self.task_config.model.size_divisibility
    images = image_ops.normalize(features['image'], features['image_size'])
    images = image_ops.pad_to_multiple(images, divisor)
    id_maps = image_ops.pad_to_multiple(tf.transpose(targets['id_maps'], [0, 2, 3, 1]), divisor)
    return images, {**targets, 'id_maps': tf.transpose(id_maps, [0, 3, 1, 2])}

  def _own_size(self, features) -> dict[str, tf.Tensor]:
    """Returns 'image_size' for the losses: an image alone would be padded to the model's divisor, but no further."""
    size = tf.cast(features['image_size'], tf.int32)
    return {'image_size': image_ops.round_up(size, self.task_config.model.size_divisibility)}

  def _trains_padded(self) -> bool:
    """Whether training images may be padded to each other or to a window; known without looking at them."""
    parser = self.task_config.train_data.parser
    is_alone = self.task_config.micro_batch_size == 1 and not parser.output_size
    is_whole = parser.output_size and parser.padding_byte >= 0  # there the padding is a part of the image
    return not (is_alone or is_whole)

  # Nothing here is Python that depends on tensors: conversion by AutoGraph only costs half the time of tracing.
  @tf.autograph.experimental.do_not_convert
  def train_step(self, inputs, model: tf_keras.Model, optimizer: tf_keras.optimizers.Optimizer,
                 metrics: list[tf_keras.metrics.Metric] | None = None) -> dict[str, tf.Tensor]:
    """One update on a batch (features, targets); returns the losses by name."""
    features, targets = inputs
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    step = tf.cast(optimizer.iterations, tf.int32)
    seed = tf.stack([step + 1000003 * self._runtime.seed % 2**31, tf.cast(replica, tf.int32)])
    def gradients_of(part, normalized_by, seed):
      return self._gradients(part, normalized_by, seed, model, optimizer)
    nothing = ([tf.zeros(v.shape) for v in model.trainable_variables],
               {name: tf.constant(0.0) for name in ('loss', *self.loss_names())})
    gradients, logs = micro_batches.accumulate(
        gradients_of, (features, targets), self.normalizers(targets), self.normalizers_of, seed,
        self.task_config.micro_batch_size, nothing)
    logs['dropped_segments'] = tf.cast(tf.reduce_sum(targets['dropped_segments']), tf.float32)
    if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
      gradients = optimizer.get_unscaled_gradients(gradients)
    optimizer.apply_gradients(list(zip(gradients, model.trainable_variables)))
    for metric in metrics or []:
      metric.update_state(logs[metric.name])
    return {**logs, 'example_id': targets['example_id']}

  def _gradients(self, inputs, normalized_by, seed, model, optimizer) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
    """Returns the gradients of some images' losses, scaled as the optimizer asks, and these losses by name."""
    images, targets = self._prepare(*inputs)
    if self._trains_padded():
      targets.update(self._own_size(inputs[0]))
    with tf.GradientTape() as tape:
      outputs = model(images, training=True, seed=seed)
      total, logs = self.losses(outputs, targets, normalized_by, seed)
      # Gradients are summed over replicas.
      scaled = total / tf.distribute.get_strategy().num_replicas_in_sync
      if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
        scaled = optimizer.get_scaled_loss(scaled)
    return tape.gradient(scaled, model.trainable_variables), {'loss': total, **logs}

  def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
    if not training:
      return []
    return [tf_keras.metrics.Mean(name) for name in [*self.loss_names(), 'dropped_segments']]

  def num_predictions(self) -> int:
    """Returns the number of predictions of the model that have a loss."""
    return self.task_config.model.num_predictions()

  @tf.autograph.experimental.do_not_convert
  def validation_step(self, inputs, model: tf_keras.Model, metrics=None) -> dict[str, tf.Tensor]:
    """Returns the last layer's logits and what the host needs to score them at original size."""
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
    """Scores one step's images on the host.

    Args:
      state: what the earlier steps gathered; None at first.
      step_outputs: what `validation_step` returned, a tuple of one value a replica under each name.

    Returns:
      The state with these images in it.
    """
    if state is None:
      state = Scores(self.task_config.evaluation, self._data_set, self._truth())
    for replica in range(len(step_outputs['loss'])):
      outputs = {name: values[replica].numpy() for name, values in step_outputs.items()}
      for i in np.flatnonzero(outputs['is_real']):
        state.add({name: value[i] for name, value in outputs.items()})
    return state

  def reduce_aggregated_logs(self, aggregated_logs: Scores, global_step: tf.Tensor | None = None) -> dict[str, Any]:
    """Returns the metrics of the whole set, {'pq_all': …}, their table, the ids scored, and images."""
    del global_step
    return aggregated_logs.result()

  def metric_names(self) -> list[str]:
    """Returns the metrics that may choose the best checkpoint."""
    evaluation = self.task_config.evaluation
    names = report.names(
        evaluation.panoptic, evaluation.semantic, evaluation.instance,
        self._data_set.instance_rule, self._data_set.semantic_rule)
    return [*names, 'validation_loss']

  def _truth(self) -> ground_truth.GroundTruth:
    if self._ground_truth is None:
      evaluation = self.task_config.evaluation
      self._ground_truth = ground_truth.GroundTruth(
          self.task_config.validation_data.input_path, self.task_config.data_set,
          evaluation.instance_annotations, evaluation.semantic_labels)
    return self._ground_truth
