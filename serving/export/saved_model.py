"""SavedModel: the complete road for images of any size, with the signatures that servers call."""

import json
import os
import pathlib
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tf_maskformer.errors import UserError
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes
from tf_maskformer.ops import lowering
from tf_maskformer.serving.export import metadata
from tf_maskformer.serving.export.plan import Plan
from tf_maskformer.serving.export.road import ANSWERS
from tf_maskformer.serving.export.road import INPUT
from tf_maskformer.serving.export.road import LOGITS
from tf_maskformer.serving.export.road import Road
from tf_maskformer.serving.export.road import Thresholds

DEFAULT = 'serving_default'
ENCODED = 'encoded'
WITH_THRESHOLDS = 'with_thresholds'
RAW = 'raw'
ENCODED_INPUT = 'image_bytes'
GRAPH = 'saved_model.pb'
CLASSES = 'classes.json'  # in assets/

# What a server's binary may not have, or runs Python: every other operation of TensorFlow's own
# set is in each of them.
_FORBIDDEN = ('PyFunc', 'PyFuncStateless', 'EagerPyFunc', 'XlaLaunch', 'XlaLaunchV2', '_XlaRun')
_COMPILED = '_XlaMustCompile'  # the attribute of functions that only XLA can run
_SHAPES = {  # of one image's answers; None: known only when it is answered
    'id_map': ([None, None], tf.int32), 'labels': ([None, None], tf.int32),
    'classes': ([None], tf.int32), 'scores': ([None], tf.float32), 'count': ([], tf.int32),
    'masks': ([None, None, None], tf.uint8),
}


class _Module(tf.Module):
  """What is saved: the weights and the functions.

  It does not hold the Keras model, of which every layer would be saved as Keras' own format, too.
  """

  def __init__(self, road: Road, classes: str):
    super().__init__()
    self.weights = list(road.loaded.model.weights)
    self.classes = tf.saved_model.Asset(classes)


def write(road: Road, plan: Plan, folder: str | os.PathLike) -> None:
  """Writes the SavedModel.

  Signatures, all of which answer as `Road.answer` says:
    serving_default: image uint8 [n, H, W, 3], images of one size; answers have the axis n, too.
    with_thresholds: the same with object_mask_threshold and overlap_threshold, float32 []; a server
      takes those of the experiment where a request leaves them out. Panoptic only.
    encoded: image_bytes, string []: one JPEG, PNG, GIF or BMP file, of a fixed size if the input
      is; answers have no axis n.
    raw: image as above; class_logits, mask_logits, and padded_size and image_size int32 [2].

  Args:
    road: of the model.
    plan: of the export.
    folder: exists; filled.

  Raises:
    UserError: the graph has operations that a server cannot run.
  """
  del plan
  folder = pathlib.Path(folder)
  listed = folder / CLASSES
  listed.write_text(json.dumps(metadata.classes_of(road.loaded.data_set), indent=1))
  module = _Module(road, str(listed))
  options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
  with lowering.use(lowering.Lowering(portable=True)):
    tf.saved_model.save(module, str(folder), signatures=_signatures(road), options=options)
  listed.unlink()  # its copy is in assets/
  forbidden = sorted(set(operations(folder)) & set(_FORBIDDEN))
  if forbidden:
    raise UserError(
        f'the SavedModel has operations that servers do not have: {", ".join(forbidden)}')


