"""Compares the updates of two trainings, each tensor relative to the size of its update."""

import pathlib

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.task import Experiment


def follow_the_gradient(e: Experiment, clip: float, rate: float) -> None:
  """Makes AdamW nearly gradient descent, so that a wrong gradient is a wrong update.

  With an epsilon far above every gradient, Adam's root is negligible: an update is then as exact as
  its gradient, and a gradient of rounding alone makes a negligible update.

  Args:
    e: the experiment, changed in place.
    clip: norm to which the gradient is clipped; 0: not at all, so that a wrong factor in the loss
      is a wrong factor in the update.
    rate: an update is this times the gradient; large enough for float32 weights to show it.
  """
  optimizer = e.trainer.optimizer_config.optimizer
  schedule = e.trainer.optimizer_config.learning_rate
  optimizer.epsilon = 1e3
  optimizer.gradient_clip_norm = clip
  schedule.schedule = 'constant'
  schedule.warmup_steps = 0
  schedule.base = rate * optimizer.epsilon


def arrays(checkpoint: str) -> dict[str, np.ndarray]:
  """Returns the model's variables in a checkpoint by key."""
  reader = tf.train.load_checkpoint(checkpoint)
  keys = [k for k in reader.get_variable_to_shape_map() if k.startswith('model/')]
  return {k: reader.get_tensor(k) for k in keys}


def initial(task, folder: pathlib.Path) -> dict[str, np.ndarray]:
  """Returns the variables that a training of that task begins with, by the same keys."""
  path = tf.train.Checkpoint(model=task.build_model()).write(str(folder / 'initial'))
  return arrays(path)


def _rms(a, b) -> float:
  """Returns the root mean square of a difference."""
  return float(np.sqrt(np.mean((np.asarray(a, np.float64) - b)**2)))


def assert_equal(found: dict, wanted: dict, before: dict, bound: float, kinked: float = 0) -> None:
  """Compares what two trainings made of the same weights, by rms relative to that of the update.

  Args:
    found: variables by key.
    wanted: likewise.
    before: what both began with.
    bound: largest relative error of a tensor; for an update far below the others', relative to
      a thousandth of their median.
    kinked: share of the tensors that may exceed the bound, up to ten times: where other kernels
      round the input of a ReLU to the other side of zero, the layers before it get another
      gradient.
  """
  assert set(found) == set(wanted) == set(before)
  size = {key: _rms(wanted[key], start) for key, start in before.items()}
  # A bias before a norm has a gradient of rounding alone; the median tells what is small.
  least = 1e-3 * np.median(list(size.values()))
  # Storing the weights alone can be off by half a unit in the last place.
  rounding = {key: 2.0**-24 * _rms(start, 0.0) for key, start in before.items()}
  errors = {}
  for key in before:
    error = max(_rms(found[key], wanted[key]) - 4 * rounding[key], 0)
    errors[key] = error / max(size[key], least)
  moved = [key for key in before if size[key] > 100 * rounding[key]]
  assert len(moved) > 0.8 * len(before)
  off = {key: error for key, error in errors.items() if error > bound}
  assert len(off) <= kinked * len(before), off
  assert not off or max(off.values()) < 10 * bound, off
