"""Both solvers against SciPy, pair by pair, ties included."""

import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

from tf_maskformer.losses import assignment


def oracle(cost, counts):
  layers, batch, _, segments = cost.shape
  result = np.full([layers, batch, segments], -1, np.int32)
  for index in np.ndindex(layers, batch):
    rows, columns = scipy.optimize.linear_sum_assignment(cost[index][:, :counts[index[1]]])
    result[index][columns] = rows
  return result


def solve(cost, counts, in_graph, wrap=lambda f: f):
  valid = np.arange(cost.shape[3])[None] < np.asarray(counts)[:, None]
  call = wrap(lambda c, v: assignment.assign(c, v, in_graph))
  return call(tf.constant(cost, tf.float32), tf.constant(valid)).numpy()


def draw(kind, rng, shape):
  return {
      'real': lambda: rng.normal(size=shape),
      'ties': lambda: rng.integers(0, 3, shape),
      'equal': lambda: np.full(shape, 2.5),
      'huge': lambda: rng.normal(size=shape) * 1e30,
      'negative ties': lambda: -rng.integers(0, 4, shape) / 4,
  }[kind]().astype(np.float32)


@pytest.mark.parametrize('kind', ['real', 'ties', 'equal', 'huge', 'negative ties'])
@pytest.mark.parametrize('queries, segments', [(12, 5), (6, 6), (4, 9), (1, 1), (7, 7)])
def test_graph_solver_repeats_scipy(kind, queries, segments):
  rng = np.random.default_rng(100 * queries + segments)
  step = tf.function(lambda c, v: assignment.assign(c, v, True))
  batch = 50
  for _ in range(2):
    cost = draw(kind, rng, [2, batch, queries, segments])
    counts = rng.integers(0, segments + 1, batch)
    expected = oracle(cost, counts)
    np.testing.assert_array_equal(solve(cost, counts, True, wrap=lambda f: step), expected)
    np.testing.assert_array_equal(solve(cost, counts, False), expected)


@pytest.mark.parametrize('in_graph', [True, False])
def test_no_targets_and_more_targets_than_queries(in_graph):
  cost = np.random.default_rng(0).normal(size=[1, 2, 3, 5]).astype(np.float32)
  found = solve(cost, [0, 5], in_graph)
  np.testing.assert_array_equal(found[0, 0], -1)
  assert sorted(found[0, 1][found[0, 1] >= 0]) == [0, 1, 2]


@pytest.mark.parametrize('in_graph', [True, False])
def test_costs_that_are_not_finite_do_not_stop_the_solver(in_graph):
  cost = np.array([[[[np.nan, 1.0], [0.0, np.inf], [5.0, 2.0]]]], np.float32)
  np.testing.assert_array_equal(solve(cost, [2], in_graph), [[[1, 0]]])
  everything = np.full([1, 1, 3, 2], np.nan, np.float32)
  assert len(set(solve(everything, [2], in_graph).ravel())) == 2


def test_compiles():
  rng = np.random.default_rng(3)
  cost, counts = draw('ties', rng, [2, 4, 9, 4]), np.array([4, 0, 2, 3])
  compiled = solve(cost, counts, True, wrap=lambda f: tf.function(f, jit_compile=True))
  np.testing.assert_array_equal(compiled, oracle(cost, counts))
