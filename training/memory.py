"""Refuses what this machine's memory cannot hold, before anything is built.

The estimates are lower bounds: tensors that must be there at the same time, and few of those. What
they refuse cannot work here; what they let pass may still not fit.
"""

import math
import os
import pathlib
import resource

from tf_maskformer.configs import losses
from tf_maskformer.configs.backbones import ResNet
from tf_maskformer.configs.backbones import Swin
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.model import Model
from tf_maskformer.configs.model import TransformerModel
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import Segmentation
from tf_maskformer.errors import UserError

_GB = 1e9
_FLOAT = 4  # bytes
_HALF = 2
_STRIDE_4 = 16  # pixels of the image for each of a map at stride 4
_COPIES = 4  # of a trained weight: value, gradient and two moments
_BLOCKS = {
    14: (1, 1, 1, 1), 26: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_CGROUPS = (
    '/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes')  # version 2, 1


def of_machine() -> float:
  """Returns the bytes that this process may have: of the machine, its container or its limits."""
  bounds = [float(os.sysconf('SC_PAGE_SIZE')) * os.sysconf('SC_PHYS_PAGES')]
  for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
    soft, _ = resource.getrlimit(kind)
    bounds.append(math.inf if soft == resource.RLIM_INFINITY else soft)
  for path in map(pathlib.Path, _CGROUPS):
    text = path.read_text().strip() if path.is_file() else ''
    bounds.append(float(text) if text.isdecimal() else math.inf)
  return min(bounds)


def check(experiment: Experiment, trains: bool, evaluates: bool, num_gpus: int,
          num_workers: int = 1) -> None:
  """Refuses batches and models that are larger than this machine's memory.

  Args:
    experiment: settled and valid; not for a TPU, whose batches are not on this machine alone.
    trains: whether the training records are read.
    evaluates: whether the validation records are.
    num_gpus: that hold the model; 0: it is in this machine's memory.
    num_workers: that share the batches, each on a machine like this one.

  Raises:
    UserError: with the least number of GB and what to lower.
  """
  available = of_machine()
  task = experiment.task
  is_half = experiment.runtime.mixed_precision_dtype != 'float32'
  for name, is_used, is_trained in (
      ('train_data', trains, True), ('validation_data', evaluates, False)):
    if not is_used:
      continue
    data = getattr(task, name)
    needed = batch_bytes(data, num_workers)
    if not num_gpus:
      value_bytes = _HALF if is_half else _FLOAT
      needed += model_bytes(task, data, is_trained, value_bytes, num_workers)
    if needed > available:
      raise UserError(
          f'a step on task.{name} needs {needed / _GB:.0f} GB of memory or more, and this machine '
          f'has {available / _GB:.0f} GB; lower task.{name}.global_batch_size, its parser.'
          'output_size or short_edges, task.micro_batch_size, or the size of the model')


def batch_bytes(data: DataConfig, num_workers: int = 1) -> float:
  """Returns the bytes of a batch's images and id maps, and of one image that is resized.

  Of several workers, on one of their machines.

  Where the images' sizes are not known, they count nothing.
  """
  parser = data.parser
  value_bytes = 1 if parser.max_segments <= 255 else 2
  batch = _images(data, num_workers) * _pixels(data, 1) * (3.0 + parser.max_layers * value_bytes)
  augmentation = parser.augmentation
  edges = [*augmentation.short_edges]
  if augmentation.crop_probability:
    edges += augmentation.crop_pre_short_edges
  return batch + 3.0 * _FLOAT * max(edges, default=0) ** 2


def model_bytes(task: Segmentation, data: DataConfig, trains: bool, value_bytes: int,
                num_workers: int = 1) -> float:
  """Returns the bytes of the weights and of what passes through the model at a time.

  Args:
    task: with the model and its losses.
    data: sizes of images and batches.
    trains: whether gradients and moments are there too, and what they are computed from.
    value_bytes: of a value that a layer returns.
    num_workers: that share the batch.
  """
  model = task.model
  weights = _weights(model) * _FLOAT * (_COPIES if trains else 1)
  images = _images(data, num_workers)
  if trains and task.micro_batch_size:
    images = min(images, task.micro_batch_size)
  pixels = images * _pixels(data, model.size_divisibility)
  maps = [
      3 * pixels,
      model.pixel_decoder.mask_width * pixels / _STRIDE_4,
      _queries(model) * model.num_predictions() * pixels / _STRIDE_4]
  if isinstance(model, TransformerModel):
    maps.append(images * model.transformer_decoder.heads * float(model.num_queries) ** 2)
  held = sum(maps) + _features(model, pixels) if trains else max(maps)
  points = 0.0
  if trains and isinstance(task.losses, losses.PointLosses):
    points = float(images) * _queries(model) * task.losses.points * _FLOAT
  return weights + held * value_bytes + points


def _images(data: DataConfig, num_workers: int) -> int:
  return max(data.global_batch_size // num_workers, 1)


def _pixels(data: DataConfig, divisor: int) -> float:
  """Returns the pixels of an image: of its window, else of a square; 0 where they are not known."""
  edge = min(data.parser.augmentation.short_edges, default=0)
  size = data.parser.output_size or [edge, edge]
  divisor = max(divisor, 1)
  height, width = (-(-side // divisor) * divisor for side in size)
  return float(height) * width


def _queries(model: Model) -> int:
  return model.num_queries if isinstance(model, TransformerModel) else model.num_classes


def _weights(model: Model) -> float:
  """Returns how many weights the large layers have."""
  decoder = model.pixel_decoder
  count = 0.0
  if model.which_pixel_decoder != 'fpn':
    layer = 2.0 * decoder.width**2 + 2.0 * decoder.width * decoder.encoder_feedforward
    count += decoder.encoder_layers * layer
  if isinstance(model, TransformerModel):
    own = model.transformer_decoder
    count += own.layers * (8.0 * own.hidden**2 + 2.0 * own.hidden * own.feedforward)
  options = model.backbone.get()
  if isinstance(options, ResNet):
    for stage, blocks in enumerate(_BLOCKS[options.depth]):
      inner = options.bottleneck_channels << stage
      count += blocks * (9.0 * inner**2 + inner * (options.res2_channels << stage))
  if isinstance(options, Swin):
    for stage, blocks in enumerate(options.depths):
      count += blocks * (4 + 2 * options.mlp_ratio) * float(options.embed_dim << stage) ** 2
  return count


def _features(model: Model, pixels: float) -> float:
  """Returns how many values the layers of the backbone's trained stages return."""
  options = model.backbone.get()
  values = 0.0
  if isinstance(options, ResNet):
    for stage, blocks in enumerate(_BLOCKS[options.depth]):
      channels = 2 * (options.bottleneck_channels << stage) + (options.res2_channels << stage)
      if stage + 2 > options.freeze_at:
        values += blocks * channels * pixels / _STRIDE_4 / 4**stage
  if isinstance(options, Swin):
    for stage, blocks in enumerate(options.depths):
      per_token = (5 + options.mlp_ratio) * (options.embed_dim << stage)
      values += blocks * per_token * pixels / _STRIDE_4 / 4**stage
  return values
