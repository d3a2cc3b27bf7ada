"""The environment variables that change an experiment; read nowhere else.

Programs that document them apply them (`experiments.settings`), below `--config_file` and
`--params_override`; code that uses the library as a module never does. An empty variable counts as
one that is not set.
"""

import os
import pathlib
from collections.abc import Callable, Mapping

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs import limits
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.model import TransformerModel
from tf_maskformer.configs.override_syntax import is_text
from tf_maskformer.configs.task import Experiment
from tf_maskformer.configs.task import PerPixel
from tf_maskformer.configs.values import parse_number

_LARGEST_STRIDE = 32  # of the backbone's last feature map, in pixels
_DIGITS = 40
_TRUE_FALSE = {'true': True, '1': True, 'false': False, '0': False}


def apply(experiment: Experiment, environ: Mapping[str, str] = os.environ, says: bool = True
          ) -> list[str]:
  """Changes `experiment` in place as the environment says, and prints what it changed.

  Args:
    experiment: as registered, or as a run's folder has it.
    environ: the variables; TFRECORDS_DIR, RESNET_CKPT, MASKFORMER_CKPT, TRAIN_BATCH_SIZE,
      EVAL_BATCH_SIZE, BASE_LR, IMG_SIZE, NO_OBJ_CLS_WEIGHT, DEEP_SUPERVISION, ON_TPU and TPU_NAME
      are looked at.
    says: whether it is printed.

  Returns:
    One line for each variable that is set: its name, value, and what it changed.

  Raises:
    UserError: a value is of the wrong kind; the variable is named.
  """
  lines = []
  for name, change in _CHANGES.items():
    text = value_of(name, environ)
    if text:
      lines.append(f'{name}={text}: {change(experiment, name, text, environ)}')
  for line in lines if says else []:
    print(f'environment: {errors.one_line(line)}', flush=True)
  return lines


def value_of(name: str, environ: Mapping[str, str]) -> str:
  """Returns the value of a variable without blanks around it, '' where it is not set.

  Raises:
    UserError: it is not UTF-8, so that it names no file that TensorFlow could open.
  """
  text = environ.get(name, '').strip()
  if not is_text(text):
    raise errors.UserError(f'{name}={errors.quoted(text)} is not UTF-8; correct or unset it')
  return text


def model_dir(experiment_name: str, environ: Mapping[str, str] = os.environ) -> str:
  """Returns the folder of a run: MODEL_DIR, else runs/<experiment>.

  That is in the checkout or, of an installation, in the working directory.
  """
  checkout = pathlib.Path(__file__).resolve().parent.parent
  root = checkout if (checkout / 'pyproject.toml').is_file() else pathlib.Path.cwd()
  return value_of('MODEL_DIR', environ) or str(root / 'runs' / experiment_name)


def use_tpu(experiment: Experiment, address: str) -> None:
  """Sets what training on a TPU needs: the strategy and the address."""
  experiment.runtime.distribution_strategy = 'tpu'
  experiment.runtime.tpu = address


def tpu_location(environ: Mapping[str, str] = os.environ) -> dict[str, str | None]:
  """Returns the zone and project of the TPU (TPU_ZONE, TPU_PROJECT); None: the machine's own."""
  return {
      'zone': value_of('TPU_ZONE', environ) or None,
      'project': value_of('TPU_PROJECT', environ) or None}


def _whole(name: str, text: str, highest: int) -> int:
  is_whole = text.isascii() and text.isdecimal() and len(text) <= _DIGITS
  if not is_whole or not 1 <= int(text) <= highest:
    raise errors.UserError(
        f'{name}={errors.quoted(text)} is not a whole number from 1 to {highest}; correct or unset '
        'it')
  return int(text)


def _number(name: str, text: str, highest: float) -> float:
  number = parse_number(text)
  if number is None or not 0 <= number <= highest or 0 < number < limits.SMALLEST:
    raise errors.UserError(
        f'{name}={errors.quoted(text)} is not a number from 0 to {highest:g}; correct or unset it')
  return number


