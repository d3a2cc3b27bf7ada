"""Frozen graphs: nothing from outside, and a GridSample that computes."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.ops import lowering
from tf_maskformer.serving.export import context

SPEC = tf.TensorSpec([None, 2], tf.float32, 'x')


def test_weights_become_constants():
  weight = tf.Variable([[1.0], [2.0]])
  frozen = context.freeze(lambda x: {'b': x @ weight, 'a': x + 1}, SPEC)
  assert frozen.name == 'x' and list(frozen.outputs) == ['a', 'b']
  a, b = frozen.function(tf.constant([[3.0, 4.0]]))
  assert a.numpy().tolist() == [[4, 5]] and b.numpy().tolist() == [[11]]
  types = {op.type for op in frozen.function.graph.get_operations()}
  assert 'VarHandleOp' not in types and 'ReadVariableOp' not in types


def test_tensors_from_outside_are_refused():
  """Other formats would take them for inputs."""
  outside = tf.constant([1.0, 2.0])
  with pytest.raises(ValueError, match='captures 1 tensors'):
    context.freeze(lambda x: {'y': x + outside}, SPEC)


def test_what_is_traced_is_portable():
  seen = []
  def run(x):
    seen.append(lowering.current())
    return {'y': x}
  context.freeze(run, SPEC, context.WITH_GRID_SAMPLE)
  assert seen[0].portable and seen[0].grid_sample is context.grid_sample
  assert not lowering.current().portable


def test_grid_sample_against_every_pixel():
  rng = np.random.default_rng(0)
  maps = rng.normal(size=[2, 3, 4, 5]).astype(np.float32)
  grid = rng.uniform(-1.3, 1.3, [2, 6, 2, 2]).astype(np.float32)
  found = tf.function(context.grid_sample)(tf.constant(maps), tf.constant(grid))
  wanted = np.zeros([2, 3, 6, 2])
  for n, i, j in np.ndindex(2, 6, 2):
    x, y = ((grid[n, i, j] + 1) * (5, 4) - 1) / 2
    for row, column in np.ndindex(4, 5):
      share = max(1 - abs(x - column), 0) * max(1 - abs(y - row), 0)
      wanted[n, :, i, j] += share * maps[n, :, row, column]
  np.testing.assert_allclose(found, wanted, atol=1e-5)
