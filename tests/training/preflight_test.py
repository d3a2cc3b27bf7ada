"""What is checked before anything is built."""

import os

import pytest

from tf_maskformer.configs import overrides
from tf_maskformer.configs.experiments import shapes
from tf_maskformer.errors import UserError
from tf_maskformer.training import preflight


def _shapes():
  experiment = shapes.shapes_panoptic()
  experiment.task.train_data.input_path = 'train*'
  experiment.task.validation_data.input_path = 'val*'
  return experiment


def test_model_dir_is_made_and_left_clean(tmp_path):
  folder = tmp_path / 'a' / 'b'
  preflight.check_model_dir(str(folder))
  assert os.listdir(folder) == []


def test_model_dir_below_a_file(tmp_path):
  (tmp_path / 'file').write_text('x')
  with pytest.raises(UserError, match='--model_dir .*/file/run cannot be written to'):
    preflight.check_model_dir(str(tmp_path / 'file' / 'run'))


@pytest.mark.parametrize('mode, fields', [
    ('train', ['task.train_data.input_path']),
    ('eval', ['task.validation_data.input_path']),
    ('continuous_eval', ['task.validation_data.input_path']),
    ('train_and_eval', ['task.train_data.input_path', 'task.validation_data.input_path']),
])
def test_reads_what_the_mode_needs(mode, fields):
  task = _shapes().task
  seen = []
  preflight.check_inputs(task, mode, lambda data, *rest: seen.append(rest) or [])
  assert seen == [('shapes_panoptic', task.model.num_classes, field) for field in fields]


def test_missing_input_names_the_variable():
  task = _shapes().task
  task.validation_data.input_path = ''
  preflight.check_inputs(task, 'train', lambda *_: [])
  message = 'task.validation_data.input_path is empty; set TFRECORDS_DIR'
  with pytest.raises(UserError, match=message):
    preflight.check_inputs(task, 'eval', lambda *_: [])


def test_missing_instance_annotations(tmp_path):
  task = _shapes().task
  task.evaluation.instance_annotations = str(tmp_path / 'none.json')
  preflight.check_inputs(task, 'train', lambda *_: [])
  with pytest.raises(UserError, match='instance_annotations=.*none.json does not exist'):
    preflight.check_inputs(task, 'train_and_eval', lambda *_: [])


def test_missing_semantic_labels(tmp_path):
  task = _shapes().task
  task.evaluation.semantic_labels = str(tmp_path / 'none')
  preflight.check_inputs(task, 'train', lambda *_: [])
  with pytest.raises(UserError, match='semantic_labels=.*none is not a directory'):
    preflight.check_inputs(task, 'eval', lambda *_: [])


def test_errors_of_the_reader_pass():
  def read_one(*_):
    raise UserError('no file matches')
  with pytest.raises(UserError, match='no file matches'):
    preflight.check_inputs(_shapes().task, 'train', read_one)


def test_batch_of_nothing():
  task = _shapes().task
  task.train_data.global_batch_size = 0
  with pytest.raises(UserError, match='task.train_data.global_batch_size is 0'):
    preflight.check_inputs(task, 'train', lambda *_: [])


def test_init_checkpoint(tmp_path):
  task = _shapes().task
  preflight.check_init_checkpoint(task)  # none is fine
  task.init_checkpoint = str(tmp_path)
  with pytest.raises(UserError, match='is an empty folder'):
    preflight.check_init_checkpoint(task)
  (tmp_path / 'model.ckpt-3.index').write_text('')
  preflight.check_init_checkpoint(task)
  task.init_checkpoint = str(tmp_path / 'model.ckpt-3')
  preflight.check_init_checkpoint(task)
  task.init_checkpoint = str(tmp_path / 'model.ckpt-4')
  with pytest.raises(UserError, match='model.ckpt-4 does not exist'):
    preflight.check_init_checkpoint(task)


# The Model Garden's own runner would train on the CPU instead, without a warning.
@pytest.mark.parametrize('mode, script', [('train', 'train_cpu.sh'), ('eval', 'eval_cpu.sh')])
def test_more_gpus_than_there_are(mode, script):
  runtime = _shapes().runtime
  assert preflight.resolve_devices(runtime, mode) is None
  runtime.num_gpus = 99
  with pytest.raises(UserError, match=f'runtime.num_gpus=99, but TensorFlow finds .*{script}'):
    preflight.resolve_devices(runtime, mode)


