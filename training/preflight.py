"""What is checked before anything is built: the folder, the records, the devices."""

import os
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs import environment
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import Runtime
from tf_maskformer.configs.task import Segmentation
from tf_maskformer.training import cluster
from tf_maskformer.training import memory

# What each mode reads: fields of the task.
_INPUTS = {
    'train': ('train_data',),
    'eval': ('validation_data',),
    'continuous_eval': ('validation_data',),
    'train_and_eval': ('train_data', 'validation_data'),
}
_LOCAL_TPU = 'local'
_TPU_DEVICES = ('/dev/accel*', '/dev/vfio/[0-9]*')

# Called with an input, its data set's name, the number of classes and the name of the field; finds
# the files, parses a record and returns the files; raises UserError.
ReadOne = Callable[[DataConfig, str, int, str], Sequence[str]]


def check(experiment: Experiment, mode: str, model_dir: str, read_one: ReadOne) -> str | None:
  """All checks below, for a process that is alone; the quick ones first.

  Args:
    experiment: settled and validated.
    mode: 'train', 'eval', 'train_and_eval' or 'continuous_eval'.
    model_dir: where the run will write.
    read_one: see `ReadOne`.

  Returns:
    The address of the TPU, None without one.

  Raises:
    UserError: of the first check that fails.
  """
  tpu_address = check_settings(experiment, mode)
  check_files(experiment, mode, model_dir, read_one)
  return tpu_address


def check_settings(experiment: Experiment, mode: str, num_workers: int = 1) -> str | None:
  """Checks what is known before TensorFlow touches a device.

  Args:
    experiment: settled and validated.
    mode: see `check`.
    num_workers: that share the batches.

  Returns:
    The address of the TPU, None without one.

  Raises:
    UserError: of the first check that fails.
  """
  tpu_address = resolve_devices(experiment.runtime, mode)
  check_batches(experiment, mode, num_workers)
  check_init_checkpoint(experiment.task)
  return tpu_address


def check_files(experiment: Experiment, mode: str, model_dir: str, read_one: ReadOne,
                writes: bool = True) -> dict[str, Sequence[str]]:
  """Checks what is read and where the run will write.

  Args:
    experiment: settled and validated.
    mode: see `check`.
    model_dir: where the run will write.
    read_one: see `ReadOne`.
    writes: whether this process does, as one that is alone or the chief of several workers.

  Returns:
    The files of records, by the name of the field.

  Raises:
    UserError: of the first check that fails.
  """
  found = check_inputs(experiment.task, mode, read_one)
  if 'train' in mode and writes:
    warn_of_schedule(experiment)
  if mode == 'continuous_eval' and not _is_folder(model_dir, '--model_dir'):
    raise errors.UserError(
        f'--model_dir {model_dir} does not exist; give the folder of the run to follow')
  if writes:
    check_model_dir(model_dir)
  return found


def check_model_dir(model_dir: str) -> None:
  """Makes the folder if it is not there, and writes and removes a file in it.

  Raises:
    UserError: neither is possible.
  """
  probe = os.path.join(model_dir, f'{files.PREFIX}writable-{uuid.uuid4().hex}')
  try:
    tf.io.gfile.makedirs(model_dir)
    with tf.io.gfile.GFile(probe, 'w') as file:
      file.write('x')
    tf.io.gfile.remove(probe)
  except (tf.errors.OpError, OSError) as error:
    raise errors.UserError(
        f'--model_dir {model_dir} cannot be written to ({errors.reason(error)}); choose another or '
        'change its permissions') from error


