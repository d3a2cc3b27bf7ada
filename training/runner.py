"""Runs an experiment in a folder: train, evaluate, save, resume."""

import os
import sys
import time

import tensorflow as tf
import tf_keras
from official.common import distribute_utils

from tf_maskformer import errors
from tf_maskformer.errors import UserError
from tf_maskformer.training import checkpoints
from tf_maskformer.training import optimizers
from tf_maskformer.training import parameters
from tf_maskformer.training.lock import held
from tf_maskformer.training.progress import Progress
from tf_maskformer.training.progress import duration
from tf_maskformer.training.signals import Stop
from tf_maskformer.training.trainer import Diverged
from tf_maskformer.training.trainer import Trainer
from tf_maskformer.training.trainer import distribute
from tf_maskformer.training.trainer import number

_SHORT = ('training_loss', 'class_loss', 'mask_loss', 'dice_loss', 'learning_rate', 'gradient_norm')
_POLICIES = {'float32': 'float32', 'bfloat16': 'mixed_bfloat16', 'mixed_bfloat16': 'mixed_bfloat16',
             'float16': 'mixed_float16', 'mixed_float16': 'mixed_float16'}


def run(experiment, name: str, mode: str, model_dir: str, make_task, allow_random_weights: bool = False) -> int:
  """Runs `mode` of an experiment.

  Args:
    experiment: its whole configuration, settled and valid.
    name: its registered name.
    mode: 'train', 'eval', 'train_and_eval' or 'continuous_eval'.
    model_dir: the run's folder.
    make_task: called with the task's configuration and the runtime's, returns the task.
    allow_random_weights: 'eval' may score a model that nothing was restored into.

  Returns:
    The process's exit code: 0, 1 (diverged, or a save failed), 130 or 143 (stopped by a signal, saved).

  Raises:
    UserError: what was asked for does not fit the folder or the machine.
  """
  with held(model_dir, '.lock' if 'train' in mode else '.eval.lock'):
    try:
      return Run(experiment, name, model_dir, make_task).go(mode, allow_random_weights)
    except tf.errors.OpError as e:
      if 'IteratorGetNext' not in e.message:
        raise
      saved = checkpoints.newest(model_dir) or 'none'
      raise UserError(
          f'the input pipeline failed: {errors.explain(e.message)}; python scripts/inspect_records.py finds the '
          f'record, the last good checkpoint is {saved}') from e
    except (Diverged, checkpoints.SaveFailed) as e:
      print(f'error: {e}', file=sys.stderr, flush=True)
      return 1


