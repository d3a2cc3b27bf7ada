"""Sizes: integers where they are static, tensors where they are not."""

import pytest
import tensorflow as tf

from tf_maskformer.ops import shape as shape_ops


def test_sizes_are_integers_where_they_are_static():
  @tf.function(input_signature=[tf.TensorSpec([None, 3, None, 5])])
  def check(x):
    batch, height, width, channels = shape_ops.sizes(x)
    assert (height, channels) == (3, 5)
    assert not shape_ops.are_static(batch) and not shape_ops.are_static(width)
    assert shape_ops.spatial_size(x)[0] == 3
    return tf.stack([batch, width, shape_ops.batch_size(x)])
  assert check(tf.zeros([2, 3, 4, 5])).numpy().tolist() == [2, 4, 2]
  assert shape_ops.sizes(tf.zeros([2, 3])) == [2, 3]
  assert shape_ops.batch_size(tf.zeros([2, 3])) == 2


def test_smallest_and_largest():
  assert (shape_ops.smallest(2, 3), shape_ops.largest(2, 3)) == (2, 3)
  assert shape_ops.are_static(shape_ops.smallest(2, 3), shape_ops.largest(2, 3))
  assert shape_ops.smallest(2, tf.constant(3)).numpy() == 2
  assert shape_ops.largest(tf.constant(2), 3).numpy() == 3


@pytest.mark.parametrize('size, divisor, wanted', [
    (0, 7, 0), (1, 7, 6), (7, 7, 0), (8, 7, 6), (171, 32, 21), (5, 1, 0)])
def test_to_multiple(size, divisor, wanted):
  assert shape_ops.to_multiple(size, divisor) == wanted
  assert shape_ops.to_multiple(tf.constant(size), divisor).numpy() == wanted


def test_to_multiple_divides_nothing_negative():
  """What other runtimes make of a negative dividend is not what TensorFlow makes of it."""
  run = tf.function(lambda size: shape_ops.to_multiple(size, 32))
  graph = run.get_concrete_function(tf.TensorSpec([], tf.int32)).graph
  types = [operation.type for operation in graph.get_operations()]
  assert types.count('FloorMod') == 2 and 'Neg' not in types


def test_with_static_size():
  @tf.function(input_signature=[tf.TensorSpec([None] * 3)])
  def check(maps):
    assert shape_ops.with_static_size(maps, (4, tf.constant(5))).shape.as_list() == [None, 4, None]
    return 0
  check(tf.zeros([1, 4, 5]))
