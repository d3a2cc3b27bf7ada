"""Deformable sampling against a slow, obvious twin; its gradient against TensorFlow's."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.ops import deformable
from tf_maskformer.ops import lowering

SIZES = ((3, 4), (6, 5))


def arguments():
  rng = np.random.default_rng(0)
  tokens = sum(h * w for h, w in SIZES)
  value = rng.normal(size=[2, tokens, 2, 4]).astype(np.float32)
  locations = rng.uniform(-0.2, 1.2, [2, 7, 2, 2 * 3, 2]).astype(np.float32)
  weights = rng.uniform(size=[2, 7, 2, 2 * 3]).astype(np.float32)
  return value, locations, weights


def slow(value, locations, weights):
  result, start = np.zeros([2, 7, 2, 4]), 0
  for level, (h, w) in enumerate(SIZES):
    maps = value[:, start:start + h * w].reshape(2, h, w, 2, 4)
    start += h * w
    for b, q, m, p in np.ndindex(2, 7, 2, 3):
      place = 3 * level + p
      x, y = locations[b, q, m, place] * (w, h) - 0.5
      for i, j in np.ndindex(h, w):
        share = max(1 - abs(x - j), 0) * max(1 - abs(y - i), 0)
        result[b, q, m] += share * weights[b, q, m, place] * maps[b, i, j, m]
  return result


def of_grid(maps, grid):
  """ONNX's GridSample, bilinear, zeros outside, align_corners 0; a map and a place at a time."""
  n, channels, height, width = maps.shape
  _, rows, columns, _ = grid.shape
  result = np.zeros([n, channels, rows, columns], np.float32)
  for k, i, j in np.ndindex(n, rows, columns):
    x, y = ((grid[k, i, j].numpy() + 1) * (width, height) - 1) / 2
    for row, column in np.ndindex(height, width):
      share = max(1 - abs(x - column), 0) * max(1 - abs(y - row), 0)
      result[k, :, i, j] += share * maps[k, :, row, column]
  return tf.constant(result)


@pytest.mark.parametrize('chosen', [
    lowering.Lowering(), lowering.Lowering(portable=True),
    lowering.Lowering(portable=True, grid_sample=of_grid)], ids=['own', 'portable', 'grid'])
def test_against_every_pixel(chosen):
  with lowering.use(chosen):
    found = deformable.sample(*map(tf.constant, arguments()), SIZES)
  np.testing.assert_allclose(found, slow(*arguments()), atol=1e-5)


def test_portable_graphs_call_nothing_compiled():
  def calls():
    """The calls of other functions in a fresh graph."""
    run = tf.function(lambda *tensors: deformable.sample(*tensors, SIZES))
    specs = [tf.TensorSpec(a.shape) for a in arguments()]
    operations = run.get_concrete_function(*specs).graph.get_operations()
    return [operation.type for operation in operations if 'Call' in operation.type]
  assert calls()
  with lowering.use(lowering.Lowering(portable=True)):
    assert not calls()


def plain(value, locations, weights, sizes):
  """`sample` as TensorFlow differentiates it."""
  return deformable._sum(value, locations, weights, sizes)


def dynamic(value, locations, weights, sizes):
  """`sample` of sizes that are not known when the graph is made: not compiled."""
  sizes = [(tf.constant(h), tf.constant(w)) for h, w in sizes]
  return deformable.sample(value, locations, weights, sizes)


@pytest.mark.parametrize('function', [deformable.sample, dynamic])
@pytest.mark.parametrize('wrap', [lambda f: f, tf.function])
def test_value_and_gradient(function, wrap):
  def of(function):
    tensors = [tf.constant(a) for a in arguments()]
    with tf.GradientTape() as tape:
      tape.watch(tensors)
      result = function(*tensors, SIZES)
      total = tf.reduce_sum(tf.sin(result))
    return [result, *tape.gradient(total, tensors)]
  for found, wanted in zip(wrap(of)(function), of(plain)):
    np.testing.assert_allclose(found, wanted, atol=2e-5)
