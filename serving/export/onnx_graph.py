"""ONNX: the complete road of one image as one graph of standard operators (opset 17)."""

import collections
import logging
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import onnx
import tensorflow as tf
from tf2onnx import convert

from tf_maskformer import files
from tf_maskformer.errors import UserError
from tf_maskformer.serving.export import context
from tf_maskformer.serving.export import reader
from tf_maskformer.serving.export import small_graph
from tf_maskformer.serving.export.plan import Plan
from tf_maskformer.serving.export.road import INPUT
from tf_maskformer.serving.export.road import Road

OPSET = 17
_SIDES = ('height', 'width')


def write(road: Road, plan: Plan, folder: str | os.PathLike) -> None:
  """Writes `model.onnx` and the reader that runs it without TensorFlow.

  The input is image uint8 [height, width, 3], of any size unless the plan fixes it; the outputs are
  those of `Road.whole`.

  Args:
    road: of the model.
    plan: of the export.
    folder: exists; filled.

  Raises:
    UserError: the graph has operations that ONNX does not have.
  """
  del plan
  height, width = road.input_size or (None, None)
  spec = tf.TensorSpec([height, width, 3], tf.uint8, INPUT)
  frozen = context.freeze(road.whole, spec, context.WITH_GRID_SAMPLE)
  model = convert_frozen(frozen, road.outputs)
  _name_sides(model, road.input_size)
  files.write_bytes(pathlib.Path(folder) / reader.ONNX_FILE, model.SerializeToString())
  reader.put_into(folder)


def convert_frozen(frozen: context.Frozen, outputs: tuple[str, ...]) -> onnx.ModelProto:
  """Returns the ONNX model of a frozen graph.

  Args:
    frozen: the graph, written with `grid_sample`.
    outputs: names, in the order of the model's outputs.

  Raises:
    UserError: operations are unknown to ONNX; tf2onnx itself would only say so on its log.
  """
  complaints = _Complaints()
  log = logging.getLogger('tf2onnx')
  log.addHandler(complaints)
  try:
    model, _ = convert.from_graph_def(
        small_graph.merged(frozen.function.graph, frozen.ends, add_shapes=True),
        name='tf_maskformer',
        input_names=[frozen.input], output_names=[frozen.outputs[name] for name in outputs],
        opset=OPSET, tensors_to_rename={
            frozen.input: frozen.name, **{tensor: name for name, tensor in frozen.outputs.items()}},
        custom_op_handlers={
            context.GRID_SAMPLE: (_as_grid_sample, []),
            'UnsortedSegmentSum': (_as_scatter, [])})
  finally:
    log.removeHandler(complaints)
  unknown = sorted(set(unknown_operators(model)))
  if unknown:
    raise UserError(f'the model has operations that ONNX does not have: {", ".join(unknown)}')
  if complaints.messages:
    raise UserError(f'tf2onnx could not convert the model: {complaints.messages[0]}')
  onnx.checker.check_model(model)
  return model


class _Complaints(logging.Handler):
  """Keeps the errors that tf2onnx logs and does not raise."""

  def __init__(self):
    super().__init__(logging.ERROR)
    self.messages: list[str] = []

  def emit(self, record: logging.LogRecord) -> None:
    self.messages.append(record.getMessage())


def _as_grid_sample(graph, node, name, args) -> None:
  """Makes the placeholder a GridSample."""
  del graph, name, args
  node.type = 'GridSample'
  node.domain = ''
  for attribute in list(node.attr):
    del node.attr[attribute]
  node.set_attr('mode', 'bilinear')
  node.set_attr('padding_mode', 'zeros')
  node.set_attr('align_corners', 0)


def _as_scatter(graph, node, name, args) -> None:
  """Sums of segments [n] as a ScatterElements that adds; tf2onnx's own way sorts all values."""
  del name, args
  values, places, count = node.input
  shape = graph.make_node('Unsqueeze', [
      graph.make_node('Cast', [count], attr={'to': onnx.TensorProto.INT64}).output[0],
      graph.make_const(f'{node.name}_axes', np.zeros([1], np.int64)).output[0]])
  kind = graph.get_dtype(values)
  zero = onnx.helper.make_tensor('value', kind, [1], [0])
  start = graph.make_node('ConstantOfShape', [shape.output[0]], attr={'value': zero})
  shapes = node.output_shapes
  outputs = list(node.output)
  graph.remove_node(node.name)
  graph.make_node(
      'ScatterElements', [start.output[0], places, values], name=node.name, outputs=outputs,
      shapes=shapes, dtypes=[kind], attr={'axis': 0, 'reduction': 'add'})


def operations(folder: str | os.PathLike) -> list[str]:
  """Returns the types of an exported model's operators, sorted."""
  return sorted(operators(onnx.load(pathlib.Path(folder) / reader.ONNX_FILE)))


def operators(model: onnx.ModelProto) -> collections.Counter:
  """Returns how often each type of operator occurs, those of branches and loops included."""
  return collections.Counter(node.op_type for node in _nodes(model.graph))


def unknown_operators(model: onnx.ModelProto) -> list[str]:
  """Returns the types of operators that are not in the ONNX standard at the model's opset."""
  versions = {entry.domain: entry.version for entry in model.opset_import}
  return [node.op_type for node in _nodes(model.graph)
          if node.domain not in ('', 'ai.onnx')
          or not onnx.defs.has(node.op_type, versions[''], node.domain)]


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
  for node in graph.node:
    yield node
    for attribute in node.attribute:
      for inner in (attribute.g, *attribute.graphs):
        yield from _nodes(inner)


def _name_sides(model: onnx.ModelProto, input_size: tuple[int, int] | None) -> None:
  """Names the free axes of the input, so that viewers show height and width."""
  if input_size:
    return
  given, = model.graph.input
  for side, dimension in zip(_SIDES, given.type.tensor_type.shape.dim):
    dimension.dim_param = side


class Runtime(reader.OnnxModel):
  """An ONNX model that answers images one by one, in onnxruntime."""
