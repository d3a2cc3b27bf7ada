"""Counts the arithmetic of a training step, in the graph that TensorFlow traced of it.

    python scripts/step_flops.py mask2former_coco_panoptic maskformer_coco_panoptic

Prints the multiplications and additions of matrix products and convolutions per image, forward and
backward, and the parameters. What is computed element by element is not counted: it is limited by
memory, not by arithmetic.
"""

import math
import os
from collections.abc import Sequence
from typing import NamedTuple

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import tensorflow as tf

from tf_maskformer import cli
from tf_maskformer.configs.experiments import registry
from tf_maskformer.tasks.factory import build_task
from tf_maskformer.training import optimizers

_GRADIENTS = {  # index of the gradient among the inputs, and of the filter; None: the output
    'Conv2DBackpropInput': (2, 1), 'Conv2DBackpropFilter': (2, None),
    'DepthwiseConv2dNativeBackpropInput': (2, 1),
    'DepthwiseConv2dNativeBackpropFilter': (2, None)}


class Work(NamedTuple):
  """Of one training step.

  Attributes:
    flops: additions and multiplications per image.
    parameters: trainable numbers of the model.
  """
  flops: float
  parameters: int


def of_operation(op: tf.Operation) -> int:
  """Returns additions and multiplications of a matrix product or convolution, 0 of another."""
  if op.type in ('MatMul', 'BatchMatMul', 'BatchMatMulV2', 'BatchMatMulV3'):
    is_transposed = op.get_attr('transpose_a' if op.type == 'MatMul' else 'adj_x')
    summed = op.inputs[0].shape[-2 if is_transposed else -1]
    return 2 * op.outputs[0].shape.num_elements() * summed
  if op.type == 'Einsum':
    return 2 * _einsum(op)
  if op.type in ('Conv2D', 'DepthwiseConv2dNative'):
    return 2 * _convolution(op.outputs[0].shape, op.inputs[1].shape, op.type)
  if op.type in _GRADIENTS:
    gradient, index = _GRADIENTS[op.type]
    kernel = op.outputs[0] if index is None else op.inputs[index]
    return 2 * _convolution(op.inputs[gradient].shape, kernel.shape, op.type)
  return 0


def _convolution(output: tf.TensorShape, kernel: tf.TensorShape, kind: str) -> int:
  """Returns the products of a convolution with a filter [height, width, in, out]."""
  channels = 1 if kind.startswith('Depthwise') else kernel[2]
  return output.num_elements() * kernel[0] * kernel[1] * channels


def _einsum(op: tf.Operation) -> int:
  """Returns the products of an einsum without ellipsis dimensions that are not of size 1."""
  terms = op.get_attr('equation').decode().partition('->')[0].split(',')
  sizes = {}
  for term, value in zip(terms, op.inputs):
    sizes.update(zip(term.replace('...', ''), value.shape[-len(term.replace('...', '')):]))
  return math.prod(sizes.values())


def of_graph(graph: tf.Graph) -> int:
  """Returns the sum over the operations of a graph with static shapes, not of its functions."""
  return sum(of_operation(op) for op in graph.get_operations())


def of_step(experiment, side: int) -> Work:
  """Traces a compiled step on one image of side x side pixels and counts.

  Args:
    experiment: as registered; changed.
    side: of the image, in pixels.
  """
  experiment.runtime.distribution_strategy = 'tpu'  # static shapes throughout; nothing is run
  parser = experiment.task.train_data.parser
  parser.output_size = [side, side]
  experiment.task.micro_batch_size = 0
  task = build_task(experiment.task, experiment.runtime)
  model = task.build_model()
  config = experiment.trainer.optimizer_config
  optimizer = optimizers.build(
      config, 1, **task.parameter_groups(model, config.optimizer))
  optimizer.build(model.trainable_variables)

  def step(features, targets):
    return task.train_step((features, targets), model, optimizer)

  traced = tf.function(step, autograph=False).get_concrete_function(*batch_spec(parser, 1))
  parameters = sum(v.shape.num_elements() for v in model.trainable_variables)
  return Work(of_graph(traced.graph), parameters)


def batch_spec(parser, batch: int) -> tuple[dict[str, tf.TensorSpec], dict[str, tf.TensorSpec]]:
  """Returns what `reader.build` says of a batch whose images have the parser's output_size."""
  height, width = parser.output_size
  slots = parser.max_segments
  ids = tf.uint8 if slots <= tf.uint8.max else tf.uint16
  features = {
      'image': tf.TensorSpec([batch, height, width, 3], tf.uint8),
      'image_size': tf.TensorSpec([batch, 2], tf.int32)}
  targets = {
      'id_maps': tf.TensorSpec([batch, parser.max_layers, height, width], ids),
      'classes': tf.TensorSpec([batch, slots], tf.int32),
      'plane': tf.TensorSpec([batch, slots], tf.int32),
      'valid': tf.TensorSpec([batch, slots], tf.bool),
      'example_id': tf.TensorSpec([batch], tf.int64),
      'is_real': tf.TensorSpec([batch], tf.bool),
      'dropped_segments': tf.TensorSpec([batch], tf.int32),
      'original_size': tf.TensorSpec([batch, 2], tf.int32)}
  return features, targets


def main(argv: Sequence[str]) -> None:
  """Prints the work of some experiments."""
  parser = cli.Parser(__doc__)
  parser.add_argument('experiment', nargs='+', help='registered names')
  parser.add_argument('--side', type=int, default=1024, help='of the image, in pixels')
  args = parser.parse(argv)
  for name in args.experiment:
    work = of_step(registry.get(name), args.side)
    print(f'{name}: {work.flops / 1e9:.1f} GFLOP per image of {args.side} x {args.side}, '
          f'{work.parameters / 1e6:.2f} M parameters', flush=True)


if __name__ == '__main__':
  cli.run(main)
