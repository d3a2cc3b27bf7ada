"""Environment variables: what each changes, and which values are refused."""

import pytest

from tf_maskformer import errors
from tf_maskformer.configs import environment
from tf_maskformer.configs import rules
from tf_maskformer.configs.experiments import published
from tf_maskformer.configs.experiments import shapes
from tf_maskformer.configs.experiments import table
from tf_maskformer.errors import UserError


def _coco(**variables):
  experiment = published.build('maskformer_coco_panoptic')
  lines = environment.apply(experiment, variables)
  return experiment, lines


def test_nothing_set_changes_nothing(capsys):
  experiment, lines = _coco(TRAIN_BATCH_SIZE='', BASE_LR=' ')
  assert experiment.as_dict() == published.build('maskformer_coco_panoptic').as_dict()
  assert lines == [] and capsys.readouterr().out == ''


def test_prints_each_once(capsys):
  _, lines = _coco(BASE_LR='1e-3', EVAL_BATCH_SIZE='2')
  printed = capsys.readouterr().out.splitlines()
  assert printed == [f'environment: {line}' for line in lines] and len(lines) == 2
  assert 'BASE_LR=1e-3' in printed[1]


def test_records(tmp_path):
  experiment, _ = _coco(TFRECORDS_DIR=str(tmp_path))
  assert experiment.task.train_data.input_path == f'{tmp_path}/train*'
  assert experiment.task.validation_data.input_path == f'{tmp_path}/val*'


def test_schedule_follows_the_batch():
  experiment, lines = _coco(TRAIN_BATCH_SIZE='16')  # a quarter of 64
  trainer = experiment.trainer
  rate = trainer.optimizer_config.learning_rate
  assert experiment.task.train_data.global_batch_size == 16
  assert trainer.train_steps == 4 * 554400 and rate.boundaries == [4 * 369600]
  assert rate.base == pytest.approx(1e-4 / 4)
  assert trainer.validation_interval == trainer.train_steps and trainer.checkpoint_interval == 5000
  assert '2217600' in lines[0] and '1478400' in lines[0] and '2.5e-05' in lines[0]
  larger, _ = _coco(TRAIN_BATCH_SIZE='128')
  assert larger.trainer.train_steps == 277200 and larger.trainer.checkpoint_interval == 2500


def test_warm_up_follows_the_batch():
  experiment = shapes.shapes_panoptic()
  environment.apply(experiment, {'TRAIN_BATCH_SIZE': '8'})
  assert experiment.trainer.optimizer_config.learning_rate.warmup_steps == 200


def test_same_batch_changes_nothing():
  experiment, lines = _coco(TRAIN_BATCH_SIZE='64')
  assert experiment.as_dict() == published.build('maskformer_coco_panoptic').as_dict()
  assert 'as registered' in lines[0]


def test_base_rate_wins_over_the_scaled_one():
  experiment, lines = _coco(TRAIN_BATCH_SIZE='16', BASE_LR='3e-4')
  assert experiment.trainer.optimizer_config.learning_rate.base == 3e-4
  assert 'learning rate' not in lines[0]


def test_checkpoints():
  experiment, _ = _coco(RESNET_CKPT='/r50.h5')
  assert experiment.task.init_checkpoint == '/r50.h5'
  assert experiment.task.init_checkpoint_modules == 'backbone'
  experiment, lines = _coco(RESNET_CKPT='/r50.h5', MASKFORMER_CKPT='/model')
  assert experiment.task.init_checkpoint == '/model'
  assert experiment.task.init_checkpoint_modules == 'all'
  assert 'not used' in lines[0]


def test_image_size_scales_the_recipe():
  experiment, _ = _coco(IMG_SIZE='256')
  train = experiment.task.train_data.parser
  validation = experiment.task.validation_data.parser
  assert train.output_size == [256, 256] and train.augmentation.crop_to_output
  assert train.augmentation.short_edges == [154, 164, 174, 184, 195, 205, 215, 225, 236, 246, 256]
  assert train.augmentation.crop_pre_short_edges == [128, 160, 192]
  assert train.augmentation.crop_side_range == [123, 192]
  assert train.augmentation.long_edge_limit == 427
  assert validation.augmentation.short_edges == [256]
  assert validation.augmentation.long_edge_limit == 427
  assert validation.output_size == [] and not validation.augmentation.crop_to_output
  rules.validate(experiment)


