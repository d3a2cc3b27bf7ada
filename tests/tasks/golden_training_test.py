"""The training step against the official run: gradients, and one and three updates."""

import numpy as np
import pytest
import tensorflow as tf

from tests.losses import recorded
from tests.modeling import tiny
from tests.modeling.golden import Golden
from tests.modeling.golden import official
from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.optimization import LearningRate
from tf_maskformer.configs.optimization import Optimization
from tf_maskformer.losses.set_loss import SetLoss
from tf_maskformer.training import optimizers

GOLDEN = Golden('mf_tiny')
SECTION = 'training step'


def gradients_of(model, in_graph=False):
  images, _ = tiny.batch()
  targets = recorded.targets()
  set_loss = SetLoss(Losses(), 7, in_graph)
  with tf.GradientTape() as tape:
    outputs = model(images, training=True)
    total = set_loss.weigh(set_loss.terms(outputs, targets, set_loss.match(outputs, targets)))
  return total, tape.gradient(total, model.trainable_variables)


@pytest.mark.parametrize('compiled', [False, True])
def test_gradients(compiled):
  model = tiny.model()
  golden = GOLDEN.load('grads')

  def step():
    return gradients_of(model, in_graph=compiled)

  total, gradients = (tf.function(step, jit_compile=True) if compiled else step)()
  np.testing.assert_allclose(
      total, GOLDEN.load('losses')['total'], rtol=GOLDEN.bound(SECTION, 'total'))
  np.testing.assert_allclose(tf.linalg.global_norm(gradients), golden['global_norm'],
                             rtol=GOLDEN.bound(SECTION, 'global_grad_norm_before_clip'))
  # The noisiest of the three parts of the model.
  bound = GOLDEN.bound(SECTION, 'gradient, predictor parameters (relative: per parameter)')
  found = official(model, gradients)
  checked = 0
  for name, value in found.items():
    norm = golden[f'norm/{name}']
    if norm < 1e-4:  # zero but for rounding
      assert np.linalg.norm(value) < 1e-3
      continue
    np.testing.assert_allclose(np.linalg.norm(value), norm, rtol=bound, err_msg=name)
    if f'param/{name}' in golden:
      np.testing.assert_allclose(value, golden[f'param/{name}'], rtol=0, err_msg=name,
                                 atol=bound * np.abs(golden[f'param/{name}']).max() + 1e-6)
      checked += 1
  assert checked > 50


def test_three_updates_of_adamw():
  model = tiny.model()
  before = official(model, [v.numpy() for v in model.trainable_variables])
  settings = Optimization(learning_rate=LearningRate(schedule='constant'))
  optimizer = optimizers.build(
      settings, 10, rate_multipliers=model.rate_multipliers(settings.optimizer),
      undecayed=model.undecayed_variables())
  golden = GOLDEN.load('optimizer')
  groups = GOLDEN.json('optimizer_groups')
  for step in (1, 2, 3):
    _, gradients = gradients_of(model)
    optimizer.apply_gradients(list(zip(gradients, model.trainable_variables)))
    compared = [key.split('/')[2] for key in golden if key.startswith(f'step{step}/delta/')]
    assert len(compared) == (0 if step == 2 else 11)
    after = official(model, [v.numpy() for v in model.trainable_variables])
    for name in compared:
      wanted = golden[f'step{step}/delta/{name}'].astype(np.float64)
      found = after[name] - before[name]
      # Where a gradient is rounding noise the first steps have any sign: compare by rms.
      error = np.sqrt(np.mean((found - wanted)**2)) / np.sqrt(np.mean(wanted**2))
      assert error < GOLDEN.rms_bound(SECTION, f'step{step} parameter change'), (step, name, error)
      assert np.abs(found).max() < 1.1 * step * groups[name]['lr'] + 1e-6
