"""One measurement of `scripts/benchmark.py`, printed as a line of JSON.

Its fields are seconds, peak_gb (of the process) and work_gb (the same less what the process held
after its imports). Exit code 3: a package is not installed, or this side does not do this work.
"""

import argparse
import importlib
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np

NUM_CLASSES = 133
NUM_QUERIES = 100


def random_batch(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Makes a seeded batch.

  Returns:
    Normalized images, float32 [batch, size, size, 3].
    Ids of segments from 1, int [batch, size, size].
    Classes of the segments, int [batch, segments].
  """
  rng = np.random.default_rng(0)
  cells = 16
  ids = rng.integers(1, args.segments + 1, [args.batch, cells, cells])
  ids = np.kron(ids, np.ones([1, args.size // cells, args.size // cells], int))
  images = rng.normal(size=[args.batch, args.size, args.size, 3]).astype(np.float32)
  return images, ids, rng.integers(0, NUM_CLASSES, [args.batch, args.segments])


def resident() -> float:
  """Returns the peak memory of this process so far, in GB."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def timed(call: Callable[[], Any], repeats: int) -> dict[str, float]:
  """Returns the median seconds of `call` after one warm-up, and the process's peak memory."""
  call()
  seconds = []
  for _ in range(repeats):
    start = time.perf_counter()
    call()
    seconds.append(time.perf_counter() - start)
  return {'seconds': statistics.median(seconds), 'peak_gb': resident()}


class Ours:
  """This project's model, loss and optimizer, as the task runs them.

  Attributes:
    after_imports: memory of the process before anything is built, in GB.
  """

  def __init__(self, args: argparse.Namespace):
    import tensorflow as tf
    import tf_keras

    from tf_maskformer.configs.experiments import registry
    from tf_maskformer.tasks.factory import build_task
    from tf_maskformer.training import optimizers

    self.after_imports = resident()
    if args.threads:
      tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    if args.precision == 'bfloat16':
      tf_keras.mixed_precision.set_global_policy('mixed_bfloat16')
    self.tf = tf
    self.args = args
    suffix = '' if args.backbone == 'r50' else f'_{args.backbone}'
    experiment = registry.get(f'{args.model}_coco_panoptic{suffix}')
    if args.model == 'maskformer':
      experiment.task.model.which_pixel_decoder = 'fpn'  # the only one of the port
    experiment.task.micro_batch_size = args.micro_batch
    self.task = build_task(experiment.task, experiment.runtime)
    self.model = self.task.build_model()
    optimization = experiment.trainer.optimizer_config
    groups = self.task.parameter_groups(self.model, optimization.optimizer)
    self.optimizer = optimizers.build(optimization, experiment.trainer.train_steps, **groups)
    images, ids, classes = random_batch(args)
    self.images = tf.constant(images)
    self.features = {
        'image': tf.constant((images * 50 + 120).clip(0, 255).astype(np.uint8)),
        'image_size': tf.fill([args.batch, 2], args.size)}
    self.targets = self._targets(ids, classes, experiment.task.train_data.parser.max_segments)

  def _targets(self, ids: np.ndarray, classes: np.ndarray, slots: int) -> dict:
    """Returns the targets of a batch as the reader makes them, each image with `slots` slots."""
    tf = self.tf
    batch, num_segments = classes.shape
    padded = np.zeros([batch, slots], np.int32)
    padded[:, :num_segments] = classes
    return {
        'id_maps': tf.constant(ids[:, None].astype(np.uint8)),
        'classes': tf.constant(padded),
        'plane': tf.zeros([batch, slots], tf.int32),
        'valid': tf.constant(np.arange(slots)[None].repeat(batch, 0) < num_segments),
        'dropped_segments': tf.zeros([batch], tf.int32),
        'is_real': tf.ones([batch], tf.bool),
        'example_id': tf.range(batch, dtype=tf.int64),
        'original_size': tf.fill([batch, 2], self.args.size)}

  def train(self) -> dict:
    """Times a training step."""
    self.optimizer.build(self.model.trainable_variables)  # else the step is traced twice
    step = self.tf.function(lambda features, targets: self.task.train_step(
        (features, targets), self.model, self.optimizer)['loss'])
    return timed(lambda: step(self.features, self.targets).numpy(), self.args.repeats)

  def inference(self) -> dict:
    """Times the model on images that are already normalized."""
    step = self.tf.function(lambda x: self.model(x, last_layer_only=True))
    def call():
      outputs = step(self.images)
      return [v.numpy() for v in outputs.values()]
    return timed(call, self.args.repeats)

  def matching(self) -> dict:
    """Times the assignment of queries to targets, for all supervised layers."""
    outputs = self.tf.function(lambda x: self.model(x))(self.images)
    match = self.tf.function(self.task.set_loss.match)
    return timed(lambda: match(outputs, self.targets).numpy(), self.args.repeats)

  def input(self) -> dict:
    """Times the input pipeline; the seconds are per image."""
    from tf_maskformer.configs.experiments import registry
    from tf_maskformer.dataloaders import reader
    params = registry.get('maskformer_coco_panoptic').task.train_data
    params.input_path = self.args.records
    params.global_batch_size = self.args.batch
    batches = iter(reader.build(params, self.args.data_set, seed=0))
    images = 32
    def call():
      for _ in range(-(-images // self.args.batch)):
        next(batches)
    result = timed(call, self.args.repeats)
    return {**result, 'seconds': result['seconds'] / images}

  def _seconds(self, call: Callable[[], Any]) -> float:
    return timed(call, self.args.repeats)['seconds']

  def _gradient_seconds(self, function: Callable[[], Any], variables: list) -> float:
    """Times `function`, a nest of tensors, along with the gradient of their sum."""
    tf = self.tf
    def call():
      with tf.GradientTape() as tape:
        values = tf.nest.flatten(function())
        total = tf.add_n([tf.reduce_sum(tf.cast(v, tf.float32)) for v in values])
      # Return every gradient, or graph pruning would skip some.
      return [g for g in tape.gradient(total, variables) if g is not None]
    compiled = tf.function(call)
    return self._seconds(lambda: compiled()[-1].numpy())

  def parts(self) -> dict:
    """Times each part of a training step, forward and backward."""
    tf = self.tf
    model = self.model
    images = tf.cast(self.images, model.compute_dtype)
    features = tf.function(model.backbone)(images)
    pyramid = tf.function(model.pixel_decoder)(features)
    outputs = tf.function(lambda: model.predictor(pyramid))()
    # Variables, so that the gradient reaches what the part before would get.
    feature_inputs = tf.nest.map_structure(tf.Variable, features)
    pyramid_inputs = tf.nest.map_structure(tf.Variable, pyramid)
    seed = tf.constant([1, 2])
    def decode_pixels():
      inputs = tf.nest.map_structure(tf.convert_to_tensor, feature_inputs)
      return model.pixel_decoder(inputs, seed=seed)['mask_features']
    def predict():
      inputs = tf.nest.map_structure(tf.convert_to_tensor, pyramid_inputs)
      return model.predictor(inputs, seed=seed)
    parts = {
        'backbone': self._gradient_seconds(
            lambda: model.backbone(images), model.backbone.trainable_variables),
        'pixel decoder': self._gradient_seconds(
            decode_pixels,
            [*model.pixel_decoder.trainable_variables, *tf.nest.flatten(feature_inputs)]),
        'transformer decoder and heads': self._gradient_seconds(
            predict, [*model.predictor.trainable_variables, *tf.nest.flatten(pyramid_inputs)]),
        **self._loss_parts(outputs),
        'optimizer': self._optimizer_seconds(),
        'training step': self.train()['seconds'],
    }
    return {'parts': parts, 'seconds': parts['training step'], 'peak_gb': 0.0}

  def _loss_parts(self, outputs: dict) -> dict[str, float]:
    tf = self.tf
    set_loss = self.task.set_loss
    match = tf.function(set_loss.match)
    query_index = match(outputs, self.targets)
    logits = {name: tf.Variable(value) for name, value in outputs.items()}
    def losses():
      inputs = {name: tf.convert_to_tensor(value) for name, value in logits.items()}
      return set_loss.weigh(set_loss.terms(inputs, self.targets, query_index))
    return {
        'matching': self._seconds(lambda: match(outputs, self.targets).numpy()),
        'losses': self._gradient_seconds(losses, list(logits.values())),
    }

  def _optimizer_seconds(self) -> float:
    variables = self.model.trainable_variables
    gradients = [self.tf.zeros_like(v) for v in variables]
    apply = self.tf.function(
        lambda: self.optimizer.apply_gradients(list(zip(gradients, variables))))
    return self._seconds(lambda: apply().numpy())


class HuggingFace:
  """Hugging Face's MaskFormer (plain FPN) or Mask2Former in PyTorch.

  Attributes:
    after_imports: memory of the process before anything is built, in GB.
  """

  def __init__(self, args: argparse.Namespace):
    try:
      import torch
      import transformers
    except ImportError:
      sys.exit(3)
    # Otherwise it would be imported on first use, after the memory was read.
    importlib.import_module(f'transformers.models.{args.model}.modeling_{args.model}')
    self.after_imports = resident()
    torch.manual_seed(0)
    if args.threads:
      torch.set_num_threads(args.threads)
    self.torch = torch
    self.args = args
    self.model = self._build(transformers)
    images, ids, classes = random_batch(args)
    self.images = torch.tensor(images.transpose(0, 3, 1, 2)).contiguous()
    segments = np.arange(1, args.segments + 1)[:, None, None]
    self.masks = [torch.tensor((id_map == segments).astype(np.float32)) for id_map in ids]
    self.classes = [torch.tensor(c) for c in classes]

  def _build(self, transformers):
    stages = ['stage1', 'stage2', 'stage3', 'stage4']
    if self.args.backbone == 'r50':
      backbone = transformers.ResNetConfig(out_features=stages)
    else:
      backbone = transformers.SwinConfig(image_size=384, out_features=stages)
    common = dict(
        backbone_config=backbone, num_labels=NUM_CLASSES,
        use_auxiliary_loss=self.args.work != 'inference')
    if self.args.model == 'mask2former':
      config = transformers.Mask2FormerConfig(num_queries=NUM_QUERIES, **common)
      return transformers.Mask2FormerForUniversalSegmentation(config)
    decoder = transformers.DetrConfig(
        num_queries=NUM_QUERIES, decoder_layers=6, encoder_layers=0)
    config = transformers.MaskFormerConfig(
        decoder_config=decoder, output_hidden_states=True, **common)
    return transformers.MaskFormerForInstanceSegmentation(config)

  def _autocast(self):
    is_bfloat16 = self.args.precision == 'bfloat16'
    return self.torch.autocast('cpu', self.torch.bfloat16, enabled=is_bfloat16)

  def train(self) -> dict:
    """Times a training step."""
    torch = self.torch
    model = self.model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    def call():
      optimizer.zero_grad()
      with self._autocast():
        outputs = model(
            pixel_values=self.images, mask_labels=self.masks, class_labels=self.classes,
            output_hidden_states=True)
        loss = outputs.loss
      loss.backward()
      torch.nn.utils.clip_grad_norm_(model.parameters(), 0.01)
      optimizer.step()
      return loss.item()
    return timed(call, self.args.repeats)

  def inference(self) -> dict:
    """Times the model on images that are already normalized."""
    model = self.model.eval()
    needs_states = self.args.model == 'mask2former'  # its predictions are made from them
    def call():
      with self.torch.no_grad(), self._autocast():
        return model(pixel_values=self.images, output_hidden_states=needs_states)
    return timed(call, self.args.repeats)

  def matching(self) -> dict:
    """Times the assignment of queries to targets, for six supervised layers."""
    if self.args.model != 'maskformer':
      sys.exit(3)  # its matcher is part of the loss
    from transformers.models.maskformer.modeling_maskformer import MaskFormerHungarianMatcher
    matcher = MaskFormerHungarianMatcher(cost_class=1.0, cost_dice=1.0, cost_mask=20.0)
    with self.torch.no_grad():
      model = self.model.eval()
      outputs = model(pixel_values=self.images, output_hidden_states=True)
      def call():  # once per supervised layer, as its loss does
        for _ in range(6):
          matcher(
              outputs.masks_queries_logits, outputs.class_queries_logits, self.masks,
              self.classes)
      return timed(call, self.args.repeats)

  def input(self) -> dict:
    """Not measured: its processor is not a pipeline, so there is nothing to compare."""
    sys.exit(3)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--side', choices=['ours', 'numpy', 'hugging_face'])
  parser.add_argument('--work')
  for name, default in (
      ('size', 512), ('batch', 2), ('repeats', 5), ('segments', 12), ('threads', 0),
      ('micro_batch', 0)):
    parser.add_argument(f'--{name}', type=int, default=default)
  parser.add_argument('--precision', default='float32')
  parser.add_argument('--model', default='maskformer')
  parser.add_argument('--backbone', default='r50')
  parser.add_argument('--records', default='')
  parser.add_argument('--data_set', default='coco_panoptic')
  args = parser.parse_args()
  if args.work == 'evaluation':
    from tf_maskformer.scripts import benchmark_scores
    parts = benchmark_scores.seconds_per_image(args.records, args.data_set, args.repeats)
    print(json.dumps({'parts': parts}))
    return
  if args.work == 'recipes':
    from tf_maskformer.scripts import benchmark_input
    parts = benchmark_input.core_seconds_per_image(args.records, args.data_set, args.repeats)
    print(json.dumps({'parts': parts}))
    return
  if args.work == 'answers':
    from tf_maskformer.scripts import benchmark_answers
    parts = {}
    for kind, call in benchmark_answers.calls(args.side).items():
      parts[kind] = timed(call, args.repeats)
    print(json.dumps({'parts': parts}))
    return
  side = Ours(args) if args.side == 'ours' else HuggingFace(args)
  result = getattr(side, args.work)()
  print(json.dumps({**result, 'work_gb': result['peak_gb'] - side.after_imports}))


if __name__ == '__main__':
  main()
