"""Runs an experiment in a folder: train, evaluate, save, resume."""

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterator

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files
from tf_maskformer.configs.data import DataConfig
from tf_maskformer.configs.task import Experiment
from tf_maskformer.lock import held
from tf_maskformer.training import building
from tf_maskformer.training import checkpoints
from tf_maskformer.training import events
from tf_maskformer.training import parameters
from tf_maskformer.training import results
from tf_maskformer.training.best import Best
from tf_maskformer.training.building import MakeTask
from tf_maskformer.training.evaluated import Evaluated
from tf_maskformer.training.progress import Progress
from tf_maskformer.training.progress import duration
from tf_maskformer.training.signals import Stop
from tf_maskformer.training.trainer import Diverged
from tf_maskformer.training.trainer import number

# What the console shows; TensorBoard gets everything.
_SHORT = (
    'training_loss', 'class_loss', 'mask_loss', 'dice_loss', 'learning_rate', 'gradient_norm')
_EVALUATION_LOCK = '.eval.lock'
_LONGEST_WAIT = 5  # seconds between two looks for a new checkpoint


def run(experiment: Experiment, name: str, mode: str, model_dir: str, make_task: MakeTask,
        allow_random_weights: bool = False, tpu_address: str | None = None) -> int:
  """Runs `mode` of an experiment.

  Args:
    experiment: its complete configuration, settled and valid.
    name: its registered name.
    mode: 'train', 'eval', 'train_and_eval' or 'continuous_eval'.
    model_dir: the run's folder.
    make_task: called with the task's configuration, the runtime's and the keyword train_steps,
      returns the task.
    allow_random_weights: 'eval' may score a model that nothing was restored into.
    tpu_address: what `preflight.resolve_devices` returned; None: `runtime.tpu` is used.

  Returns:
    The process's exit code: 0, 1 (diverged, or a save failed), 130 or 143 (stopped by a signal,
    saved).

  Raises:
    UserError: what was asked for does not fit the folder or the machine.
  """
  with held(model_dir, '.lock' if 'train' in mode else _EVALUATION_LOCK):
    try:
      return _run(
          experiment, name, mode, model_dir, make_task, allow_random_weights, tpu_address)
    except (Diverged, checkpoints.SaveFailed) as e:
      print(f'error: {errors.one_line(str(e))}', file=sys.stderr, flush=True)
      return 1


def _run(experiment: Experiment, name: str, mode: str, folder: str, make_task: MakeTask,
         allow_random_weights: bool, tpu_address: str | None) -> int:
  path, step = checkpoints.readable(folder)
  for line in parameters.compare(experiment, name, folder, has_weights=bool(path)):
    errors.say(f'changed since the last run: {line}')
  trains = 'train' in mode
  if trains:
    _check_step(experiment, folder, step)
  elif mode == 'eval' and not path and not allow_random_weights:
    _check_weights(experiment, folder)
  this = Run(experiment, folder, make_task, trains, step, tpu_address)
  if mode == 'continuous_eval':
    return this.follow()
  if mode != 'train':
    this.check_ground_truth()
  this.restore(path, step, allow_random_weights)
  with this.writing('the run'):
    if trains or not parameters.exist(folder):  # an evaluation's overrides are not the run's
      parameters.write(experiment, name, folder, step)
    if trains:
      this.settle(step)
  if mode == 'eval':
    this.evaluate()
    return 0
  return this.train(step, evaluates=mode == 'train_and_eval')


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


