"""AdamW against its formulas in NumPy: clipping, rates, skipped updates; schedules by hand."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import support
from tf_maskformer.configs.optimization import AdamW as AdamWConfig
from tf_maskformer.configs.optimization import LearningRate
from tf_maskformer.configs.optimization import Optimization
from tf_maskformer.training import optimizers
from tf_maskformer.training.schedules import Schedule


def twin(values, gradients, config, rates):
  """Runs PyTorch's AdamW with a joint clip, in float64; `rates`: [step][variable] (rate, decay)."""
  m = [np.zeros_like(x) for x in values]
  v = [np.zeros_like(x) for x in values]
  for t, step_gradients in enumerate(gradients, 1):
    norm = np.sqrt(sum((g**2).sum() for g in step_gradients))
    scale = min(1, config.gradient_clip_norm / (norm + 1e-6)) if config.gradient_clip_norm else 1
    for i, unclipped in enumerate(step_gradients):
      g = unclipped * scale
      rate, decay = rates[t - 1][i]
      values[i] = values[i] * (1 - rate * decay)
      m[i] = config.beta_1 * m[i] + (1 - config.beta_1) * g
      v[i] = config.beta_2 * v[i] + (1 - config.beta_2) * g**2
      corrected = np.sqrt(v[i] / (1 - config.beta_2**t)) + config.epsilon
      values[i] = values[i] - rate * m[i] / (1 - config.beta_1**t) / corrected
  return values


@pytest.mark.parametrize('clip, options', [
    (0.0, {}), (0.01, {}), (1.0, {}),
    (0.01, dict(beta_1=0.5, beta_2=0.9, epsilon=1e-3))])
def test_against_the_formulas(clip, options):
  rng = np.random.default_rng(0)
  start = [rng.normal(size=s) for s in ((3, 4), (5,), (2, 2))]
  gradients = [
      [rng.normal(size=s.shape) * 10.0**rng.integers(-6, 1) for s in start] for _ in range(6)]
  variables = [tf.Variable(s.astype(np.float32)) for s in start]
  config = AdamWConfig(weight_decay=0.05, gradient_clip_norm=clip, **options)
  schedule = LearningRate(
      base=1e-2, schedule='multi_step', boundaries=[3], warmup_steps=2, warmup_factor=0.5)
  multipliers = {variables[0].ref(): 0.7, variables[2].ref(): 0.3}
  optimizer = optimizers.build(
      Optimization(optimizer=config, learning_rate=schedule), 6, rate_multipliers=multipliers,
      undecayed=variables[1:2])
  optimizer.build(variables)
  apply = tf.function(lambda g: optimizer.apply_gradients(zip(g, variables)))
  for step in gradients:
    apply([tf.constant(g, tf.float32) for g in step])
  base = [0.005, 0.0075, 0.01, 0.001, 0.001, 0.001]
  rates = [[(0.7 * b, 0.05), (b, 0.0), (0.3 * b, 0.05)] for b in base]
  for found, wanted in zip(variables, twin(start, gradients, config, rates)):
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)
  norm = np.sqrt(sum((g**2).sum() for g in gradients[-1]))
  assert float(optimizer.gradient_norm) == pytest.approx(norm, rel=1e-5)


def test_replicas_keep_multipliers_and_decay():
  script = """
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices('CPU')[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from tf_maskformer.configs.optimization import AdamW
from tf_maskformer.configs.optimization import LearningRate
from tf_maskformer.configs.optimization import Optimization
from tf_maskformer.training import optimizers
strategy = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])
with strategy.scope():
  variables = [tf.Variable(1.0) for _ in range(3)]
  settings = Optimization(
      optimizer=AdamW(weight_decay=0.5, gradient_clip_norm=0.0),
      learning_rate=LearningRate(base=0.125, schedule='constant'))
  optimizer = optimizers.build(
      settings, 10, rate_multipliers={variables[0].ref(): 0.5}, undecayed=variables[1:2])
  optimizer.build(variables)
def step():
  optimizer.apply_gradients([(tf.constant(1.0), v) for v in variables])
tf.function(lambda: strategy.run(step), autograph=False)()
print([[round(float(copy.numpy()), 5) for copy in v.values] for v in variables])
"""
  done = subprocess.run([sys.executable, '-c', script], cwd=support.ROOT, capture_output=True,
                        text=True, check=False)
  assert done.returncode == 0, done.stderr[-3000:]
  # The first update of Adam is the rate; a rate of 0.125 with a decay of 0.5 keeps 0.9375.
  assert done.stdout.split('\n')[-2] == (
      '[[0.90625, 0.90625], [0.875, 0.875], [0.8125, 0.8125]]')


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_a_gradient_that_is_not_finite_changes_nothing(bad):
  variable = tf.Variable([1.0, 2.0])
  optimizer = optimizers.build(Optimization(learning_rate=LearningRate(schedule='constant')), 10)
  optimizer.build([variable])
  good = [(tf.constant([0.5, -0.5]), variable)]
  optimizer.apply_gradients(good)
  before = [v.numpy() for v in (variable, *optimizer._m, *optimizer._v)]
  optimizer.apply_gradients([(tf.constant([1.0, bad]), variable)])
  for v, wanted in zip((variable, *optimizer._m, *optimizer._v), before):
    np.testing.assert_array_equal(v, wanted)
  assert int(optimizer.skipped) == int(optimizer.skipped_in_a_row) == 1
  optimizer.apply_gradients(good)
  assert int(optimizer.skipped) == 1 and int(optimizer.skipped_in_a_row) == 0
  assert int(optimizer.updates) == 2 and np.isfinite(variable).all()


@pytest.mark.parametrize('config, wanted', [
    (LearningRate(base=2.0, schedule='constant'), {0: 2.0, 9: 2.0}),
    (LearningRate(base=1.0, schedule='multi_step', boundaries=[4, 8]),
     {3: 1.0, 4: 0.1, 7: 0.1, 8: 0.01}),
    (LearningRate(base=1.0, schedule='multi_step', boundaries=[4, 8], factor=0.5),
     {3: 1.0, 4: 0.5, 8: 0.25}),
    (LearningRate(base=1.0, schedule='poly', power=0.5), {0: 1.0, 5: 0.5**0.5, 10: 0.0}),
    (LearningRate(base=1.0, schedule='constant', warmup_steps=4, warmup_factor=0.2),
     {0: 0.2, 2: 0.6, 4: 1.0}),
])
def test_schedules(config, wanted):
  schedule = Schedule(config, 10)
  for step, rate in wanted.items():
    assert float(schedule(tf.constant(step))) == pytest.approx(rate, abs=1e-7), step
