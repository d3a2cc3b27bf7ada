"""Experiments on one's own data: what follows from the records, and what a user's settings do."""

import json

import pytest

from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.experiments import settings
from tf_maskformer.configs.experiments import table
from tf_maskformer.errors import UserError


def write_records(folder, images=100, sizes=None, segments=7, planes=2, val_images=10):
  folder.mkdir(exist_ok=True)
  (folder / 'data_set.yaml').write_text('classes: [cat, dog]')
  for split, count in (('train', images), ('val', val_images)):
    counts = {
        'images': count, 'sizes': sizes or {'480x640': count}, 'most_segments': segments,
        'most_planes': planes}
    (folder / f'{split}.report.json').write_text(json.dumps({'counts': counts}))
  return folder


def settled(folder, name='mask2former_custom_instance', **options):
  experiment = registry.get(name)
  changes = [f"task.data_set='{folder}'", *options.pop('changes', [])]
  settings.settle(experiment, changes=changes, **options)
  return experiment


def test_what_follows_from_the_records(tmp_path, capsys):
  experiment = settled(write_records(tmp_path / 'records'))
  task = experiment.task
  assert task.model.num_classes == 2 and task.model.num_queries == 100
  assert task.train_data.parser.output_size == [640, 640]
  assert task.validation_data.parser.augmentation.short_edges == [480]
  assert task.train_data.global_batch_size == 4  # 2 megapixels hold 5.1 windows
  assert experiment.trainer.train_steps == 4000  # 16000 images
  assert experiment.trainer.validation_interval == 400
  assert experiment.trainer.optimizer_config.learning_rate.base == 5e-5  # half, of a quarter
  assert (task.train_data.parser.max_segments, task.train_data.parser.max_layers) == (8, 2)
  assert experiment.trainer.best_checkpoint_eval_metric == 'ap'
  assert task.train_data.input_path == f'{tmp_path}/records/train-*.tfrecord'
  assert task.model.backbone.resnet.norm == 'group'  # it starts from random weights
  assert 'learning rate: 5e-05 = 0.0001 x root of (4 / 16 images)' in capsys.readouterr().out
  assert not experiment.fits_data


@pytest.mark.parametrize('images, steps, batch', [
    (3, 300, 3), (20, 1500, 4), (320, 4000, 4), (1000, 12500, 4)])
def test_steps_follow_from_the_number_of_images(tmp_path, images, steps, batch):
  experiment = settled(write_records(tmp_path / 'records', images))
  assert experiment.trainer.train_steps == steps
  assert experiment.task.train_data.global_batch_size == batch


@pytest.mark.parametrize('size, window, short_edge, batch', [
    ('20x30', 64, 20, 16), ('128x128', 128, 128, 16), ('3000x4000', 1024, 768, 2)])
def test_sizes_follow_from_those_of_the_images(tmp_path, size, window, short_edge, batch):
  task = settled(write_records(tmp_path / 'records', sizes={size: 100})).task
  assert task.train_data.parser.output_size == [window, window]
  assert task.validation_data.parser.augmentation.short_edges == [short_edge]
  assert task.train_data.global_batch_size == batch


@pytest.mark.parametrize('images, size, window, batch, steps', [
    (100, '128x128', 128, 16, 1000), (100, '480x640', 256, 4, 1526),
    (9000, '480x640', 256, 4, 2250)])
def test_the_small_network_takes_minutes(tmp_path, images, size, window, batch, steps):
  records = write_records(tmp_path / 'records', images, sizes={size: images})
  experiment = settled(records, 'mask2former_custom_instance_small')
  data = experiment.task.train_data
  assert (data.parser.output_size[0], data.global_batch_size) == (window, batch)
  assert experiment.trainer.train_steps == steps


def test_queries_for_every_segment(tmp_path):
  task = settled(write_records(tmp_path / 'records', segments=201)).task
  assert task.model.num_queries == 260 and task.train_data.parser.max_segments == 208


def test_settings_are_stronger(tmp_path):
  changes = ['trainer.train_steps=7,task.model.num_queries=33', 'task.init_checkpoint=a.pkl']
  experiment = settled(write_records(tmp_path / 'records'), changes=changes)
  assert experiment.trainer.train_steps == 7 and experiment.task.model.num_queries == 33
  assert experiment.task.init_classes == 'new'
  assert experiment.task.model.backbone.resnet.norm == 'frozen'


def test_names_of_classes_are_kept_where_they_are_known(tmp_path):
  records = write_records(tmp_path / 'records')
  named = ['task.init_checkpoint=a.pkl,task.init_data_set=coco_panoptic']
  assert settled(records, changes=named).task.init_classes == 'by_name'
  of_a_run = [f'task.init_checkpoint={tmp_path}']
  assert settled(records, changes=of_a_run).task.init_classes == 'by_name'


def test_the_environment_names_records(tmp_path, capsys):
  records = write_records(tmp_path / 'records')
  experiment = registry.get('maskformer_custom_semantic')
  settings.settle(experiment, environ={'TFRECORDS_DIR': str(records), 'TRAIN_BATCH_SIZE': '2'})
  assert experiment.task.data_set == str(records)
  assert experiment.task.train_data.global_batch_size == 2
  assert experiment.trainer.train_steps == 8000  # as many images
  assert capsys.readouterr().out.count('environment: TFRECORDS_DIR') == 1


def test_a_run_is_not_fitted_again(tmp_path):
  records = write_records(tmp_path / 'records')
  experiment = settled(records, changes=['trainer.train_steps=7'])
  settings.write(str(tmp_path), 'mask2former_custom_instance', experiment)
  write_records(records, images=999)
  _, again = settings.of_run(str(tmp_path))
  settings.settle(again)
  assert again.trainer.as_dict() == experiment.trainer.as_dict()
  assert again.task.data_set == f'{tmp_path}/data_set.yaml'


@pytest.mark.parametrize('name', table.CUSTOM)
def test_every_row_is_valid(tmp_path, name):
  experiment = settled(write_records(tmp_path / 'records'), name)
  row = table.CUSTOM[name]
  assert getattr(experiment.task.evaluation, row.task)
  assert experiment.task.train_data.parser.merge_classes == (row.task == 'semantic')


def test_without_data(tmp_path):
  with pytest.raises(UserError, match='no data set is named; give task.data_set=RECORDS'):
    settings.settle(registry.get('mask2former_custom_instance'))
  with pytest.raises(UserError, match='coco_panoptic is a built-in data set'):
    settled('coco_panoptic')
  (tmp_path / 'own.yaml').write_text('classes: [a]')
  with pytest.raises(UserError, match='own_records does not hold the records of train and val'):
    settled(tmp_path / 'own.yaml')


@pytest.mark.parametrize('content', ['{}', '[]', '{"counts": {"images": 3}}', '{"counts": 1}', 'x'])
def test_a_report_that_says_nothing(tmp_path, content):
  records = write_records(tmp_path / 'records')
  (records / 'train.report.json').write_text(content)
  with pytest.raises(UserError, match='train.report.json'):
    settled(records)
