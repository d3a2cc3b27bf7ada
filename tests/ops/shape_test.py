"""Sizes: integers where they are static, tensors where they are not."""

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


def test_with_static_size():
  @tf.function(input_signature=[tf.TensorSpec([None] * 3)])
  def check(maps):
    assert shape_ops.with_static_size(maps, (4, tf.constant(5))).shape.as_list() == [None, 4, None]
    return 0
  check(tf.zeros([1, 4, 5]))