def test_image_size_of_records_that_are_not_resized():
  experiment = shapes.shapes_panoptic()
  environment.apply(experiment, {'IMG_SIZE': '64'})
  for data in (experiment.task.train_data, experiment.task.validation_data):
    assert data.parser.augmentation.short_edges == [64] and data.parser.output_size == [64, 64]
  rules.validate(experiment)


def test_image_size_of_large_scale_jitter():
  experiment = published.build('mask2former_coco_panoptic')
  line, = environment.apply(experiment, {'IMG_SIZE': '160'})
  assert line == (
      'IMG_SIZE=160: training on 160 x 160 windows, images fitted into 0.1 to 2 times that; '
      'validation at short edge 160')
  assert experiment.task.train_data.parser.output_size == [160, 160]
  rules.validate(experiment)


@pytest.mark.parametrize('name', table.PUBLISHED)
def test_image_size_fits_every_published_recipe(name):
  experiment = published.build(name)
  environment.apply(experiment, {'IMG_SIZE': '256'})
  rules.validate(experiment)


def test_the_rest():
  experiment, _ = _coco(
      EVAL_BATCH_SIZE='3', NO_OBJ_CLS_WEIGHT='0.2', DEEP_SUPERVISION='False', ON_TPU='1',
      TPU_NAME='pod')
  assert experiment.task.validation_data.global_batch_size == 3
  assert experiment.task.losses.no_object_weight == 0.2
  assert experiment.task.model.deep_supervision is False
  assert experiment.runtime.distribution_strategy == 'tpu' and experiment.runtime.tpu == 'pod'
  experiment, _ = _coco(ON_TPU='False', TPU_NAME='pod')
  assert experiment.runtime.distribution_strategy == 'one_device' and experiment.runtime.tpu is None


@pytest.mark.parametrize('name, value', [
    ('TRAIN_BATCH_SIZE', 'many'), ('TRAIN_BATCH_SIZE', '0'), ('TRAIN_BATCH_SIZE', '2.5'),
    ('TRAIN_BATCH_SIZE', '1_0'), ('TRAIN_BATCH_SIZE', '\u0663'), ('TRAIN_BATCH_SIZE', '9' * 5000),
    ('BASE_LR', '1_0'), ('BASE_LR', '1e308'), ('BASE_LR', '1e-50'), ('NO_OBJ_CLS_WEIGHT', '1e39'),
    ('IMG_SIZE', '9' * 30), ('RESNET_CKPT', 'a\udcff'), ('EVAL_BATCH_SIZE', '-1'),
    ('BASE_LR', 'fast'), ('BASE_LR', 'nan'), ('BASE_LR', '-1'),
    ('IMG_SIZE', 'big'), ('IMG_SIZE', '8'), ('NO_OBJ_CLS_WEIGHT', 'x'),
    ('DEEP_SUPERVISION', 'maybe'),
    ('ON_TPU', 'perhaps'), ('TFRECORDS_DIR', '/nowhere/at/all'),
])
def test_bad_values_name_the_variable(name, value):
  with pytest.raises(UserError) as error:
    _coco(**{name: value})
  assert str(error.value).startswith(f'{name}={errors.quoted(value)} is ')


def test_a_batch_of_an_experiment_without_one():
  experiment = published.build('maskformer_coco_panoptic')
  experiment.task.train_data.global_batch_size = 0
  environment.apply(experiment, {'TRAIN_BATCH_SIZE': '4'})
  assert experiment.task.train_data.global_batch_size == 4
  assert experiment.trainer.train_steps == 554400


def test_model_dir():
  assert environment.model_dir('x', {'MODEL_DIR': '/here'}) == '/here'
  assert environment.model_dir('x', {}).endswith('/runs/x')
