"""What values a field of an experiment may have, beyond its type, and which fields belong together."""

import dataclasses
import fnmatch

from official.modeling import hyperparams

from tf_maskformer import errors
from tf_maskformer.configs import fields
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import PerPixel
from tf_maskformer.configs.task import Segmentation

# Keys (fnmatch patterns) of the Model Garden's fields that the loop and the reader of this project do not read.
_DATA = 'task.*_data.'
_WITHOUT_EFFECT = (
    *(_DATA + name for name in (
        'tfds_*', 'cache', 'cycle_length', 'ram_budget', 'deterministic', 'sharding', 'enable_*', 'tf_data_*',
        'apply_*', 'trainer_id', 'seed', 'autotune_algorithm', 'drop_remainder')),
    'task.name', 'task.differential_privacy_config', 'task.allow_image_summary',
    'trainer.train_tf_*', 'trainer.allow_tpu_summary', 'trainer.summary_interval', 'trainer.validation_steps',
    'trainer.best_checkpoint_export_subdir', 'trainer.loss_upper_bound', 'trainer.recovery_*',
    'trainer.validation_summary_subdir', 'trainer.preemption_on_demand_checkpoint',
    'runtime.enable_xla', 'runtime.gpu_thread_mode', 'runtime.dataset_num_private_threads',
    'runtime.per_gpu_thread_count', 'runtime.worker_hosts', 'runtime.task_index', 'runtime.num_packs',
    'runtime.loss_scale', 'runtime.run_eagerly', 'runtime.batchnorm_spatial_persistent',
    'runtime.num_cores_per_replica', 'runtime.default_shard_dim', 'runtime.use_tpu_mp_strategy')


def is_without_effect(key: str) -> bool:
  """Whether nothing reads the field `key`, so that setting it would be a silent mistake."""
  return any(fnmatch.fnmatchcase(key, pattern) for pattern in _WITHOUT_EFFECT)


def check_value(key: str, value: object, config: object, where: str) -> None:
  """Checks one value that has its field's type already.

  Args:
    key: the field's dotted name.
    value: what it is to become.
    config: the configuration that holds the field.
    where: source and key, for the message.

  Raises:
    UserError: the value is not one that the field takes, or the field has no effect.
  """
  name = key.rpartition('.')[2]
  if is_without_effect(key):
    if value != getattr(config, name):
      raise errors.UserError(f'{where} has no effect in this project; remove it')
  elif isinstance(config, hyperparams.OneOfConfig) and name == 'type':
    fields.OneOf(tuple(f.name for f in dataclasses.fields(config) if f.name != name)).check(value, where)
  else:
    fields.rule(config, name).check(value, where)


def validate(experiment: Experiment) -> None:
  """Checks what must hold between the fields of an experiment.

  What depends on the machine (devices, a batch that its replicas divide) is checked where it is known.

  Raises:
    UserError: with the keys that contradict each other.
  """
  _validate_task(experiment.task)
  for name in ('train_data', 'validation_data'):
    _validate_parser(getattr(experiment.task, name).parser, f'task.{name}.parser')
  _validate_micro_batches(experiment.task)
  _validate_schedule(experiment)
  _validate_compilation(experiment)
  seed = experiment.runtime.seed
  _require(seed < 2**31, f'runtime.seed is {seed}; it must be below {2**31}')


def _require(holds: bool, message: str) -> None:
  if not holds:
    raise errors.UserError(message)


def _validate_task(task: Segmentation) -> None:
  _require(
      isinstance(task.model, task.MODELS),
      f'task.model is a {type(task.model).__name__}, which is not a model of this experiment; '
      f'choose {" or ".join(m.__name__ for m in task.MODELS)}')
  task.model.validate(catalog.get(task.data_set), 'task.model')
  if isinstance(task.losses, PointLosses):
    _require(
        task.losses.focal_alpha == Losses.focal_alpha
        and task.losses.focal_gamma == Losses.focal_gamma,
        "task.losses.focal_alpha and focal_gamma have no effect on mask2former, whose masks' loss "
        'is not focal; leave them as they are')
  evaluation = task.evaluation
  _require(
      evaluation.panoptic or evaluation.semantic or evaluation.instance,
      'task.evaluation.panoptic, semantic and instance are all False; set one')
  _require(
      not evaluation.instance_annotations or evaluation.instance,
      'task.evaluation.instance_annotations has no effect without task.evaluation.instance; set '
      'that to True')
  _require(
      not evaluation.semantic_labels or evaluation.semantic,
      'task.evaluation.semantic_labels has no effect without task.evaluation.semantic; set that to '
      'True')
  _require(
      not (isinstance(task, PerPixel) and (evaluation.panoptic or evaluation.instance)),
      'task.evaluation.panoptic or instance is True, but a per-pixel model has no panoptic answer; '
      'set it to False')


