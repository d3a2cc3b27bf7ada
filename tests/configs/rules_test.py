"""What must hold between the fields of an experiment."""

import pytest

from tf_maskformer.configs import overrides
from tf_maskformer.configs import rules
from tf_maskformer.configs.experiments import published
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.experiments import table
from tf_maskformer.errors import UserError


@pytest.mark.parametrize('name', sorted(set(table.ROWS) - set(table.CUSTOM)))
def test_registered_experiments_are_valid(name):
  rules.validate(registry.get(name))


PARSER = 'task.train_data.parser'
RESNET = 'task.model.backbone.resnet'
SWIN = 'task.model.backbone.swin'
TRANSFORMER = 'task.model.transformer_decoder'


@pytest.mark.parametrize('text, parts', [
    ('task.model.num_classes=80', ['num_classes is 80', '133']),
    ('task.model.transformer_decoder.heads=7', ['hidden is 256', '7']),
    ('task.model.pixel_decoder.encoder_heads=7', ['width is 256', '7']),
    ('task.model.pixel_decoder.width=40', ['width is 40', '32']),
    (f'{PARSER}.output_size=[5]', ['output_size has 1']),
    (f'{PARSER}.augmentation.crop_to_output=True', ['crop_to_output needs']),
    (f'{PARSER}.augmentation.crop_side_range=[600,384]', ['crop_probability', 'crop_side_range']),
    (f'{PARSER}.augmentation.crop_pre_short_edges=[]', ['crop_pre_short_edges']),
    (f'{PARSER}.augmentation.long_edge_limit=700', ['long_edge_limit is 700', '800']),
    ('trainer.optimizer_config.learning_rate.boundaries=[]', ["'multi_step'", 'boundaries']),
    ('trainer.optimizer_config.learning_rate.boundaries=[20,10]', ['[20, 10]', 'rise']),
    ('runtime.jit_compile=True', ['jit_compile', 'output_size', 'IMG_SIZE']),
    (f'runtime.jit_compile=True,{PARSER}.output_size=[64,64],task.losses.matcher=host',
     ['matcher', 'auto']),
    ('runtime.seed=2147483648', ['runtime.seed must be at most 2147483647']),
    ('runtime.distribution_strategy=tpu', ["'tpu'", 'output_size']),
    ('task.evaluation.semantic_labels=x',
     ['semantic_labels has no effect', 'task.evaluation.semantic']),
    ('task.evaluation.instance_annotations=x.json',
     ['instance_annotations has no effect', 'task.evaluation.instance']),
    ('task.evaluation.boundary=True,task.evaluation.panoptic=False,task.evaluation.semantic=True',
     ['boundary has no effect', 'panoptic or instance']),
    (f'{RESNET}.freeze_at=6', ['freeze_at must be at most 5', '6']),
    (f'{RESNET}.res5_multi_grid=[2,1,1]', ['begins with 2', 'stride 2', 'res5_dilation=2']),
    (f'{RESNET}.depth=14,{RESNET}.res5_multi_grid=[1,2,1]', ['[1, 2, 1]', '1 blocks at depth 14']),
    (f'{RESNET}.depth=26,{RESNET}.res5_multi_grid=[1,2,4]', ['[1, 2, 4]', '2 blocks at depth 26']),
    (f'{RESNET}.norm=group,{RESNET}.bottleneck_channels=48', ["'group'", 'multiples of 32']),
    (f'{RESNET}.norm=group,{RESNET}.stem_type=deeplab,{RESNET}.stem_channels=32', ['half of it']),
    (f'{SWIN}.mlp_ratio=0.001,task.model.backbone.type=swin', ['mlp_ratio is 0.001', 'no channel']),
    (f'{SWIN}.window=0', ['window must be at least 1']),
    (f'{SWIN}.embed_dim=0', ['embed_dim must be at least 1']),
    (f'{SWIN}.drop_path=1', ['drop_path must be below 1']),
    ('task.model.transformer_decoder.dropout=1', ['dropout must be below 1']),
    ('trainer.optimizer_config.optimizer.beta_2=1', ['beta_2 must be below 1']),
    ('task.losses.focal_alpha=-1', ['focal_alpha must be in 0 .. 1']),
    ('task.model.pixel_decoder.encoder_points=8', ['encoder_points has no effect', 'leave it 4']),
    ("task.model.pixel_decoder.width=50,task.model.pixel_decoder.norm='',"
     'task.model.pixel_decoder.encoder_heads=5', ['width is 50', 'multiple of 4']),
    ('task.train_data.is_training=False', ['train_data.is_training is False', 'must be True']),
    ('task.validation_data.is_training=True', ['validation_data.is_training is True']),
    ('task.init_checkpoint_modules=backbon', ["'backbon' is unknown", 'did you mean backbone']),
    ("task.init_checkpoint_modules='all,backbone'", ["'all' next to other names"]),
    ('runtime.all_reduce_alg=nccl', ['all_reduce_alg=nccl has no effect', "'mirrored'"]),
    ('runtime.all_reduce_alg=ring,runtime.distribution_strategy=mirrored',
     ['all_reduce_alg=ring has no effect', "is for 'multi_worker_mirrored'"]),
    ('runtime.all_reduce_alg=nonsense', ["all_reduce_alg cannot be 'nonsense'"]),
    ('trainer.optimizer_config.learning_rate.factor=10,'
     f'trainer.optimizer_config.learning_rate.boundaries={list(range(1, 401))}',
     ['factor=10 at each of 400 boundaries']),
    (f'{PARSER}.output_size=[64,64],{PARSER}.augmentation.short_edges=[],'
     f'{PARSER}.augmentation.long_edge_limit=0,{PARSER}.augmentation.scale_jitter=[0.1,1000]',
     ['scale_jitter is [0.1, 1000.0]', '32768 pixels']),
    (f'{PARSER}.padding_byte=-2', ['padding_byte must be at least -1', '-2']),
    (f'{PARSER}.padding_byte=256', ['padding_byte must be at most 255', '256']),
])
def test_contradictions(text, parts):
  experiment = published.build('maskformer_coco_panoptic')
  with pytest.raises(UserError) as error:
    overrides.apply(experiment, text)
    rules.validate(experiment)
  for part in parts:
    assert part in str(error.value)


