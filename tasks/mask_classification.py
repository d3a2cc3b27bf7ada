"""The task that trains and evaluates mask classification models: wiring only."""

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
from losses.set_loss import TERMS
from losses.set_loss import SetLoss
from modeling import factory
from modeling import parameter_groups
from modeling.postprocessing.panoptic import panoptic
from ops import image as image_ops
from tasks import initialization


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
    self.set_loss = SetLoss(params.losses, params.model.num_classes, in_graph=in_graph)
    # Of one picture, whatever else is in its batch and on other replicas.
    own = params.losses.replace(class_normalizer='replica')
    self._picture_loss = SetLoss(own, params.model.num_classes, in_graph=in_graph)
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
    return reader.build(params, self.task_config.data_set, self._runtime.seed, start_step, input_context)

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
    query_index = self.set_loss.match(outputs, targets)
    terms = self.set_loss.terms(outputs, targets, query_index)
    total = self.set_loss.weigh(terms)
    logs = {'loss': total}
    for term in TERMS:
      logs[f'{term}_loss'] = tf.reduce_sum(terms[term])
      for layer, value in enumerate(tf.unstack(terms[term])):
        logs[f'{term}_loss/layer_{layer}'] = value
        logs[f'weighted_{term}_loss/layer_{layer}'] = self.set_loss.weights[term] * value
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
      logs['dropped_segments'] = tf.cast(tf.reduce_sum(targets['dropped_segments']), tf.float32)
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
    return {**logs, 'example_id': targets['example_id']}

  def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
    if not training:
      return []
    layers = self.task_config.model.transformer_decoder.layers if self.task_config.model.deep_supervision else 1
    names = [f'{term}_loss' for term in TERMS]
    names += [f'{kind}{term}_loss/layer_{layer}' for kind in ('', 'weighted_') for term in TERMS
              for layer in range(layers)]
    names.append('dropped_segments')
    return [tf_keras.metrics.Mean(name) for name in names]

  def validation_step(self, inputs, model: tf_keras.Model, metrics=None) -> dict[str, tf.Tensor]:
    """Returns the last layer's logits and what the host needs to score them at original size."""
    del metrics
    features, targets = inputs
    images, targets = self._prepare(features, targets)
    outputs = model(images, training=False)
    batch = tf.shape(images)[0]
    padded_size = tf.tile(tf.shape(images)[None, 1:3], [batch, 1])
    return {
        'loss': self._losses_of_pictures(outputs, targets),
        'class_logits': outputs['class_logits'][-1],
        'mask_logits': outputs['mask_logits'][-1],
        'padded_size': padded_size,
        'image_size': features['image_size'],
        'original_size': targets['original_size'],
        'example_id': targets['example_id'],
        'is_real': targets['is_real'],
    }

  def _losses_of_pictures(self, outputs, targets) -> tf.Tensor:
    """Returns the weighted total of every picture, float32 [batch], as if it were a batch of its own."""
    query_index = self._picture_loss.match(outputs, targets)
    totals = []
    for i in range(query_index.shape[1]):
      own_outputs = {name: value[:, i:i + 1] for name, value in outputs.items()}
      own_targets = {name: value[i:i + 1] for name, value in targets.items()}
      num_masks = tf.maximum(tf.reduce_sum(tf.cast(own_targets['valid'], tf.float32)), 1.0)
      terms = self._picture_loss.terms(own_outputs, own_targets, query_index[:, i:i + 1], num_masks)
      totals.append(self._picture_loss.weigh(terms))
    return tf.stack(totals)

  # Scoring, on the host.

  def expected_examples(self) -> int:
    """Returns the number of pictures in the validation records; each must be scored exactly once."""
    return len(self._truth())

  def aggregate_logs(self, state: dict[str, Any] | None = None, step_outputs: Any = None) -> dict[str, Any]:
    """Scores one step's pictures on the host.

    Args:
      state: what the earlier steps gathered; None at first.
      step_outputs: what `validation_step` returned, a tuple of one value a replica under each name.

    Returns:
      The state with these pictures in it.
    """
    if state is None:
      state = {'quality': panoptic_quality.PanopticQuality(self._data_set.num_classes, self._data_set.thing_classes),
               'loss': 0.0, 'scored': [], 'images': []}
    for replica in range(len(step_outputs['loss'])):
      outputs = {name: values[replica].numpy() for name, values in step_outputs.items()}
      real = np.flatnonzero(outputs['is_real'])
      state['loss'] += float(outputs['loss'][real].sum())
      for i in real:
        self._score(state, {name: value[i] for name, value in outputs.items()})
    return state

  def _score(self, state: dict[str, Any], output: dict[str, np.ndarray]) -> None:
    """Adds one picture to the state."""
    evaluation = self.task_config.evaluation
    example_id = int(output['example_id'])
    id_map, segments = panoptic(
        output['class_logits'], output['mask_logits'], tuple(output['padded_size']), tuple(output['image_size']),
        tuple(output['original_size']), self._data_set.thing_classes, evaluation.object_mask_threshold,
        evaluation.overlap_threshold)
    true_map, true_segments = self._truth()[example_id]
    state['quality'].update(true_map, true_segments, id_map, segments)
    state['scored'].append(example_id)
    if len(state['images']) < evaluation.num_pictures:
      picture = self._truth().picture(example_id)
      classes = self._data_set.classes
      state['images'].append(drawing.side_by_side(
          [picture, drawing.draw_panoptic(picture, true_map, true_segments, classes),
           drawing.draw_panoptic(picture, id_map, segments, classes)], ['picture', 'truth', 'prediction']))

  def reduce_aggregated_logs(self, aggregated_logs: dict[str, Any], global_step: tf.Tensor | None = None
                             ) -> dict[str, Any]:
    """Returns the metrics of the whole set, {'pq_all': …}, and pictures under 'images'."""
    del global_step
    result = aggregated_logs['quality'].result()
    metrics = report.flat(result, self._data_set.classes, self.task_config.evaluation.report_per_class)
    metrics['validation_loss'] = aggregated_logs['loss'] / max(len(aggregated_logs['scored']), 1)
    return {**metrics, 'scored': aggregated_logs['scored'],
            'table': report.table(result, self._data_set.classes, self.task_config.evaluation.report_per_class),
            'images': {f'prediction_{i}': image[None] for i, image in enumerate(aggregated_logs['images'])}}

  @staticmethod
  def metric_names() -> list[str]:
    """Returns the metrics that may choose the best checkpoint."""
    return [*report.names(), 'validation_loss']

  def _truth(self) -> ground_truth.GroundTruth:
    if self._ground_truth is None:
      self._ground_truth = ground_truth.GroundTruth(
          self.task_config.validation_data.input_path, self.task_config.data_set)
    return self._ground_truth