def _validate_parser(parser, where: str) -> None:
  augmentation = parser.augmentation
  _require(
      len(parser.output_size) in (0, 2),
      f'{where}.output_size has {len(parser.output_size)} numbers; it is [height, width] or []')
  _require(
      -1 <= parser.padding_byte <= 255,
      f'{where}.padding_byte is {parser.padding_byte}; it is a byte (0 .. 255), or -1')
  if augmentation.scale_jitter:
    low_high = augmentation.scale_jitter
    _require(
        len(low_high) == 2 and 0 < low_high[0] <= low_high[1] and bool(parser.output_size),
        f'{where}.augmentation.scale_jitter is {low_high}; it is [smallest,largest] above 0 and needs output_size')
    _require(
        not augmentation.short_edges,
        f'{where}.augmentation.short_edges has no effect beside scale_jitter; set one of them to []')
  if augmentation.crop_to_output:
    _require(bool(parser.output_size), f'{where}.augmentation.crop_to_output needs {where}.output_size')
  side_range = augmentation.crop_side_range
  if augmentation.crop_probability:
    _require(
        bool(augmentation.crop_pre_short_edges) and len(side_range) == 2 and side_range[0] <= side_range[1],
        f'{where}.augmentation.crop_probability is {augmentation.crop_probability}; it needs '
        'crop_pre_short_edges=[...] and crop_side_range=[smallest,largest]')
  if augmentation.long_edge_limit and augmentation.short_edges:
    _require(
        augmentation.long_edge_limit >= max(augmentation.short_edges),
        f'{where}.augmentation.long_edge_limit is {augmentation.long_edge_limit}, below the largest of '
        f'short_edges ({max(augmentation.short_edges)})')


def _validate_micro_batches(task: Segmentation) -> None:
  backbone = task.model.backbone
  norm = backbone.get().norm_of_batch()
  _require(
      not task.micro_batch_size or not norm,
      f'task.micro_batch_size is {task.micro_batch_size}, but task.model.backbone.{backbone.type}'
      f".norm is '{norm}', whose statistics are those of the whole batch; set it to 0")


def _validate_schedule(experiment: Experiment) -> None:
  rate = experiment.trainer.optimizer_config.learning_rate
  where = 'trainer.optimizer_config.learning_rate'
  if rate.schedule == 'multi_step':
    _require(
        bool(rate.boundaries), f"{where}.schedule is 'multi_step'; it needs {where}.boundaries=[step,...]")
    _require(
        all(a < b for a, b in zip(rate.boundaries, rate.boundaries[1:])),
        f'{where}.boundaries are {rate.boundaries}; they must rise')
  _require(
      experiment.trainer.train_steps > 0, 'trainer.train_steps is 0; set it to the number of steps to train')


def _validate_compilation(experiment: Experiment) -> None:
  runtime, task = experiment.runtime, experiment.task
  on_tpu = runtime.distribution_strategy == 'tpu'
  if runtime.jit_compile or on_tpu:
    reason = "runtime.distribution_strategy is 'tpu'" if on_tpu else 'runtime.jit_compile is set'
    _require(
        isinstance(task, PerPixel) or task.losses.matcher != 'host',
        f"{reason}, so the matching is compiled too; set task.losses.matcher to 'auto' or 'graph'")
    _require(
        bool(task.train_data.parser.output_size),
        f'{reason} and needs images of one size; set task.train_data.parser.output_size=[height,width] '
        'or the environment variable IMG_SIZE')
