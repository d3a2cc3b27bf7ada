"""Which values a field of an experiment takes, and which fields belong together."""

import dataclasses
import fnmatch
import functools

from official.modeling import hyperparams

from tf_maskformer import errors
from tf_maskformer.configs import fields
from tf_maskformer.configs import limits
from tf_maskformer.configs.data import Augmentation
from tf_maskformer.configs.data import ParserConfig
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import PerPixel
from tf_maskformer.configs.task import Runtime
from tf_maskformer.configs.task import Segmentation

# Keys (fnmatch patterns) of the Model Garden's fields that the loop and the reader of this project
# do not read.
_WITHOUT_EFFECT = (
    'task.*_data.apply_*',
    'task.*_data.autotune_algorithm',
    'task.*_data.cache',
    'task.*_data.cycle_length',
    'task.*_data.deterministic',
    'task.*_data.drop_remainder',
    'task.*_data.enable_*',
    'task.*_data.ram_budget',
    'task.*_data.seed',
    'task.*_data.sharding',
    'task.*_data.tf_data_*',
    'task.*_data.tfds_*',
    'task.*_data.trainer_id',
    'task.allow_image_summary',
    'task.differential_privacy_config',
    'task.name',
    'trainer.allow_tpu_summary',
    'trainer.best_checkpoint_export_subdir',
    'trainer.loss_upper_bound',
    'trainer.preemption_on_demand_checkpoint',
    'trainer.recovery_*',
    'trainer.summary_interval',
    'trainer.train_tf_*',
    'trainer.validation_steps',
    'trainer.validation_summary_subdir',
    'runtime.batchnorm_spatial_persistent',
    'runtime.dataset_num_private_threads',
    'runtime.default_shard_dim',
    'runtime.enable_xla',
    'runtime.gpu_thread_mode',
    'runtime.loss_scale',
    'runtime.num_cores_per_replica',
    'runtime.num_packs',
    'runtime.per_gpu_thread_count',
    'runtime.run_eagerly',
    'runtime.task_index',
    'runtime.use_tpu_mp_strategy',
    'runtime.worker_hosts',
)
# How gradients are added up, by strategy.
_ALL_REDUCE = {
    'mirrored': ('nccl', 'hierarchical_copy'), 'multi_worker_mirrored': ('nccl', 'ring')}


@functools.cache
def is_without_effect(key: str) -> bool:
  """Whether nothing reads the field `key`, so that setting it would be a silent mistake."""
  return any(fnmatch.fnmatchcase(key, pattern) for pattern in _WITHOUT_EFFECT)


def check_value(key: str, value: object, config: hyperparams.Config, where: str) -> None:
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
    others = tuple(f.name for f in dataclasses.fields(config) if f.name != name)
    fields.OneOf(others).check(value, where)
  else:
    fields.rule(config, name).check(value, where)


def validate(experiment: Experiment) -> None:
  """Checks what must hold between the fields of an experiment.

  What depends on the machine (devices, a batch that its replicas divide) is checked where it is
  known.

  Raises:
    UserError: with the keys that contradict each other.
  """
  task = experiment.task
  _validate_values(experiment)
  _validate_task(task)
  _validate_evaluation(task.evaluation, isinstance(task, PerPixel))
  for name, is_training in (('train_data', True), ('validation_data', False)):
    errors.require(
        getattr(task, name).is_training is is_training,
        f'task.{name}.is_training is {getattr(task, name).is_training}; it must be {is_training}')
    _validate_parser(getattr(task, name).parser, f'task.{name}.parser')
  _validate_micro_batches(task)
  _validate_schedule(experiment)
  _validate_runtime(experiment.runtime)
  _validate_compilation(experiment)


def _validate_values(experiment: Experiment) -> None:
  """Checks each value by itself: also those that followed from environment variables."""
  for key, config, name in fields.leaves(experiment):
    check_value(key, getattr(config, name), config, key)


def _validate_task(task: Segmentation) -> None:
  errors.require(
      isinstance(task.model, task.MODELS),
      f'task.model is a {type(task.model).__name__}, which is not a model of this experiment; '
      f'choose {" or ".join(m.__name__ for m in task.MODELS)}')
  task.model.validate(catalog.get(task.data_set), 'task.model')
  _validate_modules(task)
  errors.require(
      task.init_classes == 'by_name' or not task.init_data_set,
      f"task.init_data_set has no effect with task.init_classes='{task.init_classes}'; set that to "
      "'by_name'")
  if isinstance(task.losses, PointLosses):
    errors.require(
        task.losses.focal_alpha == Losses.focal_alpha
        and task.losses.focal_gamma == Losses.focal_gamma,
        "task.losses.focal_alpha and focal_gamma have no effect on mask2former, whose masks' loss "
        'is not focal; leave them as they are')


def _validate_modules(task: Segmentation) -> None:
  """Checks the names of the parts: without a checkpoint, too, which may come later."""
  wanted = [name.strip() for name in task.init_checkpoint_modules.split(',')]
  if wanted == ['all']:
    return
  for name in wanted:
    errors.require(
        name != 'all',
        "task.init_checkpoint_modules has 'all' next to other names; leave out one of them")
    if name not in task.model.PARTS:
      raise errors.unknown('task.init_checkpoint_modules', name, ('all', *task.model.PARTS))


