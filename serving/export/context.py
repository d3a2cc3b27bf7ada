"""The graphs of exports: written in operations that other runtimes have, and frozen."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

from tf_maskformer.ops import lowering
from tf_maskformer.ops import points as point_ops

GRID_SAMPLE = 'EagerPyFunc'  # the operation that stands where GridSample is wanted


class Frozen(NamedTuple):
  """A graph whose weights are constants.

  Attributes:
    function: the concrete function; takes and returns tensors as before.
    input: name of its one input's tensor, e.g. 'image:0'.
    outputs: names of its outputs' tensors by the outputs' own names.
  """
  function: Any
  input: str
  outputs: dict[str, str]

  @property
  def name(self) -> str:
    """The name of the input."""
    return self.input.partition(':')[0]

  @property
  def ends(self) -> set[str]:
    """The names of the input's and outputs' operations."""
    return {name.partition(':')[0] for name in (self.input, *self.outputs.values())}


def grid_sample(maps: tf.Tensor, grid: tf.Tensor) -> tf.Tensor:
  """ONNX's GridSample (bilinear, zeros outside, align_corners 0) as one operation of the graph.

  TensorFlow has none; a call of Python takes its place, which computes the same and which the
  conversion to ONNX replaces. A graph with it is of no use elsewhere.

  Args:
    maps: float32 [n, channels, height, width].
    grid: float32 [n, rows, columns, 2], (x, y), -1 .. 1 from border to border of a map.

  Returns:
    float32 [n, channels, rows, columns].
  """
  result = tf.py_function(_interpolate, [maps, grid], tf.float32)
  result.set_shape([maps.shape[0], maps.shape[1], grid.shape[1], grid.shape[2]])
  return result


def _interpolate(maps: tf.Tensor, grid: tf.Tensor) -> tf.Tensor:
  """Computes `grid_sample` of eager tensors."""
  n, channels, height, width = maps.shape
  _, rows, columns, _ = grid.shape
  flat = tf.reshape(maps, [n, channels, height * width])
  places = tf.reshape((grid + 1) / 2, [n, rows * columns, 2])
  samples = tf.zeros([n, channels, rows * columns])
  for index, share in point_ops.corners(places, height, width):
    samples += tf.gather(flat, index, axis=2, batch_dims=1) * share[:, None]
  return tf.reshape(samples, [n, channels, rows, columns])


PORTABLE = lowering.Lowering(portable=True)
WITH_GRID_SAMPLE = lowering.Lowering(portable=True, grid_sample=grid_sample)


def freeze(run: Callable[[tf.Tensor], Mapping[str, tf.Tensor]], spec: tf.TensorSpec,
           chosen: lowering.Lowering = PORTABLE) -> Frozen:
  """Traces a function of one tensor and makes its variables constants.

  Args:
    run: the function; returns tensors by name.
    spec: of its argument, with a name.
    chosen: how the graph is written.

  Raises:
    ValueError: the graph holds tensors that were made outside of it, which other formats would take
      for inputs.
  """
  function = tf.function(run, input_signature=[spec], autograph=False)
  with lowering.use(chosen):
    concrete = function.get_concrete_function()
  captured = [t for t in concrete.captured_inputs if t.dtype != tf.resource]
  if captured:
    raise ValueError(
        f'the graph captures {len(captured)} tensors, the first of shape {captured[0].shape}; make '
        'them inside of it')
  names = sorted(concrete.structured_outputs)  # as the outputs are flattened
  frozen = convert_to_constants.convert_variables_to_constants_v2(
      concrete, lower_control_flow=False, aggressive_inlining=True)
  given, = frozen.inputs
  return Frozen(frozen, given.name, dict(zip(names, (t.name for t in frozen.outputs))))