def test_a_tpu_that_is_not_attached(monkeypatch):
  runtime = _shapes().runtime
  runtime.distribution_strategy = 'tpu'
  with pytest.raises(UserError, match='name the TPU'):
    preflight.resolve_devices(runtime, 'train')
  runtime.tpu = 'local'
  monkeypatch.setattr(preflight.tf.io.gfile, 'glob', lambda pattern: [])
  with pytest.raises(UserError, match='no TPU is attached.*train_cpu.sh'):
    preflight.resolve_devices(runtime, 'train')
  runtime.tpu = 'grpc://10.0.0.2:8470'
  assert preflight.resolve_devices(runtime, 'train') == 'grpc://10.0.0.2:8470'


def test_all_together(tmp_path):
  seen = []
  folder = str(tmp_path / 'run')
  address = preflight.check(
      _shapes(), 'train', folder, lambda *arguments: seen.append(arguments) or [])
  assert address is None
  assert len(seen) == 1 and (tmp_path / 'run').is_dir()


def test_nothing_to_follow(tmp_path):
  experiment = _shapes()
  folder = tmp_path / 'absent'
  message = 'absent does not exist; give the folder of the run to follow'
  with pytest.raises(UserError, match=message):
    preflight.check(experiment, 'continuous_eval', str(folder), lambda *_: [])
  assert not folder.exists()


def test_records_in_both_splits(tmp_path):
  task = _shapes().task
  (tmp_path / 'link').symlink_to(tmp_path / 'a')
  files = {'train': ['x', str(tmp_path / 'a')], 'validation': ['y', str(tmp_path / 'link')]}
  def read_one(data, *_):
    return files['train' if data.is_training else 'validation']
  with pytest.raises(UserError, match='link is among the records of training and of validation'):
    preflight.check_inputs(task, 'train_and_eval', read_one)
  for mode in ('train', 'eval'):
    preflight.check_inputs(task, mode, read_one)
  task.score_training_records = True
  preflight.check_inputs(task, 'train_and_eval', read_one)


@pytest.mark.parametrize('text, mode, message', [
    ('runtime.num_gpus=2,task.train_data.global_batch_size=7', 'train', '=7 cannot be shared by 2'),
    ('runtime.num_gpus=2,task.validation_data.global_batch_size=7', 'eval', '=7 cannot be shared'),
    ('task.micro_batch_size=3', 'train', 'micro_batch_size=3 does not divide the 16 images')])
def test_batches(text, mode, message):
  experiment = _shapes()
  experiment.task.model.backbone.resnet.norm = 'group'
  overrides.apply(experiment, text)
  with pytest.raises(UserError, match=message):
    preflight.check_batches(experiment, mode)
  other = 'eval' if mode == 'train' else 'train'
  preflight.check_batches(experiment, other)


def test_batches_of_several_workers():
  experiment = _shapes()
  experiment.runtime.num_gpus = 2
  preflight.check_batches(experiment, 'train', num_workers=8)
  message = '=16 cannot be shared by 6 replicas .3 workers with 2 each.'
  with pytest.raises(UserError, match=message):
    preflight.check_batches(experiment, 'train', num_workers=3)
  experiment.task.model.backbone.resnet.norm = 'group'
  experiment.task.micro_batch_size = 2
  with pytest.raises(UserError, match='does not divide the 1 images per replica'):
    preflight.check_batches(experiment, 'train', num_workers=8)


def test_several_gpus_and_one_device(monkeypatch):
  runtime = _shapes().runtime
  runtime.num_gpus = 2
  monkeypatch.setattr(preflight.tf.config, 'list_physical_devices', lambda kind: ['a', 'b'])
  with pytest.raises(UserError, match="'one_device'; set it to 'mirrored'"):
    preflight.resolve_devices(runtime, 'train')
  runtime.distribution_strategy = 'mirrored'
  assert preflight.resolve_devices(runtime, 'train') is None


def test_a_schedule_that_the_training_ends_before(capsys):
  experiment = _shapes()
  rate = experiment.trainer.optimizer_config.learning_rate
  preflight.warn_of_schedule(experiment)
  assert capsys.readouterr().out == ''
  experiment.trainer.train_steps = 100
  rate.schedule = 'multi_step'
  rate.boundaries = [50, 100]
  preflight.warn_of_schedule(experiment)
  first, second = capsys.readouterr().out.splitlines()
  assert first.startswith('warning: trainer.train_steps=100 ends before boundaries=[100]')
  assert 'ends within warmup_steps=100' in second


@pytest.mark.parametrize('path', ['http://example.org/model', 'http://example.org/model.h5'])
def test_a_checkpoint_that_is_not_in_a_file_system(path):
  task = _shapes().task
  task.init_checkpoint = path
  with pytest.raises(UserError, match='task.init_checkpoint=http.* cannot be read'):
    preflight.check_init_checkpoint(task)
