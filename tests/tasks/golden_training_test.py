"""The whole training step against the official run: gradients, and parameters after one and three updates."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests import support
from tests.losses import recorded
from tests.modeling import tiny
from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.optimization import LearningRate
from tf_maskformer.configs.optimization import Optimization
from tf_maskformer.losses.set_loss import SetLoss
from tf_maskformer.modeling.conversion import names
from tf_maskformer.training import optimizers


def gradients_of(model, in_graph=False):
  images, _ = tiny.batch()
  targets = recorded.targets()
  set_loss = SetLoss(Losses(), 7, in_graph)
  with tf.GradientTape() as tape:
    outputs = model(images, training=True)
    total = set_loss.weigh(set_loss.terms(outputs, targets, set_loss.match(outputs, targets)))
  return total, tape.gradient(total, model.trainable_variables)


def official(model, arrays):
  """Official name -> array in the official layout, of values beside the trainable variables."""
  by_ref = {e.variable.ref(): n for n, e in names.entries(model).items()}
  return {by_ref[v.ref()]: names.to_official_layout(by_ref[v.ref()], np.asarray(a))
          for v, a in zip(model.trainable_variables, arrays)}


@pytest.mark.parametrize('compiled', [False, True])
def test_gradients(compiled):
  model = tiny.model()
  golden = np.load(support.shared('golden/mf_tiny/grads.npz'))
  step = tf.function(lambda: gradients_of(model, in_graph=True), jit_compile=True) if compiled else (
      lambda: gradients_of(model))
  total, gradients = step()
  # Ten times the recorded float32-versus-float64 noise: total 1.9e-7, norm before clipping 1.3e-6, gradients 2.5e-5.
  np.testing.assert_allclose(total, np.load(support.shared('golden/mf_tiny/losses.npz'))['total'], rtol=2e-6)
  np.testing.assert_allclose(tf.linalg.global_norm(gradients), golden['global_norm'], rtol=1.3e-5)
  found = official(model, gradients)
  checked = 0
  for name, value in found.items():
    norm = golden[f'norm/{name}']
    if norm < 1e-4:  # zero but for rounding
      assert np.linalg.norm(value) < 1e-3
      continue
    np.testing.assert_allclose(np.linalg.norm(value), norm, rtol=2.5e-4, err_msg=name)
    if f'param/{name}' in golden:
      np.testing.assert_allclose(value, golden[f'param/{name}'], rtol=0, err_msg=name,
                                 atol=2.5e-4 * np.abs(golden[f'param/{name}']).max() + 1e-6)
      checked += 1
  assert checked > 50


def test_three_updates_of_adamw():
  model = tiny.model()
  before = official(model, [v.numpy() for v in model.trainable_variables])
  settings = Optimization(learning_rate=LearningRate(schedule='constant'))
  optimizer = optimizers.build(
      settings, 10, rate_multipliers=model.rate_multipliers(settings.optimizer),
      undecayed=model.undecayed_variables())
  golden = np.load(support.shared('golden/mf_tiny/optimizer.npz'))
  groups = json.loads(support.shared('golden/mf_tiny/optimizer_groups.json').read_text())
  for step in (1, 2, 3):
    _, gradients = gradients_of(model)
    optimizer.apply_gradients(list(zip(gradients, model.trainable_variables)))
    if f'step{step}/param/backbone.stem.conv1.weight' not in golden:
      continue
    after = official(model, [v.numpy() for v in model.trainable_variables])
    for key in golden:
      if not key.startswith(f'step{step}/delta/'):
        continue
      name = key.split('/')[2]
      wanted, found = golden[key].astype(np.float64), after[name] - before[name]
      # Where a gradient is rounding noise the first steps have any sign: compare by rms (recorded noise 4.9e-4).
      error = np.sqrt(np.mean((found - wanted)**2)) / np.sqrt(np.mean(wanted**2))
      assert error < 5e-3, (step, name, error)
      assert np.abs(found).max() < 1.1 * step * groups[name]['lr'] + 1e-6