@pytest.mark.parametrize('text', [
    f'{RESNET}.res5_multi_grid=[2,1,1],{RESNET}.res5_dilation=2',
    f'{RESNET}.res5_multi_grid=[2,1,1],{RESNET}.stride_in_1x1=True',
    f'{RESNET}.norm=group,{RESNET}.stem_type=deeplab,{RESNET}.stem_channels=64',
    f'{RESNET}.freeze_at=5', f'{PARSER}.padding_byte=-1', f'{PARSER}.padding_byte=255',
    'task.model.transformer_decoder.pre_norm=True,task.model.which_pixel_decoder=fpn'])
def test_what_is_possible_is_not_refused(text):
  experiment = published.build('maskformer_coco_panoptic')
  overrides.apply(experiment, text)
  rules.validate(experiment)


@pytest.mark.parametrize('text, parts', [
    ('transformer_decoder.pre_norm=True', ['pre_norm is False', 'cannot be changed']),
    ('transformer_decoder.input_projection=True', ['input_projection is False']),
    ('transformer_decoder.width=3', ['transformer_decoder.width does not exist']),
    ('num_queries=50', ['num_queries is 100', 'cannot be changed']),
    ('deep_supervision=True', ['deep_supervision is False', 'cannot be changed']),
    ('which_predictor=maskformer', ["which_predictor is 'per_pixel'", 'cannot be changed']),
    ('num_classes=133', ['num_classes is 133', '150'])])
def test_contradictions_of_per_pixel(text, parts):
  experiment = published.build('per_pixel_ade20k_semantic')
  with pytest.raises(UserError) as error:
    overrides.apply(experiment, f'task.model.{text}')
    rules.validate(experiment)
  for part in parts:
    assert part in str(error.value)


@pytest.mark.parametrize('text, parts', [
    ('task.model.transformer_decoder.dropout=0.1', ['transformer_decoder.dropout has no effect']),
    (f'{TRANSFORMER}.hidden=266,{TRANSFORMER}.heads=7', ['multiple of 4']),
    ('task.model.pixel_decoder.encoder_dropout=0.1', ['encoder_dropout has no effect']),
    ("task.model.pixel_decoder.width=80,task.model.pixel_decoder.norm=''", ['width is 80', '32']),
    (f'{PARSER}.augmentation.short_edges=[640]',
     ['short_edges has no effect along with scale_jitter']),
    ('task.losses.focal_gamma=0', ['focal_alpha and focal_gamma have no effect']),
    ('task.losses.points=0', ['points must be at least 1']),
    ('task.losses.importance_ratio=1.5', ['importance_ratio must be in 0 .. 1']),
    ('task.losses.oversample_ratio=0.5', ['oversample_ratio must be at least 1']),
])
def test_contradictions_of_mask2former(text, parts):
  experiment = published.build('mask2former_coco_panoptic')
  with pytest.raises(UserError) as error:
    overrides.apply(experiment, text)
    rules.validate(experiment)
  for part in parts:
    assert part in str(error.value)


def test_width_of_mask2former_need_not_be_that_of_its_maps():
  experiment = published.build('mask2former_coco_panoptic')
  overrides.apply(experiment, f'{TRANSFORMER}.hidden=264,{TRANSFORMER}.heads=6')
  rules.validate(experiment)


def test_what_another_choice_does_not_need_is_not_asked_for():
  experiment = published.build('maskformer_coco_panoptic')
  overrides.apply(experiment, (
      'task.model.which_pixel_decoder=fpn,task.model.pixel_decoder.encoder_heads=7,'
      "task.model.pixel_decoder.norm='',task.model.pixel_decoder.width=40,"
      'trainer.optimizer_config.learning_rate.schedule=poly,'
      'trainer.optimizer_config.learning_rate.boundaries=[]'))
  rules.validate(experiment)


def test_values_that_were_not_set_by_their_key_are_checked_too():
  experiment = published.build('maskformer_coco_panoptic')
  experiment.task.train_data.parser.augmentation.long_edge_limit = 10**6
  with pytest.raises(UserError, match='long_edge_limit must be at most 65536'):
    rules.validate(experiment)
