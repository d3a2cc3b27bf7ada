"""Runs an experiment in a folder: train, evaluate, resume; on one machine or as one of several."""

import contextlib
import sys

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer.configs.task import Experiment
from tf_maskformer.lock import held
from tf_maskformer.training import checkpoints
from tf_maskformer.training import parameters
from tf_maskformer.training.building import MakeTask
from tf_maskformer.training.coordination import Workers
from tf_maskformer.training.run import EVALUATION_LOCK
from tf_maskformer.training.run import Run
from tf_maskformer.training.trainer import Diverged


def run(experiment: Experiment, name: str, mode: str, model_dir: str, make_task: MakeTask,
        allow_random_weights: bool = False, tpu_address: str | None = None,
        workers: Workers | None = None) -> int:
  """Runs `mode` of an experiment.

  Args:
    experiment: its complete configuration, settled and valid.
    name: its registered name.
    mode: 'train', 'eval', 'train_and_eval' or 'continuous_eval'.
    model_dir: the run's folder.
    make_task: called with the task's configuration, the runtime's and the keyword train_steps,
      returns the task.
    allow_random_weights: 'eval' may score a model that nothing was restored into.
    tpu_address: what `preflight.check` returned; None: `runtime.tpu` is used.
    workers: of the run; all call this with the same arguments. None: this process is alone.

  Returns:
    The process's exit code: 0, 1 (diverged, or a save failed), 130 or 143 (stopped by a signal,
    saved).

  Raises:
    UserError: what was asked for does not fit the folder or the machine.
    WorkerEnded: another worker ended.
  """
  workers = workers or Workers()
  lock = held(model_dir, '.lock' if 'train' in mode else EVALUATION_LOCK)
  try:
    with workers.together(), lock if workers.is_chief else contextlib.nullcontext():
      code = _run(
          experiment, name, mode, model_dir, make_task, allow_random_weights, tpu_address, workers)
      workers.gathered('done')  # the chief writes to the end; its end would be one of all
      return code
  except (Diverged, checkpoints.SaveFailed) as e:
    print(f'error: {errors.one_line(str(e))}', file=sys.stderr, flush=True)
    return 1


def _run(experiment: Experiment, name: str, mode: str, folder: str, make_task: MakeTask,
         allow_random_weights: bool, tpu_address: str | None, workers: Workers) -> int:
  trains = 'train' in mode
  path, step = workers.told(
      lambda: _looked_into(experiment, name, mode, folder, allow_random_weights))
  if path and not tf.io.gfile.exists(f'{path}.index'):
    raise errors.UserError(
        f'{path} is not there for this worker; --model_dir must be a folder that all workers share')
  evaluates = mode != 'train'
  this = Run(experiment, folder, make_task, trains, evaluates, step, workers, tpu_address)
  if mode == 'continuous_eval':
    return this.follow()
  if evaluates:
    this.check_ground_truth()
  this.restore(path, step, allow_random_weights)
  this.check_equal()
  with this.writing('the run'):
    # An evaluation's overrides are not the run's.
    if workers.is_chief and (trains or not parameters.exist(folder)):
      parameters.write(experiment, name, folder, step)
    if trains:
      this.settle(step)
  if mode == 'eval':
    this.evaluate()
    return 0
  return this.train(step, evaluates)


def _looked_into(experiment: Experiment, name: str, mode: str, folder: str,
                 allow_random_weights: bool) -> tuple[str | None, int]:
  """Returns the checkpoint that the run starts from, and its step; of several workers, the chief's.

  Raises:
    UserError: the folder's run is another one, has not begun, or is over.
  """
  path, step = checkpoints.readable(folder)
  for line in parameters.compare(experiment, name, folder, has_weights=bool(path)):
    errors.say(f'changed since the last run: {line}')
  if 'train' in mode:
    _check_step(experiment, folder, step)
  elif mode == 'eval' and not path and not allow_random_weights:
    _check_weights(experiment, folder)
  return path, step


def _check_step(experiment: Experiment, folder: str, step: int) -> None:
  steps = experiment.trainer.train_steps
  if step > steps:
    raise errors.UserError(
        f'{folder} is at step {step}, beyond trainer.train_steps={steps}; raise it or choose '
        'another --model_dir')


def _check_weights(experiment: Experiment, folder: str) -> None:
  if not experiment.task.init_checkpoint:
    raise errors.UserError(
        f'there is no checkpoint in {folder} and task.init_checkpoint is empty; name one '
        '(MASKFORMER_CKPT), or --allow_random_weights')