class Run:
  """An experiment with its folder, strategy, task, trainer and checkpoints."""

  def __init__(self, experiment: Experiment, folder: str, make_task: MakeTask, trains: bool,
               start_step: int, tpu_address: str | None = None):
    """Builds task, model, optimizer and input pipelines.

    Args:
      experiment: settled and valid.
      folder: of the run.
      make_task: see `run`.
      trains: whether `train` will be called.
      start_step: of the folder's newest checkpoint; the training records continue from there.
      tpu_address: see `run`.
    """
    self._experiment = experiment
    self._folder = folder
    self._trains = trains
    with building.strategy(experiment.runtime, tpu_address).scope():
      self._task = make_task(
          experiment.task, experiment.runtime, train_steps=experiment.trainer.train_steps)
      self._trainer = building.trainer(experiment, self._task, trains, start_step)
    config = experiment.trainer
    checkpoint = self._trainer.checkpoint
    self._saved = 'none'  # the last good checkpoint
    self._done: set[int] = set()  # steps whose evaluations are complete
    if trains:
      checkpoints.repair(folder, config.max_to_keep)
      self._manager = tf.train.CheckpointManager(
          checkpoint, folder, max_to_keep=config.max_to_keep)
      self._best = Best(
          folder, checkpoint, config.best_checkpoint_eval_metric,
          higher=config.best_checkpoint_metric_comp == 'higher')

  def check_ground_truth(self) -> None:
    """Reads what is scored against: a mistake in it must not wait for the first evaluation.

    Raises:
      UserError: it does not fit the validation records.
    """
    self._task.expected_examples()

  def restore(self, path: str | None, step: int, allow_random_weights: bool = False) -> None:
    """Restores the folder's checkpoint, or else what the task starts from, and says which.

    Raises:
      UserError: a model that is only evaluated would keep random weights.
    """
    start = self._experiment.task.init_checkpoint
    if path:
      self._trainer.restore(path)
      self._saved = path
      errors.say(f'weights: {path} (step {step})')
      if start:
        errors.say(
            f'  task.init_checkpoint={start} is not used: the folder has a checkpoint of its own')
      return
    report = self._task.initialize(self._trainer.model)
    if report and not self._trains and not allow_random_weights:
      building.check_filled(report)
    errors.say(f'weights: {start or "random"} (step 0)')

  def writing(self, what: str) -> contextlib.AbstractContextManager[None]:
    """Turns a full disk, and the like, inside the block into one line that says what is safe."""
    advice = f'the last good checkpoint is {self._saved}; run the same command to resume'
    return files.writing(f'{what} in {self._folder}', advice)

  def settle(self, step: int) -> None:
    """Puts evaluations, best checkpoint and TensorBoard's files into their state at a step.

    What a killed process did after its last checkpoint is done again, so that each step's numbers
    are there once; an evaluation counts as done when its JSON file is written, last of all.

    Args:
      step: where the run resumes.
    """
    events.keep(os.path.join(self._folder, events.TRAINING), lambda one: one <= step)
    try:
      with held(self._folder, _EVALUATION_LOCK):
        evaluations = results.settle(self._folder, step)
        self._done = set(evaluations)
        events.keep(
            os.path.join(self._folder, events.VALIDATION),
            lambda one: one < step or one in self._done)
    except errors.UserError as e:
      errors.warn(f'{e}; evaluations are left as they are')
      evaluations = results.read(self._folder)
    self._best.settle(evaluations)
    if step in evaluations:  # where the best was damaged, this one is the best that there is
      metric = self._experiment.trainer.best_checkpoint_eval_metric
      self._best.offer(evaluations[step]['metrics'].get(metric, math.nan), step)

  def train(self, start: int, evaluates: bool) -> int:
    """Trains until the last step or a signal; saves, reports and, with `evaluates`, scores.

    Args:
      start: step of the restored checkpoint. An evaluation that was due there and is not complete
        is made up.
      evaluates: whether to score every `trainer.validation_interval` steps.

    Returns:
      The exit code: 0, or that of the signal.

    Raises:
      Diverged: too many updates in a row were not finite.
      SaveFailed: a checkpoint could not be written.
      UserError: something else could not be written.
    """
    config = self._experiment.trainer
    step = start
    with Stop() as stop:
      if evaluates and start and self._is_due(start) and start not in self._done:
        self._evaluate_and_keep_best(start)
      if start == config.train_steps:
        print(f'finished at step {start}', flush=True)
        return 0
      with self.writing('what TensorBoard shows'):
        writer = tf.summary.create_file_writer(os.path.join(self._folder, events.TRAINING))
      progress = Progress(
          config.train_steps, self._experiment.task.train_data.global_batch_size)
      while step < config.train_steps and stop.signal is None:
        with self._reading(self._experiment.task.train_data):
          self._trainer.run_step()
        step += 1
        is_last = step == config.train_steps
        if step == start + 1:
          progress.mark(step)  # tracing is over
        if is_last or step % config.steps_per_loop == 0:
          self._report(step, progress, writer)
        if is_last or stop.signal or step % config.checkpoint_interval == 0:
          self._save(step, writer)
        if evaluates and not stop.signal and self._is_due(step):
          self._evaluate_and_keep_best(step)
          progress.mark(step)
    if stop.signal and step < config.train_steps:
      saved = os.path.basename(self._saved)
      print(f'stopped at step {step}, the last checkpoint is {saved}; the same command resumes '
            'from there', flush=True)
      return stop.exit_code
    return 0

  @contextlib.contextmanager
  def _reading(self, data: DataConfig) -> Iterator[None]:
    """Turns what an input pipeline raises inside the block into one line that names the record."""
    try:
      yield
    except (tf.errors.OpError, UnicodeDecodeError) as e:  # the latter: a message of TensorFlow
      if isinstance(e, tf.errors.OpError) and 'IteratorGetNext' not in e.message:
        raise
      raise errors.UserError(
          f'the input pipeline failed: {self._task.explain_failure(data, e)}; the last good '
          f'checkpoint is {self._saved}') from e

  def _is_due(self, step: int) -> bool:
    """Whether the training scores at a step."""
    config = self._experiment.trainer
    return step == config.train_steps or step % config.validation_interval == 0

  def _save(self, step: int, writer: tf.summary.SummaryWriter) -> None:
    """Saves a checkpoint, once what was logged before it is written.

    Raises:
      SaveFailed: nothing was saved.
    """
    checkpoints.require_folder(self._folder, step)
    with self.writing('what TensorBoard shows'):
      writer.flush()
    self._saved = checkpoints.save(self._manager, self._trainer.model, step)
    errors.say(f'saved {self._saved}')

  def _report(self, step: int, progress: Progress, writer: tf.summary.SummaryWriter) -> None:
    """Prints a line, and writes what was logged since the last one for TensorBoard."""
    logs = self._trainer.collect()
    shown = {key: logs[key] for key in _SHORT if key in logs}
    print(progress.line(step, shown), flush=True)
    dropped = logs.get('dropped_segments')
    if dropped:
      errors.warn(f'{dropped:.1f} segments per step found no slot or id map; raise '
                  'task.train_data.parser.max_segments or max_layers')
    with self.writing('what TensorBoard shows'), writer.as_default(step):
      for key, value in logs.items():
        tf.summary.scalar(key, value)

  def _evaluate_and_keep_best(self, step: int) -> None:
    """Scores the model; what says that this is done is written last."""
    scores = self._score(step)
    metric = self._experiment.trainer.best_checkpoint_eval_metric
    value = scores.metrics[metric]
    checkpoints.require_folder(self._folder, step)
    with self.writing(f'the evaluation of step {step}'):
      scores.write_events()
      if self._best.offer(value, step):
        print(f'best so far: {metric} {value:.2f}', flush=True)
      scores.write_files()
    self._done.add(step)

  def evaluate(self) -> None:
    """Scores the model's weights, prints and writes the results, in place of earlier ones.

    Raises:
      UserError: not every validation image was scored, or one was scored twice, or the results
        could not be written.
    """
    step = int(number(self._trainer.global_step))
    scores = self._score(step)
    checkpoints.require_folder(self._folder, step)
    with self.writing(f'the evaluation of step {step}, which is printed above,'):
      events.keep(os.path.join(self._folder, events.VALIDATION), lambda one: one != step)
      scores.write_events()
      scores.write_files()

  def _score(self, step: int) -> Evaluated:
    """Scores the validation records and prints the results; arguments and errors as `evaluate`."""
    start = time.monotonic()
    with self._reading(self._experiment.task.validation_data):
      logs = self._trainer.evaluate(tf.constant(-1))
    scored = logs.pop('scored')
    expected = self._task.expected_examples()
    if len(scored) != expected or len(set(scored)) != expected:
      raise errors.UserError(
          f'{len(scored)} images were scored, the validation records hold {expected}')
    table = logs.pop('table')
    images = logs.pop('images')
    more = logs.pop('files')
    metrics = {key: float(value) for key, value in logs.items()}
    taken = duration(time.monotonic() - start)
    print(f'evaluation at step {step}: {expected} images in {taken}\n{table}', flush=True)
    return Evaluated(self._folder, step, expected, metrics, images, more)

  def follow(self) -> int:
    """Scores every new checkpoint until the last step, or until none came for a while.

    Returns:
      The exit code, 0.

    Raises:
      UserError: no checkpoint came for `trainer.continuous_eval_timeout` seconds.
    """
    config = self._experiment.trainer
    timeout = config.continuous_eval_timeout
    seen = None  # step of the last checkpoint that was scored
    since = time.monotonic()
    while time.monotonic() - since < timeout:
      path, step = checkpoints.readable(self._folder)
      if path and (seen is None or step > seen):
        self.restore(path, step)
        self.evaluate()
        seen = step
        since = time.monotonic()
        if step >= config.train_steps:
          return 0
      time.sleep(min(_LONGEST_WAIT, timeout / 10))
    if seen is None:
      raise errors.UserError(
          f'no checkpoint came to {self._folder} within trainer.continuous_eval_timeout={timeout} '
          's; start the training or raise it')
    errors.say(f'no new checkpoint in {self._folder} for {timeout} s; last scored: step {seen}')
    return 0