def _flag(name: str, text: str) -> bool:
  if text.lower() not in _TRUE_FALSE:
    raise errors.UserError(
        f'{name}={errors.quoted(text)} is not one of True, False, 1, 0; correct or unset it')
  return _TRUE_FALSE[text.lower()]


def _records(
    experiment: Experiment, name: str, text: str, environ: Mapping[str, str]) -> str:
  del environ
  try:
    is_folder = tf.io.gfile.isdir(text)
  except tf.errors.OpError as error:  # of a scheme (http://) that is not a file system
    raise errors.UserError(
        f'{name}={errors.quoted(text)} cannot be read ({errors.reason(error)}); correct or unset '
        'it') from error
  if not is_folder:
    raise errors.UserError(
        f'{name}={errors.quoted(text)} is not a folder; make one with tf-maskformer prepare')
  task = experiment.task
  task.train_data.input_path = os.path.join(text, 'train*')
  task.validation_data.input_path = os.path.join(text, 'val*')
  return 'records train* and val* of this folder'


def _backbone_weights(
    experiment: Experiment, name: str, text: str, environ: Mapping[str, str]) -> str:
  del name
  if value_of('MASKFORMER_CKPT', environ):
    return 'not used, MASKFORMER_CKPT has the complete model'
  experiment.task.init_checkpoint = text
  experiment.task.init_checkpoint_modules = 'backbone'
  return 'the backbone starts from these weights'


def _model_weights(
    experiment: Experiment, name: str, text: str, environ: Mapping[str, str]) -> str:
  del name, environ
  experiment.task.init_checkpoint = text
  experiment.task.init_checkpoint_modules = 'all'
  return 'the model starts from these weights'


def _train_batch(
    experiment: Experiment, name: str, text: str, environ: Mapping[str, str]) -> str:
  """Sets the batch and lets the schedule follow, so that the epochs stay what they were.

  As detectron2 does for another number of workers: steps, boundaries, warm-up and intervals divided
  by the factor, the learning rate multiplied.
  """
  batch = _whole(name, text, limits.IMAGES)
  data = experiment.task.train_data
  trainer = experiment.trainer
  registered = data.global_batch_size
  data.global_batch_size = batch
  if batch == registered:
    return 'as registered'
  if not registered:
    return 'images per step'  # there is no batch that the schedule was made for
  def scaled(steps: int) -> int:
    return max(1, round(steps * registered / batch))
  rate = trainer.optimizer_config.learning_rate
  trainer.train_steps = scaled(trainer.train_steps)
  rate.boundaries = [scaled(b) for b in rate.boundaries]
  rate.warmup_steps = scaled(rate.warmup_steps) if rate.warmup_steps else 0
  trainer.validation_interval = min(scaled(trainer.validation_interval), trainer.train_steps)
  # More steps per image are not a reason to save less often.
  interval = trainer.checkpoint_interval
  trainer.checkpoint_interval = min(interval, scaled(interval))
  changed = [f'{registered} images per step as registered -> train_steps {trainer.train_steps}']
  if rate.boundaries:
    changed.append(f'boundaries {rate.boundaries}')
  if rate.warmup_steps:
    changed.append(f'warmup_steps {rate.warmup_steps}')
  if not value_of('BASE_LR', environ):
    rate.base *= batch / registered
    changed.append(f'learning rate {rate.base:g}')
  changed.append(f'validation_interval {trainer.validation_interval}')
  changed.append(f'checkpoint_interval {trainer.checkpoint_interval}')
  return ', '.join(changed)


def _validation_batch(
    experiment: Experiment, name: str, text: str, environ: Mapping[str, str]) -> str:
  del environ
  experiment.task.validation_data.global_batch_size = _whole(name, text, limits.IMAGES)
  return 'images per validation step'


