"""Learning-rate schedules as detectron2 defines them: a factor per update times a warm-up."""

import tensorflow as tf
import tf_keras

from tf_maskformer.configs.optimization import LearningRate


class Schedule(tf_keras.optimizers.schedules.LearningRateSchedule):
  """rate(i) = base * factor(i) * warmup(i) for the update with 0-based index i.

  multi_step: `factor` to the power of the number of boundaries <= i. poly:
  (1 - i / train_steps)^power. Warm-up is a factor that grows linearly from `warmup_factor` to 1
  over `warmup_steps`.
  """

  def __init__(self, config: LearningRate, train_steps: int):
    """Makes the schedule.

    Args:
      config: its constants.
      train_steps: where 'poly' reaches 0.
    """
    self._config = config
    self._train_steps = train_steps

  def __call__(self, step: tf.Tensor) -> tf.Tensor:
    """Returns the rate of the update with index `step`, float32 scalar."""
    i = tf.cast(step, tf.float64)
    factor = self._factor(i) * self._warmup(i)
    return tf.cast(self._config.base * factor, tf.float32)

  def _factor(self, i: tf.Tensor) -> tf.Tensor:
    c = self._config
    if c.schedule == 'multi_step':
      boundaries = tf.constant(c.boundaries, tf.float64, [len(c.boundaries)])
      passed = tf.reduce_sum(tf.cast(boundaries <= i, tf.float64))
      return tf.pow(tf.constant(c.factor, tf.float64), passed)
    if c.schedule == 'poly':
      return tf.pow(tf.maximum(1 - i / self._train_steps, 0), c.power)
    if c.schedule == 'constant':
      return tf.ones([], tf.float64)
    raise ValueError(f'schedule {c.schedule!r} is unknown; known: multi_step, poly, constant')

  def _warmup(self, i: tf.Tensor) -> tf.Tensor:
    c = self._config
    if not c.warmup_steps:
      return tf.ones([], tf.float64)
    share = tf.minimum(i / c.warmup_steps, 1)
    return c.warmup_factor * (1 - share) + share

  def get_config(self):
    return {'config': self._config, 'train_steps': self._train_steps}
