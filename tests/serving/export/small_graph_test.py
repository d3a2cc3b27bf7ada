"""Smaller graphs for converters: fewer nodes, other names, the same values."""

import tensorflow as tf

from tf_maskformer.serving.export import context
from tf_maskformer.serving.export import small_graph

SPEC = tf.TensorSpec([2, 3], tf.float32, 'x')


def net(x):
  first, second = tf.split(tf.identity(x), [1, 2], axis=1)
  with tf.control_dependencies([tf.identity(first)]):
    doubled = second * tf.constant(2.0)
  halved = first / tf.constant(2.0)
  again = doubled + tf.constant(2.0)
  turned = tf.transpose(again, tf.constant([1, 0]))
  return {'b': tf.identity(turned), 'a': halved + tf.constant(1.0), 'c': tf.identity(x)}


def values(graph, frozen):
  x = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
  with tf.compat.v1.Session(graph=graph) as session:
    found = session.run(frozen.outputs, {frozen.input: x})
  return {name: value.tolist() for name, value in found.items()}


def test_the_same_values():
  frozen = context.freeze(net, SPEC)
  graph = frozen.function.graph
  merged = small_graph.merged(graph, frozen.ends)
  short, names = small_graph.with_short_names(merged, frozen.ends)
  wanted = values(graph, frozen)
  assert wanted['a'] == [[1.5], [3.0]] and wanted['b'] == [[6.0, 12.0], [8.0, 14.0]]
  for one in (merged, short):
    assert values(small_graph.imported(one), frozen) == wanted
  assert len(names) == len(merged.node) - len(frozen.ends)
  assert [names.get(node.name, node.name) for node in short.node] == [
      node.name for node in merged.node]


def test_constants_are_merged_by_value_and_type():
  frozen = context.freeze(net, SPEC)
  merged = small_graph.merged(frozen.function.graph, frozen.ends)
  constants = [node for node in merged.node if node.op == 'Const' and not node.input]
  before = [op for op in frozen.function.graph.get_operations() if op.type == 'Const']
  assert len(before) > len(constants)
  assert len({node.attr['value'].SerializeToString() for node in constants}) == len(constants)
  identities = [node.name for node in merged.node if node.op == 'Identity']
  assert set(identities) <= frozen.ends


def test_shapes_are_kept():
  frozen = context.freeze(net, SPEC)
  merged = small_graph.merged(frozen.function.graph, frozen.ends, add_shapes=True)
  assert all('_output_shapes' in node.attr for node in merged.node if node.op != 'NoOp')
