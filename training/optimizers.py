"""PyTorch's AdamW with a backbone rate, clipping of the whole gradient, and updates that skip what is not finite."""

from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from tf_maskformer.configs.optimization import AdamW as AdamWConfig
from tf_maskformer.configs.optimization import Optimization
from tf_maskformer.training.schedules import Schedule


class AdamW(tf_keras.optimizers.Optimizer):
  """Decoupled weight decay; epsilon beside the bias-corrected root, as in PyTorch.

  Keras adds its epsilon before the correction, which matters here: clipped to 0.01, gradients are so small that
  the two differ by up to the whole step.

  The gradient is summed over replicas, then its norm is taken over all variables: with a norm that is not finite
  the update changes nothing, neither weights nor moments, and is counted.

  Attributes:
    gradient_norm: norm of the last gradient, before clipping.
    skipped: number of updates skipped so far.
    skipped_in_a_row: the same since the last good one.
  """

  def __init__(self, config: AdamWConfig, learning_rate: tf_keras.optimizers.schedules.LearningRateSchedule,
               backbone: Sequence[tf.Variable] = (), undecayed: Sequence[tf.Variable] = (), name: str = 'AdamW'):
    """Makes the optimizer.

    Args:
      config: its constants.
      learning_rate: the schedule.
      backbone: variables whose rate is multiplied by `backbone_multiplier`.
      undecayed: variables without weight decay.
      name: of the optimizer.
    """
    super().__init__(name=name, jit_compile=False)
    self._config = config
    self._learning_rate = self._build_learning_rate(learning_rate)
    self._backbone = {v.ref() for v in backbone}
    self._undecayed = {v.ref() for v in undecayed}
    self._m, self._v = [], []
    self._step = None  # while an update is built: what its variables share
    def scalar(name, initial, dtype):
      return tf.Variable(initial, trainable=False, dtype=dtype, name=name,
                         aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    self.gradient_norm = scalar('gradient_norm', 0.0, tf.float32)
    self.skipped = scalar('skipped', 0, tf.int64)
    self.skipped_in_a_row = scalar('skipped_in_a_row', 0, tf.int64)
    self.updates = scalar('updates', 0, tf.int64)  # those not skipped: Adam's t

  def build(self, var_list):
    super().build(var_list)
    if self._m:
      return
    for variable in var_list:
      self._m.append(self.add_variable_from_reference(variable, 'm'))
      self._v.append(self.add_variable_from_reference(variable, 'v'))

  def _clip_gradients(self, grads):
    """Scales the summed gradients; a norm that is not finite makes them zero and marks the update as skipped."""
    norm = tf.linalg.global_norm([tf.cast(g, tf.float32) for g in grads])
    finite = tf.math.is_finite(norm)
    limit = self._config.gradient_clip_norm
    scale = tf.minimum(1.0, limit / (norm + 1e-6)) if limit else 1.0
    scale = tf.where(finite, scale, 0.0)
    skipped = tf.cast(~finite, tf.int64)
    self.gradient_norm.assign(norm)
    self.skipped.assign_add(skipped)
    self.skipped_in_a_row.assign((self.skipped_in_a_row + 1) * skipped)
    self.updates.assign_add(1 - skipped)
    # 0 * NaN is NaN, this product is 0.
    return [tf.math.multiply_no_nan(g, tf.cast(scale, g.dtype)) for g in grads]

  def _distributed_apply_gradients_fn(self, distribution, grads_and_vars, **kwargs):
    # Once a step and not once a variable: those operations would be a good part of the graph.
    self._step = self._constants_of_the_step()
    try:
      return super()._distributed_apply_gradients_fn(distribution, grads_and_vars, **kwargs)
    finally:
      self._step = None

  def _constants_of_the_step(self) -> dict[str, tf.Tensor]:
    """Returns what all variables share: the rate and decay of both groups, and the fused kernel's arguments."""
    c = self._config
    good = tf.cast(tf.equal(self.skipped_in_a_row, 0), tf.float32)
    rate = tf.cast(self.learning_rate, tf.float32) * good
    backbone_rate = rate * c.backbone_multiplier
    t = tf.cast(tf.maximum(self.updates, 1), tf.float32)
    power_1, power_2 = tf.pow(c.beta_1, t), tf.pow(c.beta_2, t)
    return {
        'rate': (rate, backbone_rate),
        'kept': (1 - rate * c.weight_decay, 1 - backbone_rate * c.weight_decay),
        'adam': dict(
            beta1_power=power_1, beta2_power=power_2,
            # A skipped update has betas of 1 and no rate: nothing moves.
            beta1=1 - (1 - c.beta_1) * good, beta2=1 - (1 - c.beta_2) * good,
            # The kernel puts epsilon beside the uncorrected root; scaled so, the two are the same.
            epsilon=c.epsilon * tf.sqrt(1 - power_2))}

  def update_step(self, gradient, variable):
    index = self._index_dict[self._var_key(variable)]
    of_backbone = variable.ref() in self._backbone
    if self._config.weight_decay and variable.ref() not in self._undecayed:
      variable.assign(variable * self._step['kept'][of_backbone])
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle, m=self._m[index].handle, v=self._v[index].handle, lr=self._step['rate'][of_backbone],
        grad=gradient, **self._step['adam'])

  def get_config(self):
    return {**super().get_config(), 'config': self._config, 'learning_rate': self._learning_rate}


def build(config: Optimization, train_steps: int, backbone: Sequence[tf.Variable] = (),
          undecayed: Sequence[tf.Variable] = ()) -> AdamW:
  """Returns the optimizer of a configuration.

  Args:
    config: optimizer and schedule.
    train_steps: length of the schedule.
    backbone: variables with the backbone's rate.
    undecayed: variables without decay.
  """
  return AdamW(config.optimizer, Schedule(config.learning_rate, train_steps), backbone, undecayed)
