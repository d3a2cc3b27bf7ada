"""The same graph with fewer nodes and shorter names, for converters.

Half of a frozen graph are constants, most of them equal: ones, zeros and axes, made anew for each
operation. OpenVINO's time grows with the square of the nodes, and it compares their names.
"""

from collections.abc import Collection

import tensorflow as tf

_SHORT = 'n'  # short names are n0, n1, ...


def merged(graph: tf.Graph, kept: Collection[str], add_shapes: bool = False
           ) -> tf.compat.v1.GraphDef:
  """Returns the graph with each constant once and no operation that returns its input.

  Args:
    graph: frozen.
    kept: names of the inputs and outputs.
    add_shapes: nodes have the shapes of their outputs.
  """
  content = graph.as_graph_def(add_shapes=add_shapes)
  result = tf.compat.v1.GraphDef()
  result.CopyFrom(content)
  del result.node[:]
  instead: dict[str, str] = {}
  constants: dict[bytes, str] = {}
  for node in content.node:
    if node.name not in kept and _returns_its_input(node):
      instead[node.name] = node.input[0]
    elif node.name not in kept and node.op == 'Const' and not node.input:
      first = constants.setdefault(_content(node), node.name)
      if first != node.name:
        instead[node.name] = first
    if node.name not in instead:
      result.node.add().CopyFrom(node)
  _rename_inputs(result, instead)
  return result


def with_short_names(graph: tf.compat.v1.GraphDef, kept: Collection[str]
                     ) -> tuple[tf.compat.v1.GraphDef, dict[str, str]]:
  """Returns the graph with nodes called n0, n1, ..., and their names by those.

  Args:
    graph: without names of that form.
    kept: names that stay as they are.
  """
  result = tf.compat.v1.GraphDef()
  result.CopyFrom(graph)
  names = {}
  short = {}
  for number, node in enumerate(result.node):
    if node.name in kept:
      continue
    names[f'{_SHORT}{number}'] = node.name
    short[node.name] = f'{_SHORT}{number}'
    node.name = short[node.name]
  _rename_inputs(result, short)
  return result, names


def imported(graph: tf.compat.v1.GraphDef) -> tf.Graph:
  """Returns the graph as an object."""
  result = tf.Graph()
  with result.as_default():
    tf.import_graph_def(graph, name='')
  return result


def _returns_its_input(node) -> bool:
  return node.op == 'Identity' and len(node.input) == 1


def _content(node) -> bytes:
  return node.attr['value'].tensor.SerializeToString(deterministic=True)


def _rename_inputs(graph: tf.compat.v1.GraphDef, instead: dict[str, str]) -> None:
  """Has nodes take other inputs.

  Args:
    graph: changed.
    instead: of a node or its first output the name of a node or output to be taken.
  """
  for node in graph.node:
    for number, name in enumerate(node.input):
      node.input[number] = _resolved(name, instead)


def _resolved(name: str, instead: dict[str, str]) -> str:
  """Returns what takes the place of an input: 'node', 'node:1', or '^node', which only waits."""
  waits = name.startswith('^')
  node, _, output = name.lstrip('^').partition(':')
  while node in instead:
    node, _, other = instead[node].partition(':')
    output = other or output
  if waits:
    return f'^{node}'
  return f'{node}:{output}' if output else node
