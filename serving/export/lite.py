"""LiteRT (TensorFlow Lite): the road of one image at a fixed size, of built-in operators alone."""

import collections
import os
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from ai_edge_litert import interpreter as litert

from tf_maskformer import files
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.postprocessing.graph import fixed
from tf_maskformer.serving.export import context
from tf_maskformer.serving.export.plan import Plan
from tf_maskformer.serving.export.road import ANSWERS
from tf_maskformer.serving.export.road import INPUT
from tf_maskformer.serving.export.road import LOGITS
from tf_maskformer.serving.export.road import Road

FILE = 'model.tflite'
SIGNATURE = 'serving_default'
_FOREIGN = ('Flex', 'CUSTOM')  # starts of names of operators outside of LiteRT


def write(road: Road, plan: Plan, folder: str | os.PathLike) -> None:
  """Writes `model.tflite`.

  The input is image uint8 [1, *input_size, 3]; the outputs are those of `Road.whole`, by name in
  the signature 'serving_default'. Float16 and int8 are the precision of the weights; what is
  computed stays float32, but for the products of int8 weights.

  Args:
    road: of the model, at a fixed size.
    plan: of the export.
    folder: exists; filled.

  Raises:
    UserError: the graph has operations that LiteRT does not have, or its size is not fixed.
  """
  if road.input_size is None:
    raise UserError('LiteRT needs a fixed input size; give --input_size HEIGHTxWIDTH')
  height, width = road.input_size
  spec = tf.TensorSpec([1, height, width, 3], tf.uint8, INPUT)
  frozen = context.freeze(lambda image: whole(road, image), spec)
  data = convert(frozen, plan.precision)
  foreign = sorted(name for name in operators(data) if name.startswith(_FOREIGN))
  if foreign:
    raise UserError(f'the model has operations that LiteRT does not have: {", ".join(foreign)}')
  files.write_bytes(pathlib.Path(folder) / FILE, data)


def whole(road: Road, image: tf.Tensor) -> dict[str, tf.Tensor]:
  """Returns `Road.whole` of uint8 [1, H, W, 3] with static shapes only."""
  padded = road.normalize(image)
  logits = road.logits(padded)
  return {**_answer(road, logits, tuple(padded.shape[1:3]), tuple(image.shape[1:3])), **logits}


def _answer(road: Road, logits: dict[str, tf.Tensor], padded: fixed.Size, image: fixed.Size
            ) -> dict[str, tf.Tensor]:
  """Returns what `Road.answer` does."""
  evaluation = road.loaded.experiment.task.evaluation
  classes = logits.get('class_logits')
  masks = logits['mask_logits']
  values: tuple
  if road.task == 'panoptic':
    is_thing = np.array([c.isthing for c in road.loaded.data_set.classes])
    values = fixed.panoptic(
        classes, masks, padded, image, is_thing, road.thresholds.object_mask,
        road.thresholds.overlap, evaluation.confident_pixels_only)
  elif road.task == 'semantic':
    values = (fixed.labels(classes, masks, padded, image),)
  elif road.task == 'instance':
    found, scores, inside = fixed.instances(
        classes, masks, padded, image, evaluation.instances_per_image)
    values = (found, scores, tf.cast(inside, tf.uint8))
  else:
    values = (tf.constant(padded), tf.constant(image))
  return dict(zip(ANSWERS[road.task], values))


def convert(frozen: context.Frozen, precision: str) -> bytes:
  """Returns the file of a frozen graph of static shapes.

  Args:
    frozen: the graph.
    precision: 'float32', or of the weights: 'float16' or 'int8'.

  Raises:
    UserError: the converter refuses.
  """
  given = frozen.function.inputs[0]
  module = tf.Module()
  module.run = tf.function(
      lambda tensor: dict(zip(frozen.outputs, frozen.function(tensor))), autograph=False,
      input_signature=[tf.TensorSpec(given.shape, given.dtype, frozen.name)])
  with tempfile.TemporaryDirectory() as folder:
    # Only of a SavedModel does the converter name inputs and outputs.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, folder, signatures={SIGNATURE: module.run}, options=options)
    return _converted(tf.lite.TFLiteConverter.from_saved_model(folder), precision)


def _converted(converter, precision: str) -> bytes:
  """Returns what a converter makes, see `convert`."""
  converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
  if precision != 'float32':
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
  if precision == 'float16':
    converter.target_spec.supported_types = [tf.float16]
  try:
    return converter.convert()
  except Exception as e:  # pylint: disable=broad-except
    lines = [line.strip() for line in str(e).splitlines() if line.strip()]
    raise UserError(
        f'LiteRT could not convert the model: {" ".join(lines[-2:]) or type(e).__name__}') from e


def operations(folder: str | os.PathLike) -> list[str]:
  """Returns the types of an exported model's operators, sorted."""
  return sorted(operators((pathlib.Path(folder) / FILE).read_bytes()))


def operators(data: bytes) -> collections.Counter:
  """Returns how often each type of operator occurs in a file."""
  with tempfile.NamedTemporaryFile(suffix='.tflite') as file:
    file.write(data)
    file.flush()
    model = litert.Interpreter(file.name, experimental_op_resolver_type=(
        litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES))
    # pylint: disable=protected-access
    return collections.Counter(row['op_name'] for row in model._get_ops_details())


class Runtime:
  """A LiteRT model that answers images of its size one by one, on all cores."""

  def __init__(self, folder: str | os.PathLike):
    path = os.fspath(pathlib.Path(folder) / FILE)
    try:
      self._interpreter = litert.Interpreter(path, num_threads=os.cpu_count())
      self._run = self._interpreter.get_signature_runner(SIGNATURE)
    except Exception as e:  # pylint: disable=broad-except
      raise UserError(f'{path} cannot be loaded ({e}); export the model again') from e

  def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the outputs by name of uint8 [*input_size, 3]."""
    return self._run(**{INPUT: image[None]})

  def logits(self, image: np.ndarray) -> dict[str, np.ndarray]:
    """Returns what the answer is made from."""
    return {name: value for name, value in self.run(image).items() if name in LOGITS}
