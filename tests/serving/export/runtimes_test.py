"""The answers' graphs in each runtime against NumPy: noise, ties, nothing kept, odd sizes."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.dataloaders import augment
from tf_maskformer.modeling.postprocessing.graph import fixed
from tf_maskformer.modeling.postprocessing.graph import instance
from tf_maskformer.modeling.postprocessing.graph import panoptic
from tf_maskformer.modeling.postprocessing.graph import semantic
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes
from tf_maskformer.modeling.postprocessing.instance import instances as of_numpy_instances
from tf_maskformer.modeling.postprocessing.panoptic import panoptic as of_numpy_panoptic
from tf_maskformer.modeling.postprocessing.semantic import per_pixel_labels
from tf_maskformer.modeling.postprocessing.semantic import semantic_labels
from tf_maskformer.modeling.postprocessing.sizes import Sizes as NumpySizes
from tf_maskformer.ops import antialias
from tf_maskformer.ops import image as image_ops
from tf_maskformer.serving.export import context
from tf_maskformer.serving.export import lite
from tf_maskformer.serving.export import onnx_graph
from tf_maskformer.serving.export import openvino_ir

QUERIES, CLASSES = 9, 5
IS_THING = np.array([True, False, True, False, True])
# (padded, image, original); where only one size is possible, the last is the image's.
SIZES = [
    ((32, 64), (30, 53), (30, 53)), ((64, 32), (49, 31), (97, 61)), ((32, 32), (32, 29), (17, 15))]
THRESHOLDS = (0.3, 0.6)


def logits(kind, padded):
  rng = np.random.default_rng(3)
  classes = 3 * rng.normal(size=[QUERIES, CLASSES + 1]).astype(np.float32)
  masks = 2 * rng.normal(size=[QUERIES, padded[0] // 4, padded[1] // 4]).astype(np.float32)
  if kind == 'smooth':
    masks = np.cumsum(np.cumsum(masks, axis=1), axis=2) / 8
  if kind == 'ties':  # pairs of queries with one mask and one score, but another class
    masks[1::2] = masks[:-1:2]
    classes[:] = -4
    classes[np.arange(QUERIES), np.arange(QUERIES) % CLASSES] = 2
  if kind == 'equal scores':
    classes[1::2] = classes[:-1:2]
  if kind == 'nothing':
    classes[:, -1] = 20
  if kind == 'empty masks':
    masks[:] = -200
  return classes, masks


def in_onnx(frozen, outputs):
  import onnxruntime
  model = onnx_graph.convert_frozen(frozen, outputs)
  session = onnxruntime.InferenceSession(model.SerializeToString())
  return lambda x: dict(zip(outputs, session.run(list(outputs), {'given': x})))


def in_openvino(frozen, outputs):
  import openvino
  compiled = openvino.Core().compile_model(
      openvino_ir.convert_frozen(frozen, outputs), 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
  def run(x):
    found = compiled({'given': x})
    return {name: np.array(found[name]) for name in outputs}
  return run


def in_lite(frozen, outputs):
  from ai_edge_litert import interpreter as litert
  data = lite.convert(frozen, 'float32')
  assert not [name for name in lite.operators(data) if name.startswith('Flex')]
  runner = litert.Interpreter(model_content=data).get_signature_runner('serving_default')
  return lambda x: runner(given=x)


RUNTIMES = {'onnx': in_onnx, 'openvino': in_openvino, 'lite': in_lite}


def built(runtime, sizes, of_any, of_fixed, shape):
  """Converts an answer of mask logits and returns what runs it."""
  padded, image, original = sizes
  def run(masks):
    if runtime == 'lite':
      return of_fixed(masks, padded, image)
    return of_any(masks, Sizes(*map(tf.constant, (padded, image, original))))
  shape = shape if runtime == 'lite' else [shape[0], None, None]
  spec = tf.TensorSpec(shape, tf.float32, 'given')
  frozen = context.freeze(run, spec)
  return RUNTIMES[runtime](frozen, tuple(frozen.outputs))


def sizes_for(runtime):
  return [(p, i, i if runtime == 'lite' else o) for p, i, o in SIZES]


@pytest.mark.parametrize('runtime', RUNTIMES)
@pytest.mark.parametrize('confident_only', [False, True])
@pytest.mark.parametrize('kind', ['noise', 'smooth', 'ties', 'nothing', 'empty masks'])
def test_panoptic(runtime, confident_only, kind):
  for sizes in sizes_for(runtime)[:3 if kind == 'smooth' and confident_only else 1]:
    check_panoptic(runtime, confident_only, kind, sizes)


def check_panoptic(runtime, confident_only, kind, sizes):
  """Compares one answer with NumPy's."""
  classes, masks = logits(kind, sizes[0])
  def of_any(masks, sizes):
    return panoptic.panoptic(
        tf.constant(classes), masks, sizes, IS_THING, *THRESHOLDS, confident_only)._asdict()
  def of_fixed(masks, padded, image):
    return fixed.panoptic(tf.constant(classes), masks, padded, image, IS_THING, *THRESHOLDS,
                          confident_only)._asdict()
  found = built(runtime, sizes, of_any, of_fixed, masks.shape)(masks)
  id_map, segments = of_numpy_panoptic(
      classes, masks, NumpySizes(*sizes), set(np.flatnonzero(IS_THING)), *THRESHOLDS,
      confident_only)
  assert found['count'] == len(segments)
  assert (found['id_map'] != id_map).mean() <= 0.002
  np.testing.assert_array_equal(
      found['classes'][:len(segments)], [row['category_id'] for row in segments])
  np.testing.assert_allclose(
      found['scores'][:len(segments)], [row['score'] for row in segments], rtol=1e-5)
  assert not found['classes'][len(segments):].any() and not found['scores'][len(segments):].any()
  if kind == 'nothing':
    assert not id_map.any()


