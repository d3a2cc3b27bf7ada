"""The input pipeline: endless training batches in a reproducible order, validation once."""

import dataclasses
import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.datasets import descriptor
from tf_maskformer.configs.datasets import descriptor_file
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import input_service
from tf_maskformer.dataloaders import parser
from tf_maskformer.dataloaders import record_files
from tf_maskformer.errors import UserError

_CYCLE = 8  # files read in turns
# Second half of the key of all example seeds, which keeps them apart from other uses of a seed.
_EXAMPLE_KEY = 17
_INT32_SEEDS = 2**31
_FILLED_UP = 1024  # images of a batch for validation that may be more than there are records
_SHUFFLED_FILES = -1  # position of the seed that shuffles the files


@dataclasses.dataclass(frozen=True)
class _Share:
  """Which of the input pipelines this is.

  Attributes:
    pipelines: how many input pipelines there are.
    index: of this one, from 0.
    replicas: of all pipelines.
  """
  pipelines: int = 1
  index: int = 0
  replicas: int = 1


def build(params: DataConfig, data_set: str, seed: int, start_step: int = 0,
          input_context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
  """Returns the batches of one input pipeline.

  Training is endless; an epoch holds every record exactly once, its order and the augmentation are
  functions of (seed, epoch), and `start_step` resumes as if that many steps had been run.
  Validation holds every record once, filled up with examples that are not real to full global
  batches.

  Args:
    params: records, batch size (of validation 0: one image per replica), augmentation.
    data_set: see `catalog.get`.
    seed: of order and augmentation.
    start_step: training steps to skip.
    input_context: which of the input pipelines this is; None: the only one.

  Returns:
    Pairs (features, targets). features: image uint8 [batch, height, width, 3] and image_size int32
    [batch, 2]. targets: id_maps [batch, planes, height, width], classes, plane, valid
    [batch, segments], example_id, is_real, dropped_segments [batch], original_size [batch, 2]; see
    `targets.build`. The batch is a replica's.

  Raises:
    UserError: no records, a truncated file, a batch that the replicas cannot share, or an input
      service that is not there.
  """
  _check_service(params)
  share = _Share()
  if input_context is not None:
    share = _Share(input_context.num_input_pipelines, input_context.input_pipeline_id,
                   input_context.num_replicas_in_sync)
  global_batch_size = _global_batch_size(params, share.replicas)
  paths = record_files.match(params.input_path)
  if params.is_training:
    start_example = start_step * (global_batch_size // share.pipelines)
    records = _training_records(paths, params, seed, start_example, share)
  else:
    records = _validation_records(paths, global_batch_size, share)

  batch_size = global_batch_size // share.replicas

  def parse(record, is_real, example_seed):
    return parser.parse(record, is_real, example_seed, params.parser, data_set)

  if params.service:
    parse_once = tf.function(parse, autograph=False)  # traced once for all workers
    batches = input_service.batches(
        params.service, records, batch_size, start_step * (share.replicas // share.pipelines),
        lambda some: _batches(some, parse_once, batch_size, params.parser.output_size))
  else:
    batches = _batches(records, parse, batch_size, params.parser.output_size)
  options = tf.data.Options()
  options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
  return batches.with_options(options).prefetch(params.prefetch_buffer_size or tf.data.AUTOTUNE)


def _batches(records: tf.data.Dataset, parse: Callable, batch_size: int, output_size: list[int]
             ) -> tf.data.Dataset:
  """Returns the batches of (record, is real, seed of the example), in their order."""
  examples = records.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
  if output_size:
    return examples.batch(batch_size, drop_remainder=True)
  return examples.padded_batch(batch_size, drop_remainder=True)


def _global_batch_size(params: DataConfig, replicas: int) -> int:
  """Returns images per step; raises UserError where the replicas cannot share them."""
  size = params.global_batch_size or (0 if params.is_training else replicas)
  if size < 1 or size % replicas:
    raise UserError(f'global_batch_size={size} cannot be shared by {replicas} replicas; '
                    'choose a multiple')
  return size


def _example_seed(seed: int, epoch: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
  """Returns int32 [2], another for every example of every epoch."""
  key = tf.constant([seed % _INT32_SEEDS, _EXAMPLE_KEY], tf.int32)
  key = tf.random.experimental.stateless_fold_in(key, tf.cast(epoch, tf.int32))
  return tf.random.experimental.stateless_fold_in(key, tf.cast(position, tf.int32))


def _training_records(paths: list[str], params: DataConfig, seed: int, start_example: int,
                      share: _Share) -> tf.data.Dataset:
  """Returns endless (record, True, seed of the example), from this pipeline's `start_example`."""
  count = len(record_files.record_offsets(paths))
  # This pipeline's part of an epoch: every `pipelines`-th record, from `index`.
  own = -(-(count - share.index) // share.pipelines)
  if own < 1:
    raise UserError(f'{params.input_path} holds {count} records, fewer than the '
                    f'{share.pipelines} input pipelines')
  first_epoch = start_example // own

  def epoch_records(epoch):
    def with_seed(position, record):
      of_epoch = position * share.pipelines + share.index
      return record, True, _example_seed(seed, epoch, of_epoch)

    records = _shuffled(paths, params, seed, epoch, count)
    records = records.shard(share.pipelines, share.index).enumerate()
    skipped = tf.where(epoch == first_epoch, start_example % own, 0)
    return records.skip(tf.cast(skipped, tf.int64)).map(with_seed)

  epochs = tf.data.Dataset.range(first_epoch, np.iinfo(np.int64).max)
  return epochs.flat_map(epoch_records)


def _shuffled(paths: list[str], params: DataConfig, seed: int, epoch: tf.Tensor, count: int
              ) -> tf.data.Dataset:
  """Returns the `count` records of all files in an epoch's order."""
  order = tf.random.experimental.stateless_shuffle(
      tf.constant(paths), _example_seed(seed, epoch, tf.constant(_SHUFFLED_FILES)))
  records = tf.data.Dataset.from_tensor_slices(order).interleave(
      tf.data.TFRecordDataset, cycle_length=min(_CYCLE, len(paths)),
      block_length=params.block_length, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
  buffer_size = max(min(params.shuffle_buffer_size, count), 1)
  # Of this traced function's graph only: the order must not depend on the program's global seed.
  tf.compat.v1.set_random_seed(seed + 1)
  return records.shuffle(
      buffer_size, seed=tf.cast(epoch, tf.int64), reshuffle_each_iteration=False)


def _validation_records(paths: list[str], global_batch_size: int, share: _Share
                        ) -> tf.data.Dataset:
  """Returns (record, is real, seed) of every record once, with fillers up to full batches."""
  count = len(record_files.record_offsets(paths))
  num_fillers = -count % global_batch_size
  records = tf.data.TFRecordDataset(paths)
  records = records.concatenate(records.take(1).repeat(num_fillers)).enumerate()

  def with_flag(position, record):
    return record, position < count, tf.zeros([2], tf.int32)

  return records.shard(share.pipelines, share.index).map(with_flag)


def preflight(params: DataConfig, data_set: str, num_classes: int, field: str) -> list[str]:
  """Checks that the records exist, are complete, decodable and of this data set, by the first.

  Args:
    params: the records.
    data_set: see `catalog.get`.
    num_classes: the model's.
    field: name of the configuration's field, for the error.

  Returns:
    The files.

  Raises:
    UserError: one sentence that says what is wrong.
  """
  try:
    paths = record_files.match(params.input_path, field)
    records = record_files.record_offsets(paths)
  except (tf.errors.OpError, OSError) as e:
    raise UserError(f'{field}={params.input_path} cannot be read ({errors.reason(e)}); correct the '
                    'path or its permissions') from e
  _check_fillers(params, len(records), field)
  _check_service(params, field)
  first = records[0]
  try:
    example = decoder.function(data_set)(record_files.read(first))
  except decoder.ERRORS as e:
    raise UserError(f'{field}: the first record of {first.path} cannot be used '
                    f'({decoder.explain(e)}); convert the data set again with tf-maskformer '
                    'prepare, or choose the data set that it was converted for '
                    '(task.data_set)') from e
  _check_data_set(paths, data_set, field)
  wrong = [int(c) for c in example['class'] if not 0 <= c < num_classes]
  if wrong:
    raise UserError(
        f'{field}: {first.path} has class {wrong[0]}, the model has classes 0 to '
        f'{num_classes - 1}; choose the data set that it was converted for (task.data_set, '
        'task.model.num_classes)')
  return paths


def _check_data_set(paths: list[str], data_set: str, field: str) -> None:
  """Checks that the records are of this data set's classes, where a description is with them."""
  for folder in sorted({os.path.dirname(path) for path in paths}):
    path = os.path.join(folder, descriptor_file.NAME)
    if not tf.io.gfile.exists(path):
      continue
    difference = descriptor.difference(catalog.get(path), catalog.get(data_set))
    if difference:
      raise UserError(
          f'{field}: the records in {folder} are of other classes than task.data_set={data_set}: '
          f'{difference}; set task.data_set={path}')


def _check_service(params: DataConfig, field: str = 'input_path') -> None:
  """Checks that the input service is there, if one is named."""
  if not params.service:
    return
  if not params.is_training:
    group = field.removesuffix('input_path')
    raise UserError(
        f'{group}service={params.service} has no effect: validation batches are prepared by the '
        'process that scores them; unset it, or set task.train_data.service')
  input_service.check(params.service, params.parser)


def _check_fillers(params: DataConfig, count: int, field: str) -> None:
  """Checks that a batch of validation is not mostly fillers, which cost as much as images."""
  batch = params.global_batch_size
  if not params.is_training and batch > max(count, _FILLED_UP):
    group = field.removesuffix('.input_path')
    raise UserError(
        f'{group}.global_batch_size={batch}, but {field} holds {count} images only; set it to at '
        f'most {max(count, _FILLED_UP)}')
