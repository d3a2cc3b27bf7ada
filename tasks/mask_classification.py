"""The task that trains and evaluates mask classification models: wiring only."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import base_task

from configs import datasets
from configs.data import DataConfig
from configs.task import MaskClassification
from configs.task import Runtime
from dataloaders import ground_truth
from dataloaders import reader
from evaluation import drawing
from evaluation import panoptic_quality
from evaluation import report
from losses.set_loss import SetLoss
from modeling import factory
from modeling import parameter_groups
from modeling.postprocessing.panoptic import panoptic
from ops import image as image_ops
from tasks import initialization

TERMS = ('class', 'mask', 'dice')


class MaskClassificationTask(base_task.Task):
  """MaskFormer on panoptic data: set loss while training, panoptic quality at original size in validation."""

  def __init__(self, params: MaskClassification, runtime: Runtime | None = None, logging_dir: str | None = None,
               name: str | None = None):
    """Makes the task.

    Args:
      params: the task's configuration.
      runtime: seed, and whether the step is compiled; defaults to Runtime().
      logging_dir: the model's folder.
      name: the task's name.
    """
    super().__init__(params, logging_dir=logging_dir, name=name)
    self._runtime = runtime or Runtime()
    self._data_set = datasets.get(params.data_set)
    in_graph = {'graph': True, 'host': False, 'auto': self._runtime.jit_compile
                or self._runtime.distribution_strategy == 'tpu'}[params.losses.matcher]
    self._set_loss = SetLoss(params.losses, params.model.num_classes, in_graph=in_graph)
    self._ground_truth: ground_truth.GroundTruth | None = None

  # Model and optimiser.

  def build_model(self) -> tf_keras.Model:
    return factory.build_model(self.task_config.model, seed=self._runtime.seed)

  def initialize(self, model: tf_keras.Model) -> None:
    """Restores `init_checkpoint`, if one is given, and prints what was and was not restored."""
    initialization.initialize(model, self.task_config)

  def parameter_groups(self, model: tf_keras.Model) -> dict[str, list[tf.Variable]]:
    """Returns the variables with a backbone's learning rate and those without weight decay."""
    return {
        'backbone': parameter_groups.backbone_variables(model),
        'undecayed': parameter_groups.undecayed_variables(model),
    }

  # Data.

  def build_inputs(self, params: DataConfig, input_context: tf.distribute.InputContext | None = None,
                   start_step: int = 0) -> tf.data.Dataset:
    """Returns the batches of one input pipeline; training goes on as if `start_step` steps had been run."""
    return reader.build(params, seed=self._runtime.seed, start_step=start_step, input_context=input_context)

  def preflight(self, params: DataConfig) -> None:
    """Raises a UserError where records are missing or not of this task's data set."""
    reader.preflight(params, self.task_config.model.num_classes)

  # Steps.

  def _prepare(self, features, targets):
    """Normalises the pictures and pads pictures and id maps to what the model asks for."""
    divisor = self.task_config.model.size_divisibility
    images = image_ops.normalize(features['image'], features['image_size'])
    images = image_ops.pad_to_multiple(images, divisor)
    id_maps = image_ops.pad_to_multiple(tf.transpose(targets['id_maps'], [0, 2, 3, 1]), divisor)
    return images, {**targets, 'id_maps': tf.transpose(id_maps, [0, 3, 1, 2])}

  def _losses(self, outputs, targets) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the weighted total and every unweighted term, by name, of this replica."""
    query_index = self._set_loss.match(outputs, targets)
    terms = self._set_loss.terms(outputs, targets, query_index)
    total = self._set_loss.weigh(terms)
    logs = {'loss': total}
    for term in TERMS:
      logs[f'{term}_loss'] = tf.reduce_sum(terms[term])
      for layer, value in enumerate(tf.unstack(terms[term])):
        logs[f'{term}_loss/layer_{layer}'] = value
    return total, logs

  def train_step(self, inputs, model: tf_keras.Model, optimizer: tf_keras.optimizers.Optimizer,
                 metrics: list[tf_keras.metrics.Metric] | None = None) -> dict[str, tf.Tensor]:
    """One update on a batch (features, targets); returns the losses by name."""
    features, targets = inputs
    images, targets = self._prepare(features, targets)
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    step = tf.cast(optimizer.iterations, tf.int32)
    seed = tf.stack([step + 1000003 * self._runtime.seed, tf.cast(replica, tf.int32)])
    with tf.GradientTape() as tape:
      outputs = model(images, training=True, seed=seed)
      total, logs = self._losses(outputs, targets)
      # Gradients are summed over replicas.
      scaled = total / replicas
      if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
        scaled = optimizer.get_scaled_loss(scaled)
    gradients = tape.gradient(scaled, model.trainable_variables)
    if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
      gradients = optimizer.get_unscaled_gradients(gradients)
    optimizer.apply_gradients(list(zip(gradients, model.trainable_variables)))
    for metric in metrics or []:
      metric.update_state(logs[metric.name])
    return logs

  def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
    if not training:
      return []
    layers = self.task_config.model.transformer_decoder.layers if self.task_config.model.deep_supervision else 1
    names = [f'{term}_loss' for term in TERMS]
    names += [f'{term}_loss/layer_{layer}' for term in TERMS for layer in range(layers)]
    return [tf_keras.metrics.Mean(name) for name in names]

  def validation_step(self, inputs, model: tf_keras.Model, metrics=None) -> dict[str, tf.Tensor]:
    """Returns the last layer's logits and what the host needs to score them at original size."""
    del metrics
    features, targets = inputs
    images, targets = self._prepare(features, targets)
    outputs = model(images, training=False)
    _, logs = self._losses(outputs, targets)
    batch = tf.shape(images)[0]
    padded_size = tf.tile(tf.shape(images)[None, 1:3], [batch, 1])
    return {
        'loss': logs['loss'],
        'class_logits': outputs['class_logits'][-1],
        'mask_logits': outputs['mask_logits'][-1],
        'padded_size': padded_size,
        'image_size': features['image_size'],
        'original_size': targets['original_size'],
        'example_id': targets['example_id'],
        'is_real': targets['is_real'],
    }

  # Scoring, on the host.

  def expected_examples(self) -> int:
    """Returns the number of pictures in the validation records; each must be scored exactly once."""
    return len(self._truth())

  def _truth(self) -> ground_truth.GroundTruth:
    if self._ground_truth is None:
      self._ground_truth = ground_truth.GroundTruth(self.task_config.validation_data.input_path)
    return self._ground_truth
