"""The input pipeline: endless training batches in a reproducible order, and every validation image once."""

import numpy as np
import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import parser
from tf_maskformer.dataloaders import record_files
from tf_maskformer.errors import UserError

_CYCLE = 8  # files read in turns


def build(params: DataConfig, data_set: str, seed: int, start_step: int = 0,
          input_context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
  """Returns the batches of one input pipeline.

  Training is endless; an epoch holds every record exactly once, its order and the augmentation are functions of
  (seed, epoch), and `start_step` goes on as if that many steps had been run. Validation holds every record once,
  filled up with examples that are not real to whole global batches.

  Args:
    params: records, batch size (of validation 0: one image per replica), augmentation.
    data_set: row of configs/datasets/catalog.py.
    seed: of order and augmentation.
    start_step: training steps to skip.
    input_context: which of the input pipelines this is; None: the only one.

  Returns:
    Pairs (features, targets): image uint8 [batch, height, width, 3], image_size [batch, 2]; id_maps
    [batch, layers, height, width], classes, plane, valid [batch, segments], example_id, is_real [batch],
    original_size [batch, 2], dropped_segments [batch]. The last is a replica's batch.

  Raises:
    UserError: no records, a truncated file, or a batch that the replicas cannot share.
  """
  pipelines, index, replicas = 1, 0, 1
  if input_context is not None:
    pipelines, index = input_context.num_input_pipelines, input_context.input_pipeline_id
    replicas = input_context.num_replicas_in_sync
  global_batch_size = params.global_batch_size or (0 if params.is_training else replicas)
  if global_batch_size < 1 or global_batch_size % replicas:
    raise UserError(f'global_batch_size={global_batch_size} cannot be shared by {replicas} replicas; choose a multiple')
  paths = record_files.match(params.input_path)
  per_pipeline = global_batch_size // pipelines
  if params.is_training:
    records = _training_records(paths, params, seed, start_step * per_pipeline, pipelines, index)
  else:
    records = _validation_records(paths, global_batch_size, pipelines, index)
  examples = records.map(
      lambda record, is_real, example_seed: parser.parse(record, is_real, example_seed, params.parser, data_set),
      num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
  batch_size = global_batch_size // replicas
  if params.parser.output_size:
    batches = examples.batch(batch_size, drop_remainder=True)
  else:
    batches = examples.padded_batch(batch_size, drop_remainder=True)
  options = tf.data.Options()
  options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
  return batches.with_options(options).prefetch(params.prefetch_buffer_size or tf.data.AUTOTUNE)


def _example_seed(seed: int, epoch: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
  key = tf.constant([seed % 2**31, 17], tf.int32)
  key = tf.random.experimental.stateless_fold_in(key, tf.cast(epoch, tf.int32))
  return tf.random.experimental.stateless_fold_in(key, tf.cast(position, tf.int32))


def _training_records(paths, params, seed, start_example, pipelines, index):
  """Endless (record, True, seed of the example)."""
  count = len(record_files.places(paths))
  own = -(-(count - index) // pipelines)  # every `pipelines`-th record, from `index`
  if own < 1:
    raise UserError(f'{params.input_path} holds {count} records, fewer than the {pipelines} input pipelines')

  def epoch_records(epoch):
    order = tf.random.experimental.stateless_shuffle(
        tf.constant(paths), _example_seed(seed, epoch, tf.constant(-1)))
    records = tf.data.Dataset.from_tensor_slices(order).interleave(
        tf.data.TFRecordDataset, cycle_length=min(_CYCLE, len(paths)), block_length=params.block_length,
        num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    buffer = max(min(params.shuffle_buffer_size, count), 1)
    # Of this traced function's graph only: the order must not depend on the program's global seed.
    tf.compat.v1.set_random_seed(seed + 1)
    records = records.shuffle(buffer, seed=tf.cast(epoch, tf.int64), reshuffle_each_iteration=False)
    records = records.shard(pipelines, index).enumerate()
    first = tf.cast(tf.where(epoch == start_example // own, start_example % own, 0), tf.int64)
    return records.skip(first).map(
        lambda position, record: (record, True, _example_seed(seed, epoch, position * pipelines + index)))

  epochs = tf.data.Dataset.range(start_example // own, np.iinfo(np.int64).max)
  return epochs.flat_map(epoch_records)


def _validation_records(paths, global_batch_size, pipelines, index):
  """(record, is real, seed) of every record once and of as many fillers as whole batches need."""
  count = len(record_files.places(paths))
  fill = -count % global_batch_size
  records = tf.data.TFRecordDataset(paths)
  records = records.concatenate(records.take(1).repeat(fill)).enumerate()
  return records.shard(pipelines, index).map(
      lambda position, record: (record, position < count, tf.zeros([2], tf.int32)))


def preflight(params: DataConfig, data_set: str, num_classes: int, field: str) -> None:
  """Checks that the records are there, whole, decodable and of this data set, by the first of them.

  Args:
    params: the records.
    data_set: row of configs/datasets/catalog.py.
    num_classes: the model's.
    field: name of the configuration's field, for the error.

  Raises:
    UserError: one sentence that says what is wrong.
  """
  place = record_files.places(record_files.match(params.input_path, field))[0]
  try:
    # Through the dataset, which verifies the checksum.
    record = next(iter(tf.data.TFRecordDataset(place.path)))
    example = decoder.decode(record, data_set)
  except tf.errors.OpError as e:
    raise UserError(f'{field}: the first record of {place.path} cannot be read ({errors.explain(e.message)}); '
                    'convert the data set again with scripts/prepare_data.py') from e
  wrong = [int(c) for c in example['class'] if not 0 <= c < num_classes]
  if wrong:
    raise UserError(f'{field}: {place.path} has class {wrong[0]}, the model has classes 0 to {num_classes - 1}; '
                    'choose the data set that it was converted for (task.data_set, task.model.num_classes)')
