"""What is checked before anything is built: the folder, the records, the devices."""

import os
import uuid
from collections.abc import Callable

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs import environment
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import Runtime
from tf_maskformer.configs.task import Segmentation

_PARTS = {
    'train': ('train_data',),
    'eval': ('validation_data',),
    'continuous_eval': ('validation_data',),
    'train_and_eval': ('train_data', 'validation_data'),
}


def check(
    experiment: Experiment, mode: str, model_dir: str,
    read_one: Callable[[DataConfig, str, int, str], None]) -> None:
  """All checks below, the quick ones first.

  Args:
    experiment: settled and validated.
    mode: 'train', 'eval', 'train_and_eval' or 'continuous_eval'.
    model_dir: where the run will write.
    read_one: as in `check_inputs`.

  Raises:
    UserError: of the first check that fails.
  """
  check_devices(experiment.runtime, mode)
  check_init_checkpoint(experiment.task)
  check_inputs(experiment.task, mode, read_one)
  if mode == 'continuous_eval' and not tf.io.gfile.isdir(model_dir):
    raise errors.UserError(f'--model_dir {model_dir} does not exist; give the folder of the run to follow')
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


def check_inputs(
    task: Segmentation, mode: str, read_one: Callable[[DataConfig, str, int, str], None]) -> None:
  """Checks that what `mode` reads is named, is there and parses.

  Args:
    task: its train_data and validation_data are looked at.
    mode: 'train', 'eval', 'train_and_eval' or 'continuous_eval'.
    read_one: called with an input, its data set's name, the number of classes and the name of the field;
      finds the files and parses a record; raises UserError.

  Raises:
    UserError: an input is missing or cannot be read.
  """
  for part in _PARTS[mode]:
    data = getattr(task, part)
    if not data.input_path:
      raise errors.UserError(
          f'task.{part}.input_path is empty; set TFRECORDS_DIR to the folder of the records (made by '
          'scripts/prepare_data.py) or set the field')
    if part == 'train_data' and data.global_batch_size < 1:
      raise errors.UserError(f'task.{part}.global_batch_size is 0; set the number of images a step')
    read_one(data, task.data_set, task.model.num_classes, f'task.{part}.input_path')
  annotations = task.evaluation.instance_annotations
  if annotations and 'validation_data' in _PARTS[mode] and not tf.io.gfile.exists(annotations):
    raise errors.UserError(
        f'task.evaluation.instance_annotations={annotations} does not exist; give the instances JSON or unset it')
  labels = task.evaluation.semantic_labels
  if labels and 'validation_data' in _PARTS[mode] and not tf.io.gfile.isdir(labels):
    raise errors.UserError(
        f'task.evaluation.semantic_labels={labels} is no folder; give the folder of the label PNGs '
        'or unset it')


def check_init_checkpoint(task: Segmentation) -> None:
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

  A TPU's name in `runtime.tpu` becomes its address, which is what the strategy is made from.

  Raises:
    UserError: fewer GPUs than `runtime.num_gpus`, or no TPU; the script that needs none is named.
  """
  script = 'eval_cpu.sh' if mode in ('eval', 'continuous_eval') else 'train_cpu.sh'
  if runtime.distribution_strategy == 'tpu':
    runtime.tpu = _tpu_address(runtime.tpu, script)
    return
  found = len(tf.config.list_physical_devices('GPU'))
  if found < runtime.num_gpus:
    raise errors.UserError(
        f'runtime.num_gpus={runtime.num_gpus}, but TensorFlow finds {found} here; set '
        f'runtime.num_gpus={found} or run bash scripts/{script}')


def _tpu_address(name: str | None, script: str) -> str:
  if not name:
    raise errors.UserError("runtime.distribution_strategy is 'tpu'; name the TPU with --tpu or TPU_NAME")
  if name == 'local':
    if not tf.io.gfile.glob('/dev/accel*') and not tf.io.gfile.glob('/dev/vfio/[0-9]*'):
      raise errors.UserError(
          f'no TPU is attached to this machine; give --tpu another or run bash scripts/{script}')
    return name
  try:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name, **environment.tpu_location())
    return resolver.master()
  except Exception as error:  # pylint: disable=broad-except  the cloud client's errors have no common class
    reason = str(error).partition('. ')[0].splitlines()[0]
    raise errors.UserError(
        f'TPU {name} was not found ({reason}); check TPU_NAME, TPU_ZONE, TPU_PROJECT and the credentials'
    ) from error
