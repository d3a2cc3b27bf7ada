"""PyTorch's AdamW with a learning rate per variable, joint clipping, and updates that skip NaN."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from tf_maskformer.configs.optimization import AdamW as AdamWConfig
from tf_maskformer.configs.optimization import Optimization
from tf_maskformer.training.schedules import Schedule

_NO_DIVISION_BY_ZERO = 1e-6  # added to the norm, as in torch.nn.utils.clip_grad_norm_


class AdamW(tf_keras.optimizers.Optimizer):
  """Decoupled weight decay; epsilon is added to the bias-corrected root, as in PyTorch.

  Keras adds its epsilon before the correction, which matters here: clipped to 0.01, gradients are
  so small that the two differ by up to the full step.

  The gradient is summed over replicas, then its norm is taken over all variables: with a norm that
  is not finite the update changes nothing, neither weights nor moments, and is counted.

  Attributes:
    gradient_norm: norm of the last gradient, before clipping; float32 scalar.
    skipped: number of updates skipped so far; int64 scalar.
    skipped_in_a_row: the same since the last good one.
    updates: number of updates not skipped so far, Adam's t.
  """

  def __init__(self, config: AdamWConfig,
               learning_rate: tf_keras.optimizers.schedules.LearningRateSchedule,
               rate_multipliers: Mapping[Any, float] | None = None,
               undecayed: Sequence[tf.Variable] = (), name: str = 'AdamW'):
    """Makes the optimizer.

    Args:
      config: its constants; what its backbone_multiplier is for, `rate_multipliers` says.
      learning_rate: the schedule.
      rate_multipliers: from `variable.ref()` to what the variable's learning rate is multiplied by;
        1 where it is not there.
      undecayed: variables without weight decay.
      name: of the optimizer.
    """
    super().__init__(name=name, jit_compile=False)
    self._config = config
    self._learning_rate = self._build_learning_rate(learning_rate)
    # By the key that a variable shares with its copies: an update is given a replica's copy.
    self._multipliers = {
        self._var_key(ref.deref()): float(m) for ref, m in (rate_multipliers or {}).items()}
    self._undecayed = {self._var_key(v) for v in undecayed}
    self._m: list[tf.Variable] = []
    self._v: list[tf.Variable] = []
    self._step = None  # per-step constants, set only while an update is being traced
    self.gradient_norm = _scalar('gradient_norm', 0.0, tf.float32)
    self.skipped = _scalar('skipped', 0, tf.int64)
    self.skipped_in_a_row = _scalar('skipped_in_a_row', 0, tf.int64)
    self.updates = _scalar('updates', 0, tf.int64)

  def build(self, var_list):
    super().build(var_list)
    if self._m:
      return
    for variable in var_list:
      self._m.append(self.add_variable_from_reference(variable, 'm'))
      self._v.append(self.add_variable_from_reference(variable, 'v'))

  def _clip_gradients(self, grads):
    """Scales the summed gradients; if their norm is not finite, to zero: the update is skipped."""
    norm = tf.linalg.global_norm([tf.cast(g, tf.float32) for g in grads])
    finite = tf.math.is_finite(norm)
    limit = self._config.gradient_clip_norm
    scale = tf.minimum(1.0, limit / (norm + _NO_DIVISION_BY_ZERO)) if limit else 1.0
    scale = tf.where(finite, scale, 0.0)
    skipped = tf.cast(~finite, tf.int64)
    self.gradient_norm.assign(norm)
    self.skipped.assign_add(skipped)
    self.skipped_in_a_row.assign((self.skipped_in_a_row + 1) * skipped)
    self.updates.assign_add(1 - skipped)
    # 0 * NaN is NaN, this product is 0.
    return [tf.math.multiply_no_nan(g, tf.cast(scale, g.dtype)) for g in grads]

  def _distributed_apply_gradients_fn(self, distribution, grads_and_vars, **kwargs):
    # Once per step and not once per variable: these operations would be a good part of the graph.
    self._step = self._constants_of_the_step()
    try:
      return super()._distributed_apply_gradients_fn(distribution, grads_and_vars, **kwargs)
    finally:
      self._step = None

  def _constants_of_the_step(self) -> dict[str, Any]:
    """Returns what variables share: rate and decay per multiplier, the fused kernel's arguments."""
    c = self._config
    good = tf.cast(tf.equal(self.skipped_in_a_row, 0), tf.float32)
    rate = tf.cast(self.learning_rate, tf.float32) * good
    multipliers = {1.0, *self._multipliers.values()}
    rates = {m: rate if m == 1 else rate * m for m in multipliers}
    t = tf.cast(tf.maximum(self.updates, 1), tf.float32)
    power_1 = tf.pow(c.beta_1, t)
    power_2 = tf.pow(c.beta_2, t)
    return {
        'rate': rates,
        'kept': {m: 1 - own_rate * c.weight_decay for m, own_rate in rates.items()},
        'adam': dict(
            beta1_power=power_1,
            beta2_power=power_2,
            # A skipped update has betas of 1 and a rate of 0: nothing moves.
            beta1=1 - (1 - c.beta_1) * good,
            beta2=1 - (1 - c.beta_2) * good,
            # The kernel adds epsilon to the uncorrected root; scaled so, the two are the same.
            epsilon=c.epsilon * tf.sqrt(1 - power_2))}

  def update_step(self, gradient, variable):
    key = self._var_key(variable)
    index = self._index_dict[key]
    multiplier = self._multipliers.get(key, 1.0)
    if self._config.weight_decay and key not in self._undecayed:
      variable.assign(variable * self._step['kept'][multiplier])
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle, m=self._m[index].handle, v=self._v[index].handle,
        lr=self._step['rate'][multiplier], grad=gradient, **self._step['adam'])

  def get_config(self):
    return {**super().get_config(), 'config': self._config, 'learning_rate': self._learning_rate}


def _scalar(name: str, initial: float | int, dtype: tf.DType) -> tf.Variable:
  return tf.Variable(initial, trainable=False, dtype=dtype, name=name,
                     aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)


def build(config: Optimization, train_steps: int,
          rate_multipliers: Mapping[Any, float] | None = None,
          undecayed: Sequence[tf.Variable] = ()) -> AdamW:
  """Returns the optimizer of a configuration.

  Args:
    config: optimizer and schedule.
    train_steps: length of the schedule.
    rate_multipliers: from `variable.ref()` to the multiplier of its learning rate, see `AdamW`.
    undecayed: variables without weight decay.
  """
  schedule = Schedule(config.learning_rate, train_steps)
  return AdamW(config.optimizer, schedule, rate_multipliers, undecayed)