def _signatures(road: Road) -> dict[str, Callable]:
  """Returns the functions by the name of their signature; they share one network."""
  height, width = road.input_size or (None, None)
  images = tf.TensorSpec([None, height, width, 3], tf.uint8, INPUT)
  number = tf.TensorSpec([], tf.float32)

  def function(*specs):
    return lambda f: tf.function(f, input_signature=specs, autograph=False)

  @function(images)
  def network(image):
    return _run(road, image)

  @function(images)
  def raw(image):
    logits, sizes = network(image)
    return {**logits, 'padded_size': sizes.padded, 'image_size': sizes.image}

  if road.task == 'raw':
    return {DEFAULT: raw, RAW: raw}

  def answer(image, thresholds):
    return _answers(road, *network(image), thresholds)

  @function(images)
  def serving_default(image):
    return answer(image, road.thresholds)

  @function(tf.TensorSpec([], tf.string, ENCODED_INPUT))
  def encoded(image_bytes):
    image = tf.ensure_shape(_decode(image_bytes), [height, width, 3])
    found = answer(image[None], road.thresholds)
    return {name: value[0] for name, value in found.items()}

  signatures = {DEFAULT: serving_default, ENCODED: encoded, RAW: raw}
  if road.task != 'panoptic':
    return signatures
  # Tensors, which the file notes as the values of inputs that a request leaves out.
  object_mask = tf.constant(road.thresholds.object_mask, tf.float32)
  overlap = tf.constant(road.thresholds.overlap, tf.float32)

  @function(images, number, number)
  def with_thresholds(image, object_mask_threshold=object_mask, overlap_threshold=overlap):
    return answer(image, Thresholds(object_mask_threshold, overlap_threshold))

  return {**signatures, WITH_THRESHOLDS: with_thresholds}


def _decode(image_bytes: tf.Tensor) -> tf.Tensor:
  """Returns a file's image, uint8 [H, W, 3]; of an animation the first frame."""
  return tf.io.decode_image(image_bytes, channels=3, expand_animations=False)


def _run(road: Road, images: tf.Tensor) -> tuple[dict[str, tf.Tensor], Sizes]:
  """Returns the logits of uint8 images [n, H, W, 3], [n, ...] each, and their sizes."""
  resized = images
  if road.short_edge:
    resized = tf.map_fn(
        road.resize, images, fn_output_signature=tf.TensorSpec([None, None, 3], tf.uint8))
  padded = road.normalize(resized)
  return road.batch_logits(padded), road.sizes(padded, resized, images)


def _answers(road: Road, logits: Mapping[str, tf.Tensor], sizes: Sizes, thresholds: Thresholds
             ) -> dict[str, tf.Tensor]:
  """Returns the answers to the logits of images of one size, [n, ...] each."""
  specs = {name: tf.TensorSpec(*_SHAPES[name]) for name in ANSWERS[road.task]}
  return tf.map_fn(
      lambda one: road.answer(one, sizes, thresholds), logits, fn_output_signature=specs)


def operations(folder: str | os.PathLike) -> list[str]:
  """Returns the types of the operations of a SavedModel, sorted; with what only XLA can run."""
  graph = saved_model_pb2.SavedModel.FromString((pathlib.Path(folder) / GRAPH).read_bytes())
  found = set()
  for meta in graph.meta_graphs:
    found |= {node.op for node in meta.graph_def.node}
    own = {function.signature.name for function in meta.graph_def.library.function}
    for function in meta.graph_def.library.function:
      found |= {node.op for node in function.node_def}
      if function.attr[_COMPILED].b:
        found.add('XlaLaunch')
    found -= own
  return sorted(found)


class Runtime:
  """A SavedModel that answers images one by one."""

  def __init__(self, folder: str | os.PathLike):
    self._loaded = tf.saved_model.load(str(folder))  # holds the weights
    self._answer = self._loaded.signatures[DEFAULT]
    self._raw = self._loaded.signatures[RAW]

  def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the answer of uint8 [H, W, 3]."""
    return _first(self._answer(**{INPUT: tf.constant(image[None])}))

  def logits(self, image: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the logits of uint8 [H, W, 3]."""
    found = _first(self._raw(**{INPUT: tf.constant(image[None])}))
    return {name: found[name] for name in LOGITS if name in found}


def _first(outputs: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
  """Returns the outputs of the only image of a batch."""
  sizes = ANSWERS['raw']
  return {name: value.numpy() if name in sizes else value[0].numpy()
          for name, value in outputs.items()}