class Run:
  """An experiment with its folder, strategy, task, trainer and checkpoints."""

  def __init__(self, experiment, name: str, model_dir: str, make_task):
    self._experiment, self._name, self._folder, self._make_task = experiment, name, model_dir, make_task
    runtime = experiment.runtime
    tf_keras.utils.set_random_seed(runtime.seed)
    tf_keras.mixed_precision.set_global_policy(_POLICIES[runtime.mixed_precision_dtype])
    self._strategy = distribute_utils.get_distribution_strategy(
        distribution_strategy=runtime.distribution_strategy, all_reduce_alg=runtime.all_reduce_alg,
        num_gpus=runtime.num_gpus, tpu_address=runtime.tpu)
    self._differences = parameters.compare(experiment, name, model_dir)

  def go(self, mode: str, allow_random_weights: bool) -> int:
    """Runs a mode; see `run`."""
    for line in self._differences:
      print(f'changed since the last run: {line}', flush=True)
    path, step = checkpoints.readable(self._folder)
    steps = self._experiment.trainer.train_steps
    if 'train' in mode and step > steps:
      raise UserError(f'{self._folder} is at step {step}, beyond trainer.train_steps={steps}; raise it or choose '
                      'another --model_dir')
    if mode == 'eval' and not path and not self._experiment.task.init_checkpoint and not allow_random_weights:
      raise UserError(f'there is no checkpoint in {self._folder} and task.init_checkpoint is empty; name one '
                      '(MASKFORMER_CKPT), or --allow_random_weights')
    if mode == 'continuous_eval':
      return self._follow()
    self._build('train' in mode, step)
    if mode != 'train':
      self._task.expected_examples()  # reads the truth: a mistake in it must not wait for the first evaluation
    self._restore(path, step, allow_random_weights)
    parameters.write(self._experiment, self._name, self._folder, step)
    if mode == 'eval':
      self._evaluate()
      return 0
    return self._train(step, evaluates=mode == 'train_and_eval')

  def _build(self, trains: bool, step: int) -> None:
    c, self._trains = self._experiment, trains
    with self._strategy.scope():
      self._task = self._make_task(c.task, c.runtime)
      model = self._task.build_model()
      groups = self._task.parameter_groups(model, c.trainer.optimizer_config.optimizer)
      optimizer = optimizers.build(c.trainer.optimizer_config, c.trainer.train_steps, **groups)
      optimizer.build(model.trainable_variables)
      if _POLICIES[c.runtime.mixed_precision_dtype] == 'mixed_float16':
        optimizer = tf_keras.mixed_precision.LossScaleOptimizer(optimizer)
      known = self._task.metric_names()
      if c.trainer.best_checkpoint_eval_metric not in known:
        raise UserError(f'trainer.best_checkpoint_eval_metric={c.trainer.best_checkpoint_eval_metric} is no metric; '
                        f'known: {", ".join(known)}')
      evaluates = bool(c.task.validation_data.input_path)
      train_data = validation_data = None
      if trains:
        train_data = distribute(
            self._strategy, lambda input_context: self._task.build_inputs(
                c.task.train_data, input_context, start_step=step))
      if evaluates:
        validation_data = distribute(
            self._strategy, lambda input_context: self._task.build_inputs(c.task.validation_data, input_context))
      self._trainer = Trainer(c, self._task, model, optimizer, train=trains, evaluate=evaluates,
                              train_dataset=train_data, validation_dataset=validation_data)
    self._manager = tf.train.CheckpointManager(
        self._trainer.checkpoint, self._folder, max_to_keep=c.trainer.max_to_keep)
    self._best = checkpoints.Best(self._folder, self._trainer.checkpoint, c.trainer.best_checkpoint_eval_metric,
                                  c.trainer.best_checkpoint_metric_comp == 'higher')

  def _restore(self, path: str | None, step: int, allow_random_weights: bool = False) -> None:
    """Restores the folder's checkpoint, or else what the task starts from, and says which."""
    if path:
      self._trainer.checkpoint.restore(path).expect_partial().assert_existing_objects_matched()
      print(f'weights: {path} (step {step})', flush=True)
      if self._experiment.task.init_checkpoint:
        print(f'  task.init_checkpoint={self._experiment.task.init_checkpoint} is not used: the folder has a '
              'checkpoint of its own', flush=True)
    else:
      report = self._task.initialize(self._trainer.model)
      if report and report.missing and not self._trains and not allow_random_weights:
        raise UserError(f'{report.path} fills only {len(report.restored)} of {len(report.restored + report.missing)} '
                        f'tensors, {report.missing[0]} and others would be random; evaluate with the experiment of '
                        'the checkpoint and task.init_checkpoint_modules=all, or insist with --allow_random_weights')
      print(f'weights: {self._experiment.task.init_checkpoint or "drawn anew"} (step 0)', flush=True)

  def _train(self, step: int, evaluates: bool) -> int:
    c = self._experiment.trainer
    if step == c.train_steps:
      print(f'finished at step {step}', flush=True)
      if evaluates:
        self._evaluate()
      return 0
    writer = tf.summary.create_file_writer(os.path.join(self._folder, 'train'))
    progress = Progress(c.train_steps, self._experiment.task.train_data.global_batch_size)
    saved, first = step, step
    with Stop() as stop:
      while step < c.train_steps and stop.signal is None:
        self._trainer.run_step()
        step += 1
        if step == first + 1:
          progress.mark(step)  # tracing is over
        if step % c.steps_per_loop == 0 or step == c.train_steps:
          logs = self._trainer.collect()
          print(progress.line(step, {k: logs[k] for k in _SHORT if k in logs}), flush=True)
          if logs.get('dropped_segments'):
            print(f'warning: {logs["dropped_segments"]:.1f} segments a step found no slot or id map; raise '
                  'task.train_data.parser.max_segments or max_layers', flush=True)
          with writer.as_default(step):
            for key, value in logs.items():
              tf.summary.scalar(key, value)
        if step % c.checkpoint_interval == 0 or step == c.train_steps or stop.signal:
          print(f'saved {checkpoints.save(self._manager, self._trainer.model, step)}', flush=True)
          saved = step
        if evaluates and stop.signal is None and (step % c.validation_interval == 0 or step == c.train_steps):
          value = self._evaluate()[c.best_checkpoint_eval_metric]
          if self._best.offer(value, step):
            print(f'best so far: {c.best_checkpoint_eval_metric} {value:.2f}', flush=True)
          progress.mark(step)
    writer.flush()
    if stop.signal and step < c.train_steps:
      print(f'stopped at step {step}, saved at step {saved}; the same command goes on from there', flush=True)
      return stop.exit_code
    return 0

  def _evaluate(self) -> dict[str, float]:
    """Scores the validation records, prints and writes the results, and returns the numbers."""
    start, step = time.monotonic(), number(self._trainer.global_step)
    logs = self._trainer.evaluate(tf.constant(-1))
    scored = logs.pop('scored')
    expected = self._task.expected_examples()
    if len(scored) != expected or len(set(scored)) != expected:
      raise UserError(f'{len(scored)} images were scored, the validation records hold {expected}')
    table, images = logs.pop('table'), logs.pop('images')
    numbers = {k: float(v) for k, v in logs.items()}
    print(f'evaluation at step {step}: {expected} images in {duration(time.monotonic() - start)}\n{table}',
          flush=True)
    folder = os.path.join(self._folder, 'evaluations')
    tf.io.gfile.makedirs(folder)
    entry = {'step': step, 'images': expected, 'metrics': numbers}
    checkpoints.write_json(os.path.join(folder, f'step_{step:08d}.json'), entry)
    checkpoints.append_json(os.path.join(folder, 'history.json'), {'time': time.strftime('%FT%T%z'), **entry})
    writer = tf.summary.create_file_writer(os.path.join(self._folder, 'validation'))
    with writer.as_default(step):
      for key, value in numbers.items():
        tf.summary.scalar(key, value)
      for key, image in images.items():
        tf.summary.image(key, image)
    writer.flush()
    return numbers

  def _follow(self) -> int:
    """Scores every new checkpoint until the last step, or until none came for `continuous_eval_timeout` seconds."""
    c, seen, since = self._experiment.trainer, -1, time.monotonic()
    while time.monotonic() - since < c.continuous_eval_timeout:
      path, step = checkpoints.readable(self._folder)
      if path and step > seen:
        if seen < 0:
          self._build(False, step)
        self._restore(path, step)
        self._evaluate()
        seen, since = step, time.monotonic()
        if step >= c.train_steps:
          return 0
      time.sleep(min(5, c.continuous_eval_timeout / 10))
    if seen < 0:
      raise UserError(f'no checkpoint came to {self._folder} within trainer.continuous_eval_timeout='
                      f'{c.continuous_eval_timeout} s; start the training or raise it')
    print(f'no new checkpoint in {self._folder} for {c.continuous_eval_timeout} s; last scored: step {seen}',
          flush=True)
    return 0