def check_batches(experiment: Experiment, mode: str, num_workers: int = 1) -> None:
  """Checks that replicas and micro-batches share the batches, and that memory holds them.

  Not on a TPU, whose replicas are known only once it is connected.

  Args:
    experiment: settled and validated.
    mode: see `check`.
    num_workers: that share the batches; each has `runtime.num_gpus` replicas, or one.

  Raises:
    UserError: with the fields that do not fit together.
  """
  runtime = experiment.runtime
  if runtime.distribution_strategy == 'tpu':
    return
  replicas = max(runtime.num_gpus, 1) * num_workers
  for name in _INPUTS[mode]:
    batch = getattr(experiment.task, name).global_batch_size
    cluster.check_shares(batch, replicas, num_workers, name)
  micro = experiment.task.micro_batch_size
  per_replica = experiment.task.train_data.global_batch_size // replicas
  if 'train' in mode and micro and per_replica % micro:
    raise errors.UserError(
        f'task.micro_batch_size={micro} does not divide the {per_replica} images per replica; '
        'choose a divisor, or 0 for the complete batch')
  memory.check(
      experiment, trains='train_data' in _INPUTS[mode],
      evaluates='validation_data' in _INPUTS[mode], num_gpus=runtime.num_gpus,
      num_workers=num_workers)


def warn_of_schedule(experiment: Experiment) -> None:
  """Warns of what the training ends before: a short trial of a recipe is not a mistake."""
  rate = experiment.trainer.optimizer_config.learning_rate
  steps = experiment.trainer.train_steps
  beyond = [step for step in rate.boundaries if step >= steps]
  if rate.schedule == 'multi_step' and beyond:
    errors.warn(
        f'trainer.train_steps={steps} ends before boundaries={beyond} of the learning rate, which '
        'change nothing')
  if rate.warmup_steps >= steps:
    errors.warn(
        f'trainer.train_steps={steps} ends within warmup_steps={rate.warmup_steps}: the learning '
        f'rate never reaches {rate.base:g}')


def check_inputs(task: Segmentation, mode: str, read_one: ReadOne) -> dict[str, Sequence[str]]:
  """Checks that what `mode` reads is named, is there and parses.

  Args:
    task: its train_data and validation_data are looked at.
    mode: 'train', 'eval', 'train_and_eval' or 'continuous_eval'.
    read_one: see `ReadOne`.

  Returns:
    The files of records, by the name of the field.

  Raises:
    UserError: an input is missing or cannot be read.
  """
  files = {name: _check_records(task, name, read_one) for name in _INPUTS[mode]}
  if len(files) > 1 and not task.score_training_records:
    _check_apart(**files)
  if 'validation_data' in _INPUTS[mode]:
    _check_ground_truth(task)
  return files


def names_and_sizes(paths: Sequence[str]) -> list[tuple[str, int]]:
  """Returns name and bytes of files: equal on all workers that read the same records."""
  return [(os.path.basename(path), tf.io.gfile.stat(path).length) for path in paths]


def _check_records(task: Segmentation, name: str, read_one: ReadOne) -> Sequence[str]:
  """Returns the files of an input."""
  data = getattr(task, name)
  if not data.input_path:
    raise errors.UserError(
        f'task.{name}.input_path is empty; set TFRECORDS_DIR to the folder of the records (made by '
        'tf-maskformer prepare) or set the field')
  if name == 'train_data' and data.global_batch_size < 1:
    raise errors.UserError(
        f'task.{name}.global_batch_size is 0; set the number of images per step')
  return read_one(data, task.data_set, task.model.num_classes, f'task.{name}.input_path')


def _check_apart(train_data: Sequence[str], validation_data: Sequence[str]) -> None:
  """Checks that no file is both trained on and scored."""
  trained = {_real(path) for path in train_data}
  both = [path for path in validation_data if _real(path) in trained]
  if both:
    raise errors.UserError(
        f'{errors.quoted(both[0])} is among the records of training and of validation ({len(both)} '
        'such files), so that what is scored was trained on; name others, or set '
        'task.score_training_records=True for a trial that overfits')


def _real(path: str) -> str:
  return path if '://' in path else os.path.realpath(path)


