"""Dropout whose pattern is a function of a seed: a resumed run repeats the interrupted one."""

import tensorflow as tf

from tf_maskformer.ops import shape as shape_ops


def dropout(x: tf.Tensor, rate: float, seed: tf.Tensor | None, salt: int) -> tf.Tensor:
  """Zeroes elements with probability `rate` and scales the others by 1 / (1 - rate).

  Args:
    x: any float tensor.
    rate: probability of a zero.
    seed: int32 [2], one for each training step and replica; None (inference): x is returned.
    salt: tells this place in the model from all others, see `salts`.

  Returns:
    A tensor like x.
  """
  if seed is None or not rate:
    return x
  own_seed = tf.random.experimental.stateless_fold_in(seed, salt)
  return tf.nn.experimental.stateless_dropout(x, rate, seed=own_seed)


def drop_path(x: tf.Tensor, rate: float, seed: tf.Tensor | None, salt: int) -> tf.Tensor:
  """Stochastic depth: drops a complete sample with probability `rate`, scales the others.

  Args:
    x: [batch, ...], a residual branch.
    rate: probability of a drop; what is kept is multiplied by 1 / (1 - rate).
    seed: see `dropout`.
    salt: see `dropout`.

  Returns:
    A tensor like x.
  """
  if seed is None or not rate:
    return x
  own_seed = tf.random.experimental.stateless_fold_in(seed, salt)
  uniform = tf.random.stateless_uniform([shape_ops.batch_size(x)], own_seed)
  keep = tf.cast(uniform >= rate, x.dtype) / tf.cast(1 - rate, x.dtype)
  return x * tf.reshape(keep, [-1] + [1] * (x.shape.rank - 1))