@pytest.mark.parametrize('runtime', RUNTIMES)
@pytest.mark.parametrize('is_per_pixel', [False, True])
def test_semantic(runtime, is_per_pixel):
  for sizes in sizes_for(runtime)[1:]:
    check_semantic(runtime, is_per_pixel, sizes)


def check_semantic(runtime, is_per_pixel, sizes):
  """Compares one answer with NumPy's."""
  classes, masks = logits('smooth', sizes[0])
  def of_any(masks, sizes):
    return {'labels': semantic.labels(
        None if is_per_pixel else tf.constant(classes), masks, sizes, resize_first=False)}
  def of_fixed(masks, padded, image):
    return {'labels': fixed.labels(
        None if is_per_pixel else tf.constant(classes), masks, padded, image)}
  found = built(runtime, sizes, of_any, of_fixed, masks.shape)(masks)['labels']
  sizes = NumpySizes(*sizes)
  wanted = (per_pixel_labels(masks, sizes) if is_per_pixel else
            semantic_labels(classes, masks, sizes, resize_first=False))
  assert found.shape == wanted.shape
  assert (found != wanted).mean() <= 0.002


@pytest.mark.parametrize('runtime', RUNTIMES)
@pytest.mark.parametrize('kind', ['smooth', 'equal scores', 'empty masks'])
def test_instances(runtime, kind):
  sizes = sizes_for(runtime)[1]
  classes, masks = logits(kind, sizes[0])
  def of_any(masks, sizes):
    found = instance.instances(tf.constant(classes), masks, sizes, 8)
    return {'classes': found.classes, 'scores': found.scores,
            'masks': tf.gather(tf.cast(found.masks, tf.uint8), found.rows)}
  def of_fixed(masks, padded, image):
    found = fixed.instances(tf.constant(classes), masks, padded, image, 8)
    return dict(zip(('classes', 'scores', 'masks'), (*found[:2], tf.cast(found[2], tf.uint8))))
  found = built(runtime, sizes, of_any, of_fixed, masks.shape)(masks)
  wanted = of_numpy_instances(classes, masks, NumpySizes(*sizes), 8)
  np.testing.assert_array_equal(found['classes'], [row['category_id'] for row in wanted])
  np.testing.assert_allclose(found['scores'], [row['score'] for row in wanted], rtol=1e-4)
  assert (found['masks'] != np.stack([row['mask'] for row in wanted])).mean() <= 0.002


@pytest.mark.parametrize('runtime', ['onnx', 'openvino'])
def test_resized_normalized_and_padded(runtime):
  """The size is computed in the graph: small and large, wide and tall images, and at the limit."""
  def run(image):
    size = augment.shortest_edge_size(tf.shape(image)[:2], tf.constant(48), 96)
    resized = antialias.resize(image, (size[0], size[1]))
    normalized = image_ops.normalize(resized[None], size[None])
    return {'size': size, 'padded': image_ops.pad_to_multiple(normalized, 32)}
  spec = tf.TensorSpec([None, None, 3], tf.uint8, 'given')
  converted = RUNTIMES[runtime](context.freeze(run, spec), ('size', 'padded'))
  for size in ((124, 128), (48, 48), (43, 96), (25, 33), (67, 53), (96, 31), (300, 70)):
    image = np.random.default_rng(0).integers(0, 256, [*size, 3], np.uint8)
    found = converted(image)
    wanted = run(tf.constant(image))
    np.testing.assert_array_equal(found['size'], wanted['size'])
    assert found['padded'].shape == wanted['padded'].shape
    difference = np.abs(found['padded'] - wanted['padded'])
    assert difference.max() < 0.02 and (difference > 1e-5).mean() < 1e-3  # one gray level