def _validate_evaluation(evaluation: Evaluation, is_per_pixel: bool) -> None:
  errors.require(
      evaluation.panoptic or evaluation.semantic or evaluation.instance,
      'task.evaluation.panoptic, semantic and instance are all False; set one')
  errors.require(
      not evaluation.instance_annotations or evaluation.instance,
      'task.evaluation.instance_annotations has no effect without task.evaluation.instance; set '
      'that to True')
  errors.require(
      not evaluation.boundary or evaluation.panoptic or evaluation.instance,
      'task.evaluation.boundary has no effect without task.evaluation.panoptic or instance; set '
      'one to True')
  errors.require(
      not evaluation.semantic_labels or evaluation.semantic,
      'task.evaluation.semantic_labels has no effect without task.evaluation.semantic; set that to '
      'True')
  errors.require(
      not (is_per_pixel and (evaluation.panoptic or evaluation.instance)),
      'task.evaluation.panoptic or instance is True, but a per-pixel model predicts classes only; '
      'set it to False')


def _validate_parser(parser: ParserConfig, where: str) -> None:
  size = parser.output_size
  errors.require(
      len(size) in (0, 2),
      f'{where}.output_size has {len(size)} numbers; it is [height, width] or []')
  errors.require(
      bool(size) or not parser.augmentation.crop_to_output,
      f'{where}.augmentation.crop_to_output needs {where}.output_size')
  _validate_augmentation(parser.augmentation, size, f'{where}.augmentation')


def _validate_augmentation(augmentation: Augmentation, size: list[int], where: str) -> None:
  jitter = augmentation.scale_jitter
  short_edges = augmentation.short_edges
  limit = augmentation.long_edge_limit
  if jitter:
    errors.require(
        len(jitter) == 2 and 0 < jitter[0] <= jitter[1] and bool(size),
        f'{where}.scale_jitter is {jitter}; it is [smallest,largest] above 0 and needs output_size')
    errors.require(
        jitter[1] * max(size) <= limits.SIDE,
        f'{where}.scale_jitter is {jitter} and output_size is {size}; their product is larger than '
        f'an image of {limits.SIDE} pixels')
    errors.require(
        not short_edges,
        f'{where}.short_edges has no effect along with scale_jitter; set one of them to []')
  if augmentation.crop_probability:
    sides = augmentation.crop_side_range
    errors.require(
        bool(augmentation.crop_pre_short_edges) and len(sides) == 2 and sides[0] <= sides[1],
        f'{where}.crop_probability is {augmentation.crop_probability}; it needs '
        'crop_pre_short_edges=[...] and crop_side_range=[smallest,largest]')
  if limit and short_edges:
    errors.require(
        limit >= max(short_edges),
        f'{where}.long_edge_limit is {limit}, below the largest of short_edges '
        f'({max(short_edges)})')


def _validate_micro_batches(task: Segmentation) -> None:
  backbone = task.model.backbone
  norm = backbone.get().norm_of_batch()
  errors.require(
      not task.micro_batch_size or not norm,
      f'task.micro_batch_size is {task.micro_batch_size}, but task.model.backbone.{backbone.type}'
      f".norm is '{norm}', whose statistics are those of the complete batch; set it to 0")


def _validate_schedule(experiment: Experiment) -> None:
  rate = experiment.trainer.optimizer_config.learning_rate
  where = 'trainer.optimizer_config.learning_rate'
  if rate.schedule == 'multi_step':
    errors.require(
        bool(rate.boundaries),
        f"{where}.schedule is 'multi_step'; it needs {where}.boundaries=[step,...]")
    errors.require(
        all(a < b for a, b in zip(rate.boundaries, rate.boundaries[1:])),
        f'{where}.boundaries are {rate.boundaries}; they must rise')
  # 10^300 is enough to be refused, and no overflow.
  highest = rate.base * max(rate.factor, 1.0) ** min(len(rate.boundaries), 300)
  errors.require(
      highest <= limits.LIST,
      f'{where}.base is {rate.base:g}; multiplied by factor={rate.factor:g} at each of '
      f'{len(rate.boundaries)} boundaries it grows beyond {limits.LIST}')


def _validate_runtime(runtime: Runtime) -> None:
  known = _ALL_REDUCE.get(runtime.distribution_strategy, ())
  if runtime.all_reduce_alg is None or runtime.all_reduce_alg in known:
    return
  takers = [name for name, algorithms in _ALL_REDUCE.items()
            if runtime.all_reduce_alg in algorithms]
  raise errors.UserError(
      f'runtime.all_reduce_alg={runtime.all_reduce_alg} has no effect with '
      f'runtime.distribution_strategy={runtime.distribution_strategy}; it is for '
      f'{" or ".join(repr(name) for name in takers)}')


def _validate_compilation(experiment: Experiment) -> None:
  runtime = experiment.runtime
  task = experiment.task
  if runtime.distribution_strategy == 'tpu':
    reason = "runtime.distribution_strategy is 'tpu'"
  elif runtime.jit_compile:
    reason = 'runtime.jit_compile is set'
  else:
    return
  errors.require(
      isinstance(task, PerPixel) or task.losses.matcher != 'host',
      f"{reason}, so the matching is compiled too; set task.losses.matcher to 'auto' or 'graph'")
  errors.require(
      bool(task.train_data.parser.output_size),
      f'{reason} and needs images of one size; set '
      'task.train_data.parser.output_size=[height,width] or the environment variable IMG_SIZE')
