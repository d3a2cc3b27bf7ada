"""OpenVINO's intermediate representation: the complete road of one image as one graph."""

import collections
import os
import pathlib

import openvino
import tensorflow as tf

from tf_maskformer.errors import UserError
from tf_maskformer.serving.export import calibration
from tf_maskformer.serving.export import context
from tf_maskformer.serving.export import reader
from tf_maskformer.serving.export import small_graph
from tf_maskformer.serving.export.plan import Plan
from tf_maskformer.serving.export.road import INPUT
from tf_maskformer.serving.export.road import Road


def write(road: Road, plan: Plan, folder: str | os.PathLike) -> None:
  """Writes `model.xml` and `model.bin`, and the reader that runs them without TensorFlow.

  The input is image uint8 [height, width, 3], of any size unless the plan fixes it; the outputs are
  those of `Road.whole`. Weights are float32, float16 where that is the precision, or int8; the
  arithmetic is float32 whatever they are, but for bfloat16, which the reader asks the runtime for.

  Args:
    road: of the model.
    plan: of the export.
    folder: exists; filled.

  Raises:
    UserError: the graph has operations unknown to OpenVINO, or calibration images cannot be
      used.
  """
  images = calibration.images_in(plan.calibration) if plan.needs_calibration else []
  height, width = road.input_size or (None, None)
  spec = tf.TensorSpec([height, width, 3], tf.uint8, INPUT)
  frozen = context.freeze(road.whole, spec)
  model = convert_frozen(frozen, road.outputs)
  if images:
    model = calibration.quantize(model, road, images)
  openvino.save_model(
      model, pathlib.Path(folder) / reader.OPENVINO_FILE,
      compress_to_fp16=plan.precision == 'float16')
  reader.put_into(folder)


def convert_frozen(frozen: context.Frozen, outputs: tuple[str, ...]) -> openvino.Model:
  """Returns the OpenVINO model of a frozen graph.

  Args:
    frozen: the graph, written without `grid_sample`.
    outputs: names, in the order of the model's outputs.

  Raises:
    UserError: operations are unknown to OpenVINO.
  """
  small, names = small_graph.with_short_names(
      small_graph.merged(frozen.function.graph, frozen.ends), frozen.ends)
  try:
    model = openvino.convert_model(small_graph.imported(small))
  except Exception as e:  # pylint: disable=broad-except
    raise UserError(f'OpenVINO could not convert the model: {_reason(e)}') from e
  for op in model.get_ops():
    short, *rest = op.get_friendly_name().split('/', 1)
    op.set_friendly_name('/'.join([names.get(short, short), *rest]))
  found = {}
  for output in model.outputs:
    for name in output.get_names():
      found[name] = output
  for name in outputs:
    found[frozen.outputs[name]].get_tensor().set_names({name})
  model.inputs[0].get_tensor().set_names({frozen.name})
  ordered = [found[frozen.outputs[name]] for name in outputs]
  return openvino.Model([o.get_node() for o in ordered], model.get_parameters(), 'tf_maskformer')


def _reason(error: Exception) -> str:
  """Returns the line of OpenVINO's message that says what is wrong."""
  lines = [line.strip() for line in str(error).splitlines() if line.strip()]
  telling = [line for line in lines if 'upported' in line or 'No translator' in line]
  return ' '.join((telling or lines or [type(error).__name__])[-1:])


def operations(folder: str | os.PathLike) -> list[str]:
  """Returns the types of an exported model's operations, sorted."""
  return sorted(operators(openvino.Core().read_model(pathlib.Path(folder) / reader.OPENVINO_FILE)))


def operators(model: openvino.Model) -> collections.Counter:
  """Returns how often each type of operator occurs."""
  return collections.Counter(operation.get_type_name() for operation in model.get_ops())


class Runtime(reader.OpenvinoModel):
  """An OpenVINO model that answers images one by one, on the CPU."""
