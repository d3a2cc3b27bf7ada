"""Learning-rate schedules as detectron2 defines them: a factor of the update's index times a warm-up."""

import tensorflow as tf
import tf_keras

from tf_maskformer.configs.optimization import LearningRate


class Schedule(tf_keras.optimizers.schedules.LearningRateSchedule):
  """rate(i) = base * factor(i) * warmup(i) for the update with 0-based index i.

  multi_step: factor to the power of the boundaries <= i. poly: (1 - i / train_steps)^power. Warm-up is a factor
  that grows linearly from `warmup_factor` to 1 over `warmup_steps`.
  """

  def __init__(self, config: LearningRate, train_steps: int):
    self._config, self._train_steps = config, train_steps

  def __call__(self, step):
    c = self._config
    i = tf.cast(step, tf.float64)
    if c.schedule == 'multi_step':
      passed = tf.reduce_sum(tf.cast(tf.constant(c.boundaries, tf.float64, [len(c.boundaries)]) <= i, tf.float64))
      factor = tf.pow(tf.constant(c.factor, tf.float64), passed)
    elif c.schedule == 'poly':
      factor = tf.pow(tf.maximum(1 - i / self._train_steps, 0), c.power)
    elif c.schedule == 'constant':
      factor = tf.ones([], tf.float64)
    else:
      raise ValueError(f'schedule {c.schedule!r} is unknown; known: multi_step, poly, constant')
    if c.warmup_steps:
      share = tf.minimum(i / c.warmup_steps, 1)
      factor *= c.warmup_factor * (1 - share) + share
    return tf.cast(c.base * factor, tf.float32)

  def get_config(self):
    return {'config': self._config, 'train_steps': self._train_steps}
