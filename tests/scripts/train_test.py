"""The program's door: names before TensorFlow, precedence, the commands in circulation."""

import os
import pathlib
import subprocess
import sys

import pytest

from tf_maskformer.configs.experiments import settings
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import train

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED = (
    'runtime.distribution_strategy=one_device,runtime.num_gpus={gpus},'
    'runtime.mixed_precision_dtype=float32,task.validation_data.global_batch_size=8,'
    'task.model.which_pixel_decoder=transformer_fpn,task.init_checkpoint_modules=all,'
    'task.init_checkpoint={checkpoint}')
VARIABLES = (
    'MODEL_DIR', 'TFRECORDS_DIR', 'RESNET_CKPT', 'MASKFORMER_CKPT', 'TRAIN_BATCH_SIZE',
    'EVAL_BATCH_SIZE',
    'BASE_LR', 'IMG_SIZE', 'NO_OBJ_CLS_WEIGHT', 'DEEP_SUPERVISION', 'ON_TPU', 'TF_CONFIG')


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
  for name in VARIABLES:
    monkeypatch.delenv(name, raising=False)


def _settle(*argv):
  return train.settle(train.flags().parse(['--experiment=maskformer_coco_panoptic', *argv]))


def _error(*argv):
  with pytest.raises(UserError) as error:
    train.main(argv)
  assert '\n' not in str(error.value)
  return str(error.value)


COCO = '--experiment=maskformer_coco_panoptic'


@pytest.mark.parametrize('argv, parts', [
    ([], ['--experiment is missing', 'tf-maskformer experiments']),
    (['--experiment=maskformer_coco_panoptc'], ['is unknown', 'mean maskformer_coco_panoptic']),
    ([COCO, '--mode=trian'], ["mode 'trian'", 'did you mean train']),
    ([COCO, '--mode=zzz'], ['continuous_eval', 'train_and_eval']),
    ([COCO, '--mod=train'], ["flag '--mod' is unknown", '--mode']),
    ([COCO, '--model_dir='], ['--model_dir is empty', 'MODEL_DIR']),
    ([COCO, '--params_override=a=,b=1'], ['a has an empty value']),
    ([COCO, '--params_override=' + SEED.format(gpus=1, checkpoint='')],
     ['init_checkpoint has an empty']),
    ([COCO, '--params_override=trainer.train_steps=ten'], ['train_steps', 'a whole number']),
    ([COCO, '--params_override=task.model.num_classes=3'], ['num_classes is 3']),
    ([COCO, '--config_file=/nowhere.yaml'], ['/nowhere.yaml cannot be read']),
    ([COCO, '--mode=train'], ['task.train_data.input_path is empty', 'TFRECORDS_DIR']),
    ([COCO, '--worker_hosts=a:1,b:1'], ['--task_index is missing']),
    ([COCO, '--worker_hosts=a:1,b:1', '--task_index=2'], ['--task_index is 2', 'from 0 to 1']),
    ([COCO, '--worker_hosts=a:1,b:1', '--task_index=0'],
     ['2 workers are named', "is 'one_device'", "set it to 'multi_worker_mirrored'"]),
    ([COCO, '--worker_timeout=nan'], ['--worker_timeout is nan', 'above 0']),
    ([COCO, '--params_override=runtime.distribution_strategy=multi_worker_mirrored'],
     ['no workers are named', '--worker_hosts', 'TF_CONFIG', 'srun']),
    ([COCO, '--params_override=runtime.num_gpus=77'], ['runtime.num_gpus=77', 'train_cpu.sh']),
])
def test_mistakes(argv, parts, tmp_path):
  has_folder = any(a.startswith('--model_dir') for a in argv)
  model_dir = [] if has_folder else [f'--model_dir={tmp_path}/run']
  message = _error(*argv, *model_dir)
  for part in parts:
    assert part in message, message
  assert not (tmp_path / 'run').exists()  # nothing is left behind


