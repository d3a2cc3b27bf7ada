"""What is checked before anything is built: the folder, the records, the devices."""

import os
import uuid
from collections.abc import Callable

import tensorflow as tf

from configs import errors
from configs.data import DataConfig
from configs.task import Experiment
from configs.task import MaskClassification
from configs.task import Runtime

_PARTS = {
    'train': ('train_data',),
    'eval': ('validation_data',),
    'continuous_eval': ('validation_data',),
    'train_and_eval': ('train_data', 'validation_data'),
}


def check(
    experiment: Experiment, mode: str, model_dir: str, read_one: Callable[[DataConfig], object]) -> None:
  """All checks below, the quick ones first.

  Args:
    experiment: settled and validated.
    mode: 'train', 'eval', 'train_and_eval' or 'continuous_eval'.
    model_dir: where the run will write.
    read_one: finds the files of an input and parses a record; raises UserError.

  Raises:
    UserError: of the first check that fails.
  """
  check_devices(experiment.runtime, mode)
  check_init_checkpoint(experiment.task)
  check_inputs(experiment.task, mode, read_one)
  check_model_dir(model_dir)


def check_model_dir(model_dir: str) -> None:
  """Makes the folder if it is not there, and writes and removes a file in it.

  Raises:
    UserError: neither is possible.
  """
  probe = os.path.join(model_dir, f'.writable-{uuid.uuid4().hex}')
  try:
    tf.io.gfile.makedirs(model_dir)
    with tf.io.gfile.GFile(probe, 'w') as file:
      file.write('x')
    tf.io.gfile.remove(probe)
  except (tf.errors.OpError, OSError) as error:
    reason = str(getattr(error, 'message', error)).splitlines()[0]
    raise errors.UserError(
        f'--model_dir {model_dir} cannot be written to ({reason}); choose another or change its permissions'
    ) from error


def check_inputs(task: MaskClassification, mode: str, read_one: Callable[[DataConfig], object]) -> None:
  """Checks that what `mode` reads is named, is there and parses.

  Args:
    task: its train_data and validation_data are looked at.
    mode: 'train', 'eval', 'train_and_eval' or 'continuous_eval'.
    read_one: finds the files of an input and parses a record; raises UserError.

  Raises:
    UserError: an input is missing or cannot be read.
  """
  for part in _PARTS[mode]:
    data = getattr(task, part)
    if not data.input_path:
      raise errors.UserError(
          f'task.{part}.input_path is empty; set TFRECORDS_DIR to the folder of the records (made by '
          'scripts/prepare_data.py) or set the field')
    if data.global_batch_size < 1:
      raise errors.UserError(f'task.{part}.global_batch_size is 0; set the number of pictures a step')
    read_one(data)


def check_init_checkpoint(task: MaskClassification) -> None:
  """Checks that something lies where `task.init_checkpoint` points.

  Raises:
    UserError: nothing does, or an empty folder.
  """
  path = task.init_checkpoint
  if not path:
    return
  if tf.io.gfile.isdir(path):
    if not tf.io.gfile.listdir(path):
      raise errors.UserError(f'task.init_checkpoint={path} is an empty folder; give one with a checkpoint')
  elif not tf.io.gfile.exists(path) and not tf.io.gfile.glob(f'{path}.index'):
    raise errors.UserError(
        f'task.init_checkpoint={path} does not exist; give a checkpoint (without .index), a folder or a .h5')


def check_devices(runtime: Runtime, mode: str) -> None:
  """Checks that the accelerators that the configuration asks for are there.

  Raises:
    UserError: fewer GPUs than `runtime.num_gpus`; the script that needs none is named.
  """
  if runtime.distribution_strategy == 'tpu' or runtime.num_gpus <= 0:
    return
  found = len(tf.config.list_physical_devices('GPU'))
  if found < runtime.num_gpus:
    script = 'eval_cpu.sh' if mode in ('eval', 'continuous_eval') else 'train_cpu.sh'
    raise errors.UserError(
        f'runtime.num_gpus={runtime.num_gpus}, but TensorFlow finds {found} here; set '
        f'runtime.num_gpus={found} or run bash scripts/{script}')
