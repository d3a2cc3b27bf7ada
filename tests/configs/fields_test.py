"""Which values every field takes: a table of all keys, and what each rule refuses."""

import dataclasses

import pytest

from tf_maskformer.configs import addresses
from tf_maskformer.configs import fields
from tf_maskformer.configs import overrides
from tf_maskformer.configs import rules
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import published
from tf_maskformer.configs.losses import Losses
from tf_maskformer.errors import UserError

RESNET = 'task.model.backbone.resnet'
SWIN = 'task.model.backbone.swin'
PIXEL = 'task.model.pixel_decoder'
TRANSFORMER = 'task.model.transformer_decoder'
RATE = 'trainer.optimizer_config.learning_rate'
ADAMW = 'trainer.optimizer_config.optimizer'
INT32 = 2**31 - 1
DATA = ('task.train_data', 'task.validation_data')


def _of_both(*names, bounds=None):
  return {f'{data}.{name}': bounds for data in DATA for name in names}


# (lowest, highest) of the numbers that are not shares; every other number is 0 .. 2^31 - 1.
BOUNDS = {
    'task.micro_batch_size': (0, 65536),
    'task.model.num_queries': (1, 65536), 'task.model.num_classes': (0, 65535),
    'task.model.size_divisibility': (0, 8192),
    f'{RESNET}.stem_channels': (2, 2048), f'{RESNET}.res2_channels': (1, 4096),
    f'{RESNET}.bottleneck_channels': (1, 1024), f'{RESNET}.res5_multi_grid': (1, 1000),
    f'{RESNET}.freeze_at': (0, 5),
    f'{SWIN}.embed_dim': (1, 2048), f'{SWIN}.depths': (1, 256), f'{SWIN}.heads': (1, 1024),
    f'{SWIN}.window': (1, 32), f'{SWIN}.mlp_ratio': (0, 8),
    f'{PIXEL}.width': (1, 16384), f'{PIXEL}.mask_width': (1, 16384),
    f'{PIXEL}.encoder_layers': (1, 256), f'{PIXEL}.encoder_heads': (1, 1024),
    f'{PIXEL}.encoder_feedforward': (1, 65536), f'{PIXEL}.encoder_points': (1, 256),
    f'{TRANSFORMER}.layers': (1, 256), f'{TRANSFORMER}.hidden': (1, 16384),
    f'{TRANSFORMER}.heads': (1, 1024), f'{TRANSFORMER}.feedforward': (1, 65536),
    **dict.fromkeys((f'task.losses.{name}' for name in (
        'class_weight', 'mask_weight', 'dice_weight', 'no_object_weight', 'cost_class', 'cost_mask',
        'cost_dice', 'weight')), (0, 1e6)),
    'task.losses.focal_gamma': (0, 1000), 'task.losses.points': (1, 2**20),
    'task.losses.oversample_ratio': (1, 1000),
    'task.evaluation.instances_per_image': (1, 65535), 'task.evaluation.num_images': (0, 1000),
    f'{RATE}.base': (0, 1000), f'{RATE}.boundaries': (1, INT32), f'{RATE}.factor': (0, 10),
    f'{RATE}.power': (0, 1000),
    f'{ADAMW}.epsilon': (1e-20, 1), f'{ADAMW}.weight_decay': (0, 1000),
    f'{ADAMW}.backbone_multiplier': (0, 1000), f'{ADAMW}.gradient_clip_norm': (0, 1e30),
    **dict.fromkeys((f'trainer.{name}' for name in (
        'steps_per_loop', 'checkpoint_interval', 'max_to_keep', 'train_steps',
        'validation_interval', 'max_skipped_updates')), (1, INT32)),
    'runtime.num_gpus': (0, 4096),
    **_of_both('shuffle_buffer_size', 'block_length', bounds=(1, INT32)),
    **_of_both('global_batch_size', bounds=(0, 65536)),
    **_of_both('prefetch_buffer_size', bounds=(0, 1000)),
    **_of_both('parser.output_size', 'parser.augmentation.crop_pre_short_edges',
               'parser.augmentation.crop_side_range', 'parser.augmentation.short_edges',
               bounds=(1, 32768)),
    **_of_both('parser.augmentation.long_edge_limit', bounds=(0, 65536)),
    **_of_both('parser.augmentation.scale_jitter', bounds=(0, 1e6)),
    **_of_both('parser.max_segments', bounds=(1, 65535)),
    **_of_both('parser.max_layers', bounds=(1, 1024)),
    **_of_both('parser.padding_byte', bounds=(-1, 255))}
SHARES = {
    'task.losses.focal_alpha', 'task.losses.importance_ratio', f'{RATE}.warmup_factor',
    'task.evaluation.object_mask_threshold', 'task.evaluation.overlap_threshold',
    *_of_both('parser.augmentation.flip_probability', 'parser.augmentation.crop_probability')}
SHARES_BELOW_ONE = {
    f'{SWIN}.drop_path', f'{PIXEL}.encoder_dropout', f'{TRANSFORMER}.dropout', f'{ADAMW}.beta_1',
    f'{ADAMW}.beta_2'}