def _learning_rate(
    experiment: Experiment, name: str, text: str, environ: Mapping[str, str]) -> str:
  del environ
  experiment.trainer.optimizer_config.learning_rate.base = _number(name, text, limits.LIST)
  return 'base learning rate'


def _image_size(
    experiment: Experiment, name: str, text: str, environ: Mapping[str, str]) -> str:
  """Scales every size of the recipe by size / (short edge of its validation images).

  Training images become size x size windows. Where the recipe does not resize (records of one
  size), images are brought to that size first.
  """
  del environ
  size = _whole(name, text, limits.SIDE)
  task = experiment.task
  if size < _LARGEST_STRIDE:
    raise errors.UserError(
        f'{name}={text} is below {_LARGEST_STRIDE}, the stride of the network; give a larger one')
  registered = task.validation_data.parser.augmentation.short_edges
  for data in (task.train_data, task.validation_data):
    if registered:
      _scale_sizes(data, size / registered[0])
    else:
      data.parser.augmentation.short_edges = [size]
      data.parser.output_size = [size, size]
  task.train_data.parser.output_size = [size, size]
  task.train_data.parser.augmentation.crop_to_output = True
  task.micro_batch_size = 0  # windows of one size need no padding to each other
  augmentation = task.train_data.parser.augmentation
  if augmentation.scale_jitter:  # relative to the window
    least, most = augmentation.scale_jitter
    scales = f'images fitted into {least:g} to {most:g} times that'
  else:
    scales = f'short edges {min(augmentation.short_edges)} to {max(augmentation.short_edges)}'
  return f'training on {size} x {size} windows, {scales}; validation at short edge {size}'


def _scale_sizes(data: DataConfig, factor: float) -> None:
  def scaled(edge: int) -> int:
    return max(1, round(edge * factor))
  augmentation = data.parser.augmentation
  augmentation.short_edges = [scaled(e) for e in augmentation.short_edges]
  augmentation.crop_pre_short_edges = [scaled(e) for e in augmentation.crop_pre_short_edges]
  augmentation.crop_side_range = [scaled(e) for e in augmentation.crop_side_range]
  if augmentation.long_edge_limit:
    augmentation.long_edge_limit = scaled(augmentation.long_edge_limit)


def _no_object_weight(
    experiment: Experiment, name: str, text: str, environ: Mapping[str, str]) -> str:
  del environ
  if isinstance(experiment.task, PerPixel):
    raise errors.UserError(f'{name}={text} has no effect on a per-pixel model; unset it')
  experiment.task.losses.no_object_weight = _number(name, text, limits.WEIGHT)
  return 'weight of no-object in the class loss'


def _deep_supervision(
    experiment: Experiment, name: str, text: str, environ: Mapping[str, str]) -> str:
  del environ
  if not isinstance(experiment.task.model, TransformerModel):
    raise errors.UserError(
        f'{name}={text} has no effect on a model without decoder layers; unset it')
  experiment.task.model.deep_supervision = _flag(name, text)
  which = 'every' if experiment.task.model.deep_supervision else 'the last'
  return f'a prediction after {which} decoder layer'


def _tpu(
    experiment: Experiment, name: str, text: str, environ: Mapping[str, str]) -> str:
  if not _flag(name, text):
    return 'no TPU'
  use_tpu(experiment, value_of('TPU_NAME', environ) or 'local')
  return f'strategy tpu at {experiment.runtime.tpu}'


_CHANGES: dict[str, Callable[[Experiment, str, str, Mapping[str, str]], str]] = {
    'TFRECORDS_DIR': _records,
    'RESNET_CKPT': _backbone_weights,
    'MASKFORMER_CKPT': _model_weights,
    'TRAIN_BATCH_SIZE': _train_batch,
    'EVAL_BATCH_SIZE': _validation_batch,
    'BASE_LR': _learning_rate,
    'IMG_SIZE': _image_size,
    'NO_OBJ_CLS_WEIGHT': _no_object_weight,
    'DEEP_SUPERVISION': _deep_supervision,
    'ON_TPU': _tpu,
}
