"""The answers of the graph against NumPy's, of noise and of images with objects."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.modeling.postprocessing import instance as numpy_instance
from tf_maskformer.modeling.postprocessing import panoptic as numpy_panoptic
from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing import resize as numpy_resize
from tf_maskformer.modeling.postprocessing import sizes as numpy_sizes
from tf_maskformer.modeling.postprocessing.graph import instance
from tf_maskformer.modeling.postprocessing.graph import panoptic
from tf_maskformer.modeling.postprocessing.graph import resize
from tf_maskformer.modeling.postprocessing.graph import semantic
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes

CLASSES = 6
THINGS = np.array([True, False, True, False, False, True])
SIZES = [
    ((64, 96), (64, 96), (64, 96)),
    ((64, 96), (61, 75), (40, 55)),
    ((96, 64), (95, 33), (131, 47)),
    ((32, 32), (32, 32), (1, 1)),
]


def tensors(sizes):
  return Sizes(*(tf.constant(side) for side in sizes))


def noise(seed, queries=9, size=(64, 96)):
  rng = np.random.default_rng(seed)
  classes = 3 * rng.normal(size=[queries, CLASSES + 1]).astype(np.float32)
  masks = 3 * rng.normal(size=[queries, size[0] // 4, size[1] // 4]).astype(np.float32)
  return classes, masks


def objects(seed, queries=12, size=(64, 96)):
  """Confident queries whose masks are rectangles that overlap, several of them of a class."""
  rng = np.random.default_rng(seed)
  classes = rng.normal(size=[queries, CLASSES + 1]).astype(np.float32)
  classes[np.arange(queries), rng.integers(0, CLASSES + 1, queries)] += 8
  height, width = size[0] // 4, size[1] // 4
  masks = rng.normal(-4, 1, [queries, height, width]).astype(np.float32)
  for mask in masks:
    top, left = rng.integers(0, height - 2), rng.integers(0, width - 2)
    mask[top:top + rng.integers(2, height), left:left + rng.integers(2, width)] += 9
  return classes, masks


@tf.function(autograph=False, reduce_retracing=True)
def run_panoptic(class_logits, mask_logits, sizes, object_threshold, overlap, confident_only):
  return panoptic.panoptic(
      class_logits, mask_logits, sizes, THINGS, object_threshold, overlap, confident_only)


@pytest.mark.parametrize('make', [noise, objects])
@pytest.mark.parametrize('sizes', SIZES)
@pytest.mark.parametrize('confident_only', [False, True])
@pytest.mark.parametrize('thresholds', [(0.8, 0.8), (0.3, 0.4), (0.0, 0.0)])
def test_panoptic(make, sizes, confident_only, thresholds):
  class_logits, mask_logits = make(0, size=sizes[0])
  wanted_map, wanted = numpy_panoptic.panoptic(
      class_logits, mask_logits, numpy_sizes.Sizes(*sizes), set(np.flatnonzero(THINGS)),
      *thresholds, confident_only)
  found = run_panoptic(class_logits, mask_logits, tensors(sizes), *thresholds, confident_only)
  np.testing.assert_array_equal(found.id_map, wanted_map)
  count = int(found.count)
  assert found.classes[:count].numpy().tolist() == [row['category_id'] for row in wanted]
  np.testing.assert_allclose(found.scores[:count], [row['score'] for row in wanted], rtol=1e-6)
  assert found.classes.shape == [len(class_logits)]
  assert not found.classes[count:].numpy().any()


def test_no_query_left_gives_void():
  class_logits = np.zeros([3, CLASSES + 1], np.float32)
  class_logits[:, -1] = 9
  at_size = tensors([(16, 16), (16, 16), (10, 12)])
  found = run_panoptic(class_logits, np.ones([3, 4, 4], np.float32), at_size, 0.5, 0.8, False)
  assert not found.id_map.numpy().any() and found.id_map.shape == [10, 12] and found.count == 0


def test_of_equal_masks_the_first_query_owns_the_pixels():
  class_logits = np.zeros([2, CLASSES + 1], np.float32)
  class_logits[:, 0] = 9
  found = run_panoptic(
      class_logits, np.ones([2, 4, 4], np.float32), tensors([(16, 16)] * 3), 0.5, 0.0, False)
  assert (found.id_map.numpy() == 1).all() and found.count == 1


@pytest.mark.parametrize('make', [noise, objects])
@pytest.mark.parametrize('sizes', SIZES)
@pytest.mark.parametrize('resize_first', [False, True])
@pytest.mark.parametrize('per_pixel', [False, True])
def test_semantic(make, sizes, resize_first, per_pixel):
  class_logits, mask_logits = make(1, size=sizes[0])
  output = {'mask_logits': mask_logits}
  if not per_pixel:
    output['class_logits'] = class_logits
  wanted = predictions.labels_of(output, numpy_sizes.Sizes(*sizes), resize_first)
  found = semantic.labels(output.get('class_logits'), mask_logits, tensors(sizes), resize_first)
  np.testing.assert_array_equal(found, wanted)
  assert found.dtype == tf.int32


@pytest.mark.parametrize('make', [noise, objects])
@pytest.mark.parametrize('sizes', SIZES)
@pytest.mark.parametrize('count', [5, 1000])
@pytest.mark.parametrize('things_only', [False, True])
def test_instances(make, sizes, count, things_only):
  class_logits, mask_logits = make(2, size=sizes[0])
  only = set(np.flatnonzero(THINGS)) if things_only else None
  wanted = numpy_instance.instances(
      class_logits, mask_logits, numpy_sizes.Sizes(*sizes), count, only)
  found = instance.instances(
      class_logits, mask_logits, tensors(sizes), count, THINGS if things_only else None)
  assert found.queries.numpy().tolist() == [row['query'] for row in wanted]
  assert found.classes.numpy().tolist() == [row['category_id'] for row in wanted]
  np.testing.assert_allclose(found.scores, [row['score'] for row in wanted], rtol=2e-6)
  masks = found.masks.numpy()[found.rows.numpy()]
  np.testing.assert_array_equal(masks, [row['mask'] for row in wanted])
  assert len(found.masks) == len({row['query'] for row in wanted})


@pytest.mark.parametrize('size, target', [(7, 28), (28, 7), (5, 5), (1, 9), (9, 1), (200, 481)])
def test_interpolation(size, target):
  np.testing.assert_array_equal(
      resize.interpolation(tf.constant(size), tf.constant(target)),
      numpy_resize.interpolation(size, target))
