"""What values a field of an experiment may have, beyond its type, and which fields belong together."""

import dataclasses
import fnmatch

from official.modeling import hyperparams

from tf_maskformer import errors
from tf_maskformer.configs import fields
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.configs.model import PixelDecoder
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import PerPixel

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
  _validate_predictor(experiment)
  _validate_backbone(experiment.task.model.backbone)
  _validate_model(experiment.task)
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


def _validate_predictor(experiment: Experiment) -> None:
  task = experiment.task
  predictor, per_pixel = task.model.which_predictor, isinstance(task, PerPixel)
  _require(
      per_pixel == predictor.startswith('per_pixel'),
      f'task.model.which_predictor is {predictor}, which is no model of this experiment; choose one of '
      f'{"per_pixel_*" if per_pixel else "maskformer_*"} (scripts/list_experiments.py)')
  if predictor == 'per_pixel_plus':
    _require(
        task.model.num_queries == task.model.num_classes,
        f'task.model.num_queries is {task.model.num_queries}; per_pixel_plus has a query for each class: set it to '
        f'{task.model.num_classes}')
  if isinstance(task.losses, PointLosses):
    _require(
        (task.losses.focal_alpha, task.losses.focal_gamma) == (Losses.focal_alpha, Losses.focal_gamma),
        "task.losses.focal_alpha and focal_gamma have no effect on mask2former, whose masks' loss is not focal; leave "
        'them as they are')
  evaluation = task.evaluation
  _require(
      evaluation.panoptic or evaluation.semantic or evaluation.instance,
      'task.evaluation.panoptic, semantic and instance are all False; set one')
  _require(
      not evaluation.instance_annotations or evaluation.instance,
      'task.evaluation.instance_annotations has no effect without task.evaluation.instance; set that to True')
  _require(
      not evaluation.semantic_labels or evaluation.semantic,
      'task.evaluation.semantic_labels has no effect without task.evaluation.semantic; set that to '
      'True')
  _require(
      not (per_pixel and (evaluation.panoptic or evaluation.instance)),
      'task.evaluation.panoptic or instance is True, but a per-pixel model has no panoptic answer; set it to False')


def _validate_backbone(backbone) -> None:
  if backbone.type == 'swin':
    c, where = backbone.swin, 'task.model.backbone.swin'
    _require(
        len(c.depths) == 4 and len(c.heads) == 4,
        f'{where}.depths and {where}.heads have {len(c.depths)} and {len(c.heads)} numbers; both need four')
    _require(
        all((c.embed_dim << i) % heads == 0 for i, heads in enumerate(c.heads)),
        f'{where}.embed_dim is {c.embed_dim}; the heads {c.heads} do not divide the channels of their stages')
    _require(
        int(c.embed_dim * c.mlp_ratio) >= 1,
        f'{where}.mlp_ratio is {c.mlp_ratio}, which leaves the first MLP no channel; raise it')
  else:
    _validate_resnet(backbone.resnet)


def _validate_resnet(c) -> None:
  where, grid = 'task.model.backbone.resnet', c.res5_multi_grid
  _require(len(grid) == 3, f'{where}.res5_multi_grid has {len(grid)} numbers; it needs three')
  blocks = {14: 1, 26: 2}.get(c.depth, 3)
  _require(
      all(dilation == 1 for dilation in grid[blocks:]),
      f'{where}.res5_multi_grid is {grid}, but res5 has {blocks} blocks at depth {c.depth}; set '
      'the others to 1')
  _require(
      grid[0] == 1 or c.res5_dilation > 1 or c.stride_in_1x1,
      f'{where}.res5_multi_grid begins with {grid[0]}, and the first 3x3 of res5 has stride 2; set '
      'it to 1, or res5_dilation=2')
  _require(c.freeze_at <= 5, f'{where}.freeze_at is {c.freeze_at}; the last stage is 5')
  if c.norm == 'group':
    halved = c.stem_channels // 2 if c.stem_type == 'deeplab' else c.stem_channels
    _require(
        all(n % 32 == 0 for n in (halved, c.stem_channels, c.res2_channels, c.bottleneck_channels)),
        f"{where}.norm is 'group', of 32 groups; stem_channels (deeplab: half of it), "
        'res2_channels and bottleneck_channels must be multiples of 32')


def _validate_model(task) -> None:
  model, decoder, transformer = task.model, task.model.pixel_decoder, task.model.transformer_decoder
  data_set = catalog.get(task.data_set)
  _require(
      model.num_classes == data_set.num_classes,
      f'task.model.num_classes is {model.num_classes}, but data set {data_set.name} has '
      f'{data_set.num_classes} classes; set task.model.num_classes={data_set.num_classes}')
  _require(
      transformer.hidden % transformer.heads == 0,
      f'task.model.transformer_decoder.hidden is {transformer.hidden}, which its heads '
      f'({transformer.heads}) do not divide; change one of them')
  _require(
      transformer.hidden % 4 == 0,
      f'task.model.transformer_decoder.hidden is {transformer.hidden}; it must be a multiple of 4')
  _validate_what_is_read(model)
  if model.which_predictor == 'mask2former':
    _require(
        not transformer.dropout,
        'task.model.transformer_decoder.dropout has no effect on mask2former; leave it 0')
  if model.which_pixel_decoder == 'deformable':
    _require(
        not decoder.encoder_dropout,
        'task.model.pixel_decoder.encoder_dropout has no effect on the deformable decoder; leave it 0')
  if model.which_pixel_decoder in ('transformer_fpn', 'deformable'):
    _require(
        decoder.width % decoder.encoder_heads == 0,
        f'task.model.pixel_decoder.width is {decoder.width}, which encoder_heads '
        f'({decoder.encoder_heads}) do not divide; change one of them')
    _require(
        decoder.width % 4 == 0,
        f'task.model.pixel_decoder.width is {decoder.width}; it must be a multiple of 4')
  if decoder.norm == 'group' or model.which_pixel_decoder == 'deformable':
    _require(
        decoder.width % 32 == 0,
        f"task.model.pixel_decoder.width is {decoder.width}; group norm (norm 'group', the deformable decoder) needs a "
        'multiple of 32')


def _validate_what_is_read(model) -> None:
  """Refuses settings of parts that the model has, which these parts do not read."""
  transformer, points = model.transformer_decoder, model.pixel_decoder.encoder_points
  is_convolution = model.which_predictor == 'per_pixel'
  _require(
      not (is_convolution and transformer.input_projection),
      'task.model.transformer_decoder.input_projection has no effect on per_pixel; leave it False')
  _require(
      not (is_convolution and model.which_pixel_decoder == 'fpn' and transformer.pre_norm),
      'task.model.transformer_decoder.pre_norm has no effect on a model without a transformer; '
      'leave it False')
  _require(
      model.which_pixel_decoder == 'deformable' or points == PixelDecoder.encoder_points,
      'task.model.pixel_decoder.encoder_points has no effect on the pixel decoder '
      f'{model.which_pixel_decoder}; leave it {PixelDecoder.encoder_points}')


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


def _validate_micro_batches(task) -> None:
  backbone = task.model.backbone
  _require(
      not task.micro_batch_size or backbone.type != 'resnet' or backbone.resnet.norm in ('frozen', 'group'),
      f'task.micro_batch_size is {task.micro_batch_size}, but task.model.backbone.resnet.norm is '
      f"'{backbone.resnet.norm}', whose statistics are those of the whole batch; set it to 0")


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