def _check_ground_truth(task: Segmentation) -> None:
  """Checks that files that are scored against, instead of the records, are there."""
  annotations = task.evaluation.instance_annotations
  if annotations and not _exists(annotations, 'task.evaluation.instance_annotations'):
    raise errors.UserError(
        f'task.evaluation.instance_annotations={annotations} does not exist; give the instances '
        'JSON or unset it')
  labels = task.evaluation.semantic_labels
  if labels and not _is_folder(labels, 'task.evaluation.semantic_labels'):
    raise errors.UserError(
        f'task.evaluation.semantic_labels={labels} is not a directory; give the folder of the '
        'label PNGs or unset it')


def check_init_checkpoint(task: Segmentation) -> None:
  """Checks that there is something where `task.init_checkpoint` points.

  Raises:
    UserError: there is nothing, or an empty folder.
  """
  path = task.init_checkpoint
  if not path:
    return
  field = 'task.init_checkpoint'
  if _is_folder(path, field):
    if not _looked_at(tf.io.gfile.listdir, path, field):
      raise errors.UserError(
          f'task.init_checkpoint={path} is an empty folder; give one with a checkpoint')
  elif not _exists(path, field) and not _exists(f'{path}.index', field):
    raise errors.UserError(
        f'task.init_checkpoint={path} does not exist; give a checkpoint (without .index), a folder '
        'or a .h5')


def _looked_at(look: Callable[[str], Any], path: str, field: str) -> Any:
  """Returns what a function of the file system says of a path; `field` is for the message."""
  try:
    return look(path)
  except (tf.errors.OpError, OSError) as error:  # e.g. of a scheme that is not a file system's
    raise errors.UserError(
        f'{field}={path} cannot be read ({errors.reason(error)}); correct it') from error


def _exists(path: str, field: str) -> bool:
  return _looked_at(tf.io.gfile.exists, path, field)


def _is_folder(path: str, field: str) -> bool:
  return _looked_at(tf.io.gfile.isdir, path, field)


def resolve_devices(runtime: Runtime, mode: str) -> str | None:
  """Checks that the accelerators that the configuration asks for are there.

  Args:
    runtime: of the experiment; `runtime.tpu` is a TPU's name, its address, or 'local'.
    mode: decides which script is named that needs no accelerator.

  Returns:
    The address of the TPU, which the strategy is made from; None without one.

  Raises:
    UserError: fewer GPUs than `runtime.num_gpus`, or no TPU.
  """
  script = 'eval_cpu.sh' if mode in ('eval', 'continuous_eval') else 'train_cpu.sh'
  if runtime.distribution_strategy == 'tpu':
    return _tpu_address(runtime.tpu, script)
  found = len(tf.config.list_physical_devices('GPU'))
  if found < runtime.num_gpus:
    raise errors.UserError(
        f'runtime.num_gpus={runtime.num_gpus}, but TensorFlow finds {found} here; set '
        f'runtime.num_gpus={found} or run bash scripts/{script}')
  if runtime.num_gpus > 1 and runtime.distribution_strategy == 'one_device':
    raise errors.UserError(
        f"runtime.num_gpus={runtime.num_gpus}, but runtime.distribution_strategy is 'one_device'; "
        "set it to 'mirrored'")
  return None


def _tpu_address(name: str | None, script: str) -> str:
  if not name:
    raise errors.UserError(
        "runtime.distribution_strategy is 'tpu'; name the TPU with --tpu or TPU_NAME")
  if name == _LOCAL_TPU:
    if not any(tf.io.gfile.glob(pattern) for pattern in _TPU_DEVICES):
      raise errors.UserError(
          'no TPU is attached to this machine; give --tpu another or run bash '
          f'scripts/{script}')
    return name
  try:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
        tpu=name, **environment.tpu_location())
    return resolver.master()
  # The cloud client's errors have no common class.
  except Exception as error:  # pylint: disable=broad-except
    reason = errors.quoted(str(error).partition('. ')[0])
    raise errors.UserError(
        f'TPU {name} was not found ({reason}); check TPU_NAME, TPU_ZONE, TPU_PROJECT and the '
        'credentials') from error