def test_seed_command_is_understood(tmp_path):
  _, experiment, model_dir = _settle(
      '--mode', 'eval', '--model_dir', str(tmp_path),
      '--params_override=' + SEED.format(gpus=1, checkpoint='/weights/model.ckpt-3'))
  assert model_dir == str(tmp_path)
  assert experiment.runtime.num_gpus == 1 and experiment.runtime.mixed_precision_dtype == 'float32'
  assert experiment.task.validation_data.global_batch_size == 8
  assert experiment.task.init_checkpoint == '/weights/model.ckpt-3'
  assert experiment.task.init_checkpoint_modules == 'all'


def test_precedence(tmp_path, monkeypatch):
  (tmp_path / 'a.yaml').write_text(
      'task: {losses: {no_object_weight: 0.3}}\n'
      'trainer: {optimizer_config: {learning_rate: {base: 0.3}}}\n')
  monkeypatch.setenv('NO_OBJ_CLS_WEIGHT', '0.2')
  monkeypatch.setenv('BASE_LR', '0.2')
  monkeypatch.setenv('DEEP_SUPERVISION', '0')
  _, experiment, _ = _settle(
      f'--config_file={tmp_path}/a.yaml', '--params_override=task.losses.no_object_weight=0.4',
      '--params_override=task.model.num_queries=5', '--params_override=task.model.num_queries=6')
  assert experiment.task.losses.no_object_weight == 0.4
  assert experiment.trainer.optimizer_config.learning_rate.base == 0.3
  assert experiment.task.model.deep_supervision is False
  assert experiment.task.model.num_queries == 6


def test_tpu_flag():
  size = '--params_override=task.train_data.parser.output_size=[64,64]'
  cases = ((['--tpu', 'pod'], 'pod'), (['--tpu'], 'local'), (['--tpu=grpc://x'], 'grpc://x'))
  for argv, address in cases:
    _, experiment, _ = _settle(size, *argv)
    assert experiment.runtime.distribution_strategy == 'tpu' and experiment.runtime.tpu == address
  _, experiment, _ = _settle('--tpu=')
  assert experiment.runtime.distribution_strategy == 'one_device'


def test_a_run_is_taken_up_from_its_folder(tmp_path, monkeypatch):
  _, trained, _ = _settle(
      '--params_override=task.model.num_queries=7,trainer.train_steps=9', f'--model_dir={tmp_path}')
  settings.write(str(tmp_path), 'maskformer_coco_panoptic', trained)
  monkeypatch.setenv('EVAL_BATCH_SIZE', '3')
  arguments = train.flags().parse(['--mode=eval', f'--model_dir={tmp_path}'])
  train.check(arguments)
  name, experiment, model_dir = train.settle(arguments)
  assert (name, model_dir) == ('maskformer_coco_panoptic', str(tmp_path))
  assert experiment.task.validation_data.global_batch_size == 3
  experiment.task.validation_data.global_batch_size = trained.task.validation_data.global_batch_size
  assert experiment.as_dict() == trained.as_dict()


def test_a_folder_without_params_is_not_a_run(tmp_path):
  message = _error('--mode=eval', f'--model_dir={tmp_path}')
  assert message.startswith('--experiment is missing') and 'has no params.yaml' in message


def test_default_model_dir():
  assert _settle()[2] == str(ROOT / 'runs' / 'maskformer_coco_panoptic')


def test_names_are_checked_without_tensorflow(tmp_path):
  (tmp_path / 'tensorflow.py').write_text('raise SystemExit("tensorflow was imported")')
  result = subprocess.run(
      [sys.executable, str(ROOT / 'train.py'), COCO, '--mode=evl'],
      capture_output=True, text=True, check=False, cwd='/', timeout=60,
      env={**os.environ, 'PYTHONPATH': str(tmp_path)})
  assert result.returncode == 2 and result.stdout == ''
  assert result.stderr.startswith("error: mode 'evl' is unknown; did you mean")
  assert result.stderr.count('\n') == 1
