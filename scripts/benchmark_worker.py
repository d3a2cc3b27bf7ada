"""One measurement of `scripts/benchmark.py`, printed as a line of JSON: seconds, peak_gb (of the process) and work_gb
(the same less what the process held after its imports). Exit code 3: not installed."""

import argparse
import importlib
import json
import os
import resource
import statistics
import sys
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np

NUM_CLASSES, NUM_QUERIES = 133, 100


def draw_batch(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns (images float32 [batch, size, size, 3], segment ids [batch, size, size] from 1, classes)."""
  rng = np.random.default_rng(0)
  cells = 16
  ids = rng.integers(1, args.segments + 1, [args.batch, cells, cells])
  ids = np.kron(ids, np.ones([1, args.size // cells, args.size // cells], int))
  images = rng.normal(size=[args.batch, args.size, args.size, 3]).astype(np.float32)
  return images, ids, rng.integers(0, NUM_CLASSES, [args.batch, args.segments])


def resident() -> float:
  """Returns the largest memory that this process has held, in GB."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def timed(call, repeats: int) -> dict:
  """Median seconds of `call` after one warm-up, and the process's peak memory."""
  call()
  seconds = []
  for _ in range(repeats):
    start = time.perf_counter()
    call()
    seconds.append(time.perf_counter() - start)
  return {'seconds': statistics.median(seconds), 'peak_gb': resident()}


class Ours:
  """This project's model, loss and optimizer, as the task runs them."""

  def __init__(self, args):
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
    self.tf, self.args = tf, args
    suffix = '' if args.backbone == 'r50' else f'_{args.backbone}'
    experiment = registry.get(f'{args.model}_coco_panoptic{suffix}')
    if args.model == 'maskformer':
      experiment.task.model.which_pixel_decoder = 'fpn'  # the one that the port has
    experiment.task.micro_batch_size = args.micro_batch
    self.task = build_task(experiment.task, experiment.runtime)
    self.model = self.task.build_model()
    optimization = experiment.trainer.optimizer_config
    groups = self.task.parameter_groups(self.model, optimization.optimizer)
    self.optimizer = optimizers.build(optimization, experiment.trainer.train_steps, **groups)
    images, ids, classes = draw_batch(args)
    slots = experiment.task.train_data.parser.max_segments
    padded = np.zeros([args.batch, slots], np.int32)
    padded[:, :args.segments] = classes
    self.images = tf.constant(images)
    self.features = {
        'image': tf.constant((images * 50 + 120).clip(0, 255).astype(np.uint8)),
        'image_size': tf.fill([args.batch, 2], args.size)}
    self.targets = {
        'id_maps': tf.constant(ids[:, None].astype(np.uint8)),
        'classes': tf.constant(padded),
        'plane': tf.zeros([args.batch, slots], tf.int32),
        'valid': tf.constant(np.arange(slots)[None].repeat(args.batch, 0) < args.segments),
        'dropped_segments': tf.zeros([args.batch], tf.int32),
        'is_real': tf.ones([args.batch], tf.bool),
        'example_id': tf.range(args.batch, dtype=tf.int64),
        'original_size': tf.fill([args.batch, 2], args.size)}

  def train(self):
    self.optimizer.build(self.model.trainable_variables)  # else the step is traced twice
    step = self.tf.function(lambda features, targets: self.task.train_step(
        (features, targets), self.model, self.optimizer)['loss'])
    return timed(lambda: step(self.features, self.targets).numpy(), self.args.repeats)

  def inference(self):
    step = self.tf.function(lambda x: self.model(x, last_layer_only=True))
    def call():
      outputs = step(self.images)
      return [v.numpy() for v in outputs.values()]
    return timed(call, self.args.repeats)

  def matching(self):
    outputs = self.tf.function(lambda x: self.model(x))(self.images)
    match = self.tf.function(self.task.set_loss.match)
    return timed(lambda: match(outputs, self.targets).numpy(), self.args.repeats)

  def input(self):
    from tf_maskformer.configs.experiments import registry
    from tf_maskformer.dataloaders import reader
    params = registry.get('maskformer_coco_panoptic').task.train_data
    params.input_path, params.global_batch_size = self.args.records, self.args.batch
    batches = iter(reader.build(params, self.args.data_set, seed=0))
    images = 32
    def call():
      for _ in range(-(-images // self.args.batch)):
        next(batches)
    result = timed(call, self.args.repeats)
    return {**result, 'seconds': result['seconds'] / images}

  def parts(self):
    """Seconds of each part of a training step, forward and backward."""
    tf, model = self.tf, self.model
    def gradient_of(function, variables):
      def call():
        with tf.GradientTape() as tape:
          values = tf.nest.flatten(function())
          total = tf.add_n([tf.reduce_sum(tf.cast(v, tf.float32)) for v in values])
        return [g for g in tape.gradient(total, variables) if g is not None]  # all: what nobody takes is pruned
      compiled = tf.function(call)
      return timed(lambda: compiled()[-1].numpy(), self.args.repeats)['seconds']
    images = tf.cast(self.images, model.compute_dtype)
    features = tf.function(model.backbone)(images)
    pixel = tf.function(model.pixel_decoder)(features)
    outputs = tf.function(lambda: model.predictor(pixel))()
    seed = tf.constant([1, 2])
    set_loss = self.task.set_loss
    match = tf.function(set_loss.match)
    query_index = match(outputs, self.targets)
    logits = {name: tf.Variable(value) for name, value in outputs.items()}
    def losses():
      return set_loss.weigh(set_loss.terms(
          {k: tf.convert_to_tensor(v) for k, v in logits.items()}, self.targets, query_index))
    gradients = [tf.zeros_like(v) for v in model.trainable_variables]
    apply = tf.function(lambda: self.optimizer.apply_gradients(list(zip(gradients, model.trainable_variables))))
    inputs = {'features': {k: tf.Variable(v) for k, v in features.items()},
              'predictor': tf.nest.map_structure(tf.Variable, pixel)}
    read = lambda tree: tf.nest.map_structure(tf.convert_to_tensor, tree)
    parts = {
        'backbone': gradient_of(lambda: model.backbone(images), model.backbone.trainable_variables),
        'pixel decoder': gradient_of(
            lambda: model.pixel_decoder(read(inputs['features']), seed=seed)['mask_features'],
            [*model.pixel_decoder.trainable_variables, *inputs['features'].values()]),
        'transformer decoder and heads': gradient_of(
            lambda: model.predictor(read(inputs['predictor']), seed=seed),
            [*model.predictor.trainable_variables, *tf.nest.flatten(inputs['predictor'])]),
        'matching': timed(lambda: match(outputs, self.targets).numpy(), self.args.repeats)['seconds'],
        'losses': gradient_of(losses, list(logits.values())),
        'optimizer': timed(lambda: apply().numpy(), self.args.repeats)['seconds'],
        'training step': self.train()['seconds'],
    }
    return {'parts': parts, 'seconds': parts['training step'], 'peak_gb': 0.0}


class HuggingFace:
  """Hugging Face's MaskFormer (plain FPN) or Mask2Former in PyTorch."""

  def __init__(self, args):
    try:
      import torch
      import transformers
    except ImportError:
      sys.exit(3)
    importlib.import_module(f'transformers.models.{args.model}.modeling_{args.model}')  # loaded on first use otherwise
    self.after_imports = resident()
    torch.manual_seed(0)
    if args.threads:
      torch.set_num_threads(args.threads)
    self.torch, self.args = torch, args
    self.model = self._build(transformers)
    images, ids, classes = draw_batch(args)
    self.images = torch.tensor(images.transpose(0, 3, 1, 2)).contiguous()
    self.masks = [torch.tensor(np.stack([m == i + 1 for i in range(args.segments)]).astype(np.float32)) for m in ids]
    self.classes = [torch.tensor(c) for c in classes]

  def _build(self, transformers):
    stages = ['stage1', 'stage2', 'stage3', 'stage4']
    backbone = (transformers.ResNetConfig(out_features=stages) if self.args.backbone == 'r50' else
                transformers.SwinConfig(image_size=384, out_features=stages))
    common = dict(backbone_config=backbone, num_labels=NUM_CLASSES, use_auxiliary_loss=self.args.work != 'inference')
    if self.args.model == 'mask2former':
      return transformers.Mask2FormerForUniversalSegmentation(transformers.Mask2FormerConfig(
          num_queries=NUM_QUERIES, **common))
    return transformers.MaskFormerForInstanceSegmentation(transformers.MaskFormerConfig(
        decoder_config=transformers.DetrConfig(num_queries=NUM_QUERIES, decoder_layers=6, encoder_layers=0),
        output_hidden_states=True, **common))

  def _autocast(self):
    return self.torch.autocast('cpu', self.torch.bfloat16, enabled=self.args.precision == 'bfloat16')

  def train(self):
    torch, model = self.torch, self.model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    def call():
      optimizer.zero_grad()
      with self._autocast():
        loss = model(pixel_values=self.images, mask_labels=self.masks, class_labels=self.classes,
                     output_hidden_states=True).loss
      loss.backward()
      torch.nn.utils.clip_grad_norm_(model.parameters(), 0.01)
      optimizer.step()
      return loss.item()
    return timed(call, self.args.repeats)

  def inference(self):
    model = self.model.eval()
    def call():
      with self.torch.no_grad(), self._autocast():
        # Mask2Former's predictions are made of them.
        return model(pixel_values=self.images, output_hidden_states=self.args.model == 'mask2former')
    return timed(call, self.args.repeats)

  def matching(self):
    if self.args.model != 'maskformer':
      sys.exit(3)  # its matcher is part of the loss
    from transformers.models.maskformer.modeling_maskformer import MaskFormerHungarianMatcher
    matcher = MaskFormerHungarianMatcher(cost_class=1.0, cost_dice=1.0, cost_mask=20.0)
    with self.torch.no_grad():
      model = self.model.eval()
      outputs = model(pixel_values=self.images, output_hidden_states=True)
      def call():  # once a supervised layer, as its loss does
        for _ in range(6):
          matcher(outputs.masks_queries_logits, outputs.class_queries_logits, self.masks, self.classes)
      return timed(call, self.args.repeats)

  def input(self):
    sys.exit(3)  # its processor is no pipeline: there is nothing to compare


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--side', choices=['ours', 'hugging_face'])
  parser.add_argument('--work')
  for name, default in (('size', 512), ('batch', 2), ('repeats', 5), ('segments', 12), ('threads', 0),
                        ('micro_batch', 0)):
    parser.add_argument(f'--{name}', type=int, default=default)
  parser.add_argument('--precision', default='float32')
  parser.add_argument('--model', default='maskformer')
  parser.add_argument('--backbone', default='r50')
  parser.add_argument('--records', default='')
  parser.add_argument('--data_set', default='coco_panoptic')
  args = parser.parse_args()
  side = Ours(args) if args.side == 'ours' else HuggingFace(args)
  result = getattr(side, args.work)()
  print(json.dumps({**result, 'work_gb': result['peak_gb'] - side.after_imports}))


if __name__ == '__main__':
  main()
