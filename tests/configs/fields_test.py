"""Which values every field takes: a table of all keys, and what each rule refuses."""

import dataclasses

import pytest

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
DATA = ('task.train_data', 'task.validation_data')


def _of_both(*names):
  return {f'{data}.{name}' for data in DATA for name in names}


AT_LEAST_ONE = {
    'task.model.num_queries',
    f'{RESNET}.stem_channels', f'{RESNET}.res2_channels', f'{RESNET}.bottleneck_channels',
    f'{RESNET}.res5_multi_grid',
    f'{SWIN}.embed_dim', f'{SWIN}.depths', f'{SWIN}.heads', f'{SWIN}.window',
    f'{PIXEL}.width', f'{PIXEL}.mask_width', f'{PIXEL}.encoder_layers', f'{PIXEL}.encoder_heads',
    f'{PIXEL}.encoder_feedforward', f'{PIXEL}.encoder_points',
    f'{TRANSFORMER}.layers', f'{TRANSFORMER}.hidden', f'{TRANSFORMER}.heads',
    f'{TRANSFORMER}.feedforward',
    'task.losses.points', 'task.losses.oversample_ratio', f'{RATE}.boundaries',
    'trainer.steps_per_loop', 'trainer.checkpoint_interval', 'trainer.max_to_keep',
    'trainer.train_steps', 'trainer.validation_interval',
    *_of_both(
        'shuffle_buffer_size', 'parser.output_size', 'parser.max_segments', 'parser.max_layers',
        'parser.augmentation.crop_pre_short_edges', 'parser.augmentation.crop_side_range',
        'parser.augmentation.short_edges')}
SHARES = {
    'task.losses.focal_alpha', 'task.losses.importance_ratio', f'{RATE}.warmup_factor',
    'task.evaluation.object_mask_threshold', 'task.evaluation.overlap_threshold',
    *_of_both('parser.augmentation.flip_probability', 'parser.augmentation.crop_probability')}
SHARES_BELOW_ONE = {
    f'{SWIN}.drop_path', f'{PIXEL}.encoder_dropout', f'{TRANSFORMER}.dropout', f'{ADAMW}.beta_1',
    f'{ADAMW}.beta_2'}
ANYTHING = _of_both('parser.padding_byte')
CHOICES = {
    'task.data_set': tuple(catalog.names()),
    'task.model.which_pixel_decoder': ('transformer_fpn', 'fpn', 'deformable'),
    f'{RESNET}.stem_type': ('basic', 'deeplab'),
    f'{RESNET}.norm': ('frozen', 'batch', 'sync', 'group'),
    f'{RESNET}.depth': (14, 26, 50, 101, 152),
    f'{RESNET}.res5_dilation': (1, 2),
    f'{PIXEL}.norm': ('group', ''),
    'task.losses.matcher': ('auto', 'host', 'graph'),
    f'{RATE}.schedule': ('multi_step', 'poly', 'constant'),
    'trainer.best_checkpoint_metric_comp': ('higher', 'lower'),
    'runtime.distribution_strategy': ('one_device', 'mirrored', 'tpu'),
    'runtime.mixed_precision_dtype': (
        'float32', 'bfloat16', 'float16', 'mixed_bfloat16', 'mixed_float16')}


def _wanted(key):
  for keys, rule in (
      (AT_LEAST_ONE, fields.AtLeast(1)), (SHARES, fields.Share()),
      (SHARES_BELOW_ONE, fields.Share(below_one=True)), (ANYTHING, fields.Anything())):
    if key in keys:
      return rule
  return fields.AtLeast(0)


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
  assert {*AT_LEAST_ONE, *SHARES, *SHARES_BELOW_ONE, *ANYTHING, *CHOICES} <= known


@pytest.mark.parametrize('rule, good, bad', [
    (fields.AtLeast(0), (0, 0.5, [0, 2], '', True, None), (-1, -0.5, [3, -1])),
    (fields.AtLeast(1), (1, 1.5, [], [1, 2]), (0, 0.5, -1, [1, 0])),
    (fields.Share(), (0, 0.5, 1), (-0.1, 1.1)),
    (fields.Share(below_one=True), (0, 0.999), (-0.1, 1, 1.1)),
    (fields.OneOf(('a', '')), ('a', ''), ('b', 'A')),
    (fields.OneOf((1, 2)), (1, 2), (0, 3)),
    (fields.Anything(), (-1, 0, 1e9), ()),
])
def test_what_a_rule_takes(rule, good, bad):
  for value in good:
    rule.check(value, 'here')
  for value in bad:
    with pytest.raises(UserError, match='^here (must|cannot) '):
      rule.check(value, 'here')


@pytest.mark.parametrize('rule, value, message', [
    (fields.AtLeast(0), -1, 'here must not be below 0, not -1'),
    (fields.AtLeast(1), [2, 0], 'here must be at least 1, not 0'),
    (fields.Share(), 1.5, 'here must lie in 0 .. 1, not 1.5'),
    (fields.Share(below_one=True), 1.0, 'here must be below 1; 1 would leave nothing'),
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