CHOICES = {
    'task.init_classes': ('by_count', 'by_name', 'new', 'strict'),
    'task.init_queries': ('strict', 'extend'),
    'task.model.which_pixel_decoder': ('transformer_fpn', 'fpn', 'deformable'),
    f'{RESNET}.stem_type': ('basic', 'deeplab'),
    f'{RESNET}.norm': ('frozen', 'batch', 'sync', 'group'),
    f'{RESNET}.depth': (14, 26, 50, 101, 152),
    f'{RESNET}.res5_dilation': (1, 2),
    f'{PIXEL}.norm': ('group', ''),
    'task.losses.matcher': ('auto', 'host', 'graph'),
    f'{RATE}.schedule': ('multi_step', 'poly', 'constant'),
    'trainer.eval_tf_while_loop': (False,),
    'trainer.best_checkpoint_metric_comp': ('higher', 'lower'),
    'runtime.distribution_strategy': ('one_device', 'mirrored', 'tpu'),
    'runtime.all_reduce_alg': (None, 'nccl', 'hierarchical_copy'),
    'runtime.mixed_precision_dtype': (
        'float32', 'bfloat16', 'float16', 'mixed_bfloat16', 'mixed_float16')}


def _wanted(key):
  if key == 'task.data_set':
    return fields.Checked(catalog.get)
  if key in _of_both('service', bounds=()):
    return fields.Checked(addresses.of_service)
  if key in BOUNDS:
    return fields.Within(*BOUNDS[key])
  if key in SHARES | SHARES_BELOW_ONE:
    return fields.Share(below_one=key in SHARES_BELOW_ONE)
  return fields.Within(0, INT32)


def _owner(experiment, key):
  """Returns the configuration that holds the field `key`."""
  config = experiment
  for name in key.split('.')[:-1]:
    config = getattr(config, name)
  return config


MODELS = ('maskformer_coco_panoptic', 'mask2former_coco_panoptic', 'per_pixel_ade20k_semantic')


@pytest.mark.parametrize('name', MODELS)
def test_every_key_has_the_rule_of_the_table(name):
  experiment = published.build(name)
  for key in overrides.keys(experiment):
    if not rules.is_without_effect(key):
      found = fields.rule(_owner(experiment, key), key.rpartition('.')[2])
      if key in CHOICES:
        assert found.known == CHOICES[key], key
      else:
        assert found == _wanted(key), key


def test_every_key_of_the_table_exists():
  known = {key for name in MODELS for key in overrides.keys(published.build(name))}
  assert {*BOUNDS, *SHARES, *SHARES_BELOW_ONE, *CHOICES} <= known


@pytest.mark.parametrize('rule, good, bad', [
    (fields.Within(0, 9), (0, 0.5, [0, 2], 9, '', True, None), (-1, -0.5, [3, -1], 10, 10**40)),
    (fields.Within(1, 2.5), (1, 1.5, [], [1, 2.5]), (0, 0.5, -1, [1, 0], [2, 3], [1] * 1001)),
    (fields.Within(-1, 255), (-1, 0, 255), (-2, 256)),
    (fields.Share(), (0, 0.5, 1), (-0.1, 1.1)),
    (fields.Checked(catalog.get), ('coco_panoptic',), ('coco', 'none.yaml')),
    (fields.Share(below_one=True), (0, 0.999999), (-0.1, 0.99999999, 1, 1.1)),
    (fields.OneOf(('a', '')), ('a', ''), ('b', 'A')),
    (fields.OneOf((1, 2)), (1, 2), (0, 3)),
])
def test_what_a_rule_takes(rule, good, bad):
  for value in good:
    rule.check(value, 'here')
  for value in bad:
    with pytest.raises(UserError, match='^here(:| must| cannot| has) '):
      rule.check(value, 'here')


@pytest.mark.parametrize('rule, value, message', [
    (fields.Within(0, 9), -1, 'here must not be below 0, not -1'),
    (fields.Within(1, 9), [2, 0], 'here must be at least 1, not 0'),
    (fields.Within(0, INT32), 2**31, 'here must be at most 2147483647, not 2147483648'),
    (fields.Within(0, 1e6), 1e39, 'here must be at most 1e+06, not 1e+39'),
    (fields.Within(0, 9), 1e-50,
     'here is 1e-50, which is 0 in float32; set it to 0 or to at least 1e-37'),
    (fields.Share(), 1.5, 'here must be in 0 .. 1, not 1.5'),
    (fields.Share(below_one=True), 1.0,
     'here must be below 1, at most 0.999999; 1 would leave nothing'),
    (fields.OneOf(('host', 'graph')), 'hots', "here cannot be 'hots'; did you mean host?"),
    (fields.OneOf((1, 2)), 3, 'here cannot be 3; known: 1, 2'),
])
def test_messages(rule, value, message):
  with pytest.raises(UserError) as error:
    rule.check(value, 'here')
  assert str(error.value) == message


@dataclasses.dataclass
class OtherDefault(Losses):
  """Losses with another default, as PointLosses is."""
  focal_alpha: float = 0.5


def test_a_default_changed_in_a_subclass_keeps_the_rule():
  assert OtherDefault().focal_alpha == 0.5
  assert fields.rule(OtherDefault(), 'focal_alpha') == fields.Share()


def test_several_machines_are_refused_with_advice():
  experiment = published.build('maskformer_coco_panoptic')
  with pytest.raises(UserError, match="several machines is not supported yet; use 'mirrored'"):
    overrides.apply(experiment, 'runtime.distribution_strategy=multi_worker_mirrored')
  overrides.apply(experiment, 'runtime.distribution_strategy=mirrored')
