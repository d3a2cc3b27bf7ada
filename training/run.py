"""An experiment at work in its folder: train, save, score."""

import contextlib
import functools
import math
import os
import tempfile
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
from tf_maskformer.training import results
from tf_maskformer.training.best import Best
from tf_maskformer.training.building import MakeTask
from tf_maskformer.training.coordination import Workers
from tf_maskformer.training.evaluated import Evaluated
from tf_maskformer.training.progress import Progress
from tf_maskformer.training.progress import duration
from tf_maskformer.training.signals import Stop
from tf_maskformer.training.signals import exit_code
from tf_maskformer.training.trainer import number

# What the console shows; TensorBoard gets everything.
_SHORT = (
    'training_loss', 'class_loss', 'mask_loss', 'dice_loss', 'learning_rate', 'gradient_norm')
EVALUATION_LOCK = '.eval.lock'
_LONGEST_WAIT = 5  # seconds between two looks for a new checkpoint


class Run:
  """An experiment with its folder, strategy, task, trainer and checkpoints.

  Each of several workers calls the same methods in the same order, because what one of them reads
  of a variable, or saves, may take all of them; the chief alone prints and writes into the folder.
  """

  def __init__(self, experiment: Experiment, folder: str, make_task: MakeTask, trains: bool,
               evaluates: bool, start_step: int, workers: Workers, tpu_address: str | None = None):
    """Builds task, model, optimizer and input pipelines.

    Args:
      experiment: settled and valid.
      folder: of the run.
      make_task: see `run`.
      trains: whether `train` will be called.
      evaluates: whether validation records will be scored.
      start_step: of the folder's newest checkpoint; the training records continue from there.
      workers: of the run.
      tpu_address: see `run`.
    """
    self._experiment = experiment
    self._folder = folder
    self._trains = trains
    self._workers = workers
    with building.strategy(experiment.runtime, tpu_address, workers.strategy).scope():
      self._task = make_task(
          experiment.task, experiment.runtime, train_steps=experiment.trainer.train_steps)
      self._trainer = building.trainer(experiment, self._task, trains, evaluates, start_step)
    config = experiment.trainer
    checkpoint = self._trainer.checkpoint
    self._saved = 'none'  # the last good checkpoint
    self._done: set[int] = set()  # steps whose evaluations are complete
    if trains and workers.is_chief:
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

  def check_equal(self) -> None:
    """Checks that all workers have the same weights to begin with.

    Raises:
      UserError: they restored other ones: a file is not the same on all hosts.
    """
    if self._workers.are_several:
      self._workers.require_equal(
          self._trainer.checksum(), 'the weights (of --model_dir or task.init_checkpoint)')

  def writing(self, what: str) -> contextlib.AbstractContextManager[None]:
    """Turns a full disk, and the like, inside the block into one line that says what is safe."""
    advice = f'the last good checkpoint is {self._saved}; run the same command to resume'
    return files.writing(f'{what} in {self._folder}', advice)

  def settle(self, step: int) -> None:
    """Puts evaluations, best checkpoint and TensorBoard's files into their state at a step.

    All workers call it; the chief does it.

    What a killed process did after its last checkpoint is done again, so that each step's numbers
    are there once; an evaluation counts as done when its JSON file is written, last of all.

    Args:
      step: where the run resumes.
    """
    value = self._workers.told(lambda: self._settled(step))
    self._done = set(self._workers.told(lambda: sorted(self._done)))
    if value is not None:  # where the best was damaged, this one is the best that there is
      self._offer(value, step)

  def _settled(self, step: int) -> float | None:
    """Does what `settle` says; returns the value of the step's evaluation, None without one."""
    events.keep(os.path.join(self._folder, events.TRAINING), lambda one: one <= step)
    try:
      with held(self._folder, EVALUATION_LOCK):
        evaluations = results.settle(self._folder, step)
        self._done = set(evaluations)
        events.keep(
            os.path.join(self._folder, events.VALIDATION),
            lambda one: one < step or one in self._done)
    except errors.UserError as e:
      errors.warn(f'{e}; evaluations are left as they are')
      evaluations = results.read(self._folder)
    self._best.settle(evaluations)
    if step not in evaluations:
      return None
    metric = self._experiment.trainer.best_checkpoint_eval_metric
    return evaluations[step]['metrics'].get(metric, math.nan)

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
      writer = self._writer()
      progress = Progress(
          config.train_steps, self._experiment.task.train_data.global_batch_size)
      while step < config.train_steps and self._trainer.stopped_by(stop) is None:
        with self._reading(self._experiment.task.train_data):
          self._trainer.run_step(stop)
        step += 1
        is_last = step == config.train_steps
        if step == start + 1:
          progress.mark(step)  # tracing is over
        if is_last or step % config.steps_per_loop == 0:
          self._report(step, progress, writer)
        if is_last or self._trainer.stopped_by(stop) or step % config.checkpoint_interval == 0:
          self._save(step, writer)
        if evaluates and not self._trainer.stopped_by(stop) and self._is_due(step):
          self._evaluate_and_keep_best(step)
          progress.mark(step)
    signal = self._trainer.stopped_by(stop)
    if signal and step < config.train_steps:
      saved = os.path.basename(self._saved)
      print(f'stopped at step {step}, the last checkpoint is {saved}; the same command resumes '
            'from there', flush=True)
      return exit_code(signal)
    return 0

  def _writer(self) -> tf.summary.SummaryWriter:
    """Returns what writes TensorBoard's file of the training; of the chief alone, there is one."""
    if not self._workers.is_chief:
      return tf.summary.create_noop_writer()
    with self.writing('what TensorBoard shows'):
      return tf.summary.create_file_writer(os.path.join(self._folder, events.TRAINING))

  @contextlib.contextmanager
  def _reading(self, data: DataConfig) -> Iterator[None]:
    """Turns what an input pipeline raises inside the block into one line that names the record."""
    try:
      yield
    except (tf.errors.OpError, UnicodeDecodeError) as e:  # the latter: a message of TensorFlow
      if isinstance(e, tf.errors.OpError) and 'IteratorGetNext' not in e.message:
        raise
      if self._workers.explained(e):
        raise  # it was the end of another worker
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
    if not self._workers.is_chief:
      with _folder_of_no_use() as folder:
        manager = tf.train.CheckpointManager(self._trainer.checkpoint, folder, max_to_keep=1)
        path = checkpoints.save(manager, self._trainer.model, step)
        self._saved = os.path.join(self._folder, os.path.basename(path))  # the chief's
      self._trainer.synchronize()
      return
    checkpoints.require_folder(self._folder, step)
    with self.writing('what TensorBoard shows'):
      writer.flush()
    self._saved = checkpoints.save(self._manager, self._trainer.model, step)
    errors.say(f'saved {self._saved}')
    self._trainer.synchronize()

  def _report(self, step: int, progress: Progress, writer: tf.summary.SummaryWriter) -> None:
    """Prints a line, and writes what was logged since the last one for TensorBoard."""
    logs = self._trainer.collect()  # all workers take part
    if not self._workers.is_chief:
      return
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
    if self._workers.is_chief:
      checkpoints.require_folder(self._folder, step)
    with self.writing(f'the evaluation of step {step}'):
      if self._workers.is_chief:
        scores.write_events()
      if self._offer(value, step):
        print(f'best so far: {metric} {value:.2f}', flush=True)
      if self._workers.is_chief:
        scores.write_files()
    self._done.add(step)

  def _offer(self, value: float, step: int) -> bool:
    """Saves a step as the best if it is; returns whether it is the best so far."""
    is_better = self._workers.told(lambda: self._best.is_better(value))
    if self._workers.is_chief:
      return self._best.offer(value, step)
    if is_better:
      with _folder_of_no_use() as folder:
        self._trainer.checkpoint.write(os.path.join(folder, 'best'))
    return is_better

  def evaluate(self) -> None:
    """Scores the model's weights, prints and writes the results, in place of earlier ones.

    Raises:
      UserError: not every validation image was scored, or one was scored twice, or the results
        could not be written.
    """
    step = int(number(self._trainer.global_step))
    scores = self._score(step)
    if not self._workers.is_chief:
      return
    checkpoints.require_folder(self._folder, step)
    with self.writing(f'the evaluation of step {step}, which is printed above,'):
      events.keep(os.path.join(self._folder, events.VALIDATION), lambda one: one != step)
      scores.write_events()
      scores.write_files()

  def _score(self, step: int) -> Evaluated:
    """Scores the validation records and prints the results; arguments and errors as `evaluate`."""
    start = time.monotonic()
    self._trainer.synchronize()
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
    seen = None  # step of the last checkpoint that was scored
    while seen is None or seen < config.train_steps:
      path, step = self._workers.told(functools.partial(self._next_checkpoint, seen))
      if not path:
        break
      self.restore(path, step)
      self.evaluate()
      seen = step
    if seen is None:
      raise errors.UserError(
          f'no checkpoint came to {self._folder} within trainer.continuous_eval_timeout='
          f'{config.continuous_eval_timeout} s; start the training or raise it')
    if seen < config.train_steps:
      errors.say(
          f'no new checkpoint in {self._folder} for {config.continuous_eval_timeout} s; last '
          f'scored: step {seen}')
    return 0

  def _next_checkpoint(self, seen: int | None) -> tuple[str | None, int]:
    """Waits for a checkpoint that is newer than step `seen`; returns None where none comes."""
    timeout = self._experiment.trainer.continuous_eval_timeout
    since = time.monotonic()
    while time.monotonic() - since < timeout:
      path, step = checkpoints.readable(self._folder)
      if path and (seen is None or step > seen):
        return path, step
      time.sleep(min(_LONGEST_WAIT, timeout / 10))
    return None, 0


def _folder_of_no_use() -> tempfile.TemporaryDirectory:
  """Returns where workers save that are not the chief: some variables take all to be read."""
  return tempfile.TemporaryDirectory(prefix='tf-maskformer-worker-')
