"""Classes of pixels by few columns and a bound, against all columns."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling.postprocessing.graph import twins_test as twins
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.modeling.postprocessing import semantic as numpy_semantic
from tf_maskformer.modeling.postprocessing import sizes as numpy_sizes
from tf_maskformer.modeling.postprocessing.graph import resize
from tf_maskformer.modeling.postprocessing.graph import semantic
from tf_maskformer.modeling.postprocessing.graph.answers import answers
from tf_maskformer.modeling.postprocessing.graph.likely import LikelyClasses

CLASSES = 50
QUERIES = 30


def few_objects(seed, size=(64, 96), classes=CLASSES):
  """Logits of 6 confident queries and 24 whose class nobody knows, masks everywhere uncertain."""
  rng = np.random.default_rng(seed)
  class_logits = rng.normal(0, 0.5, [QUERIES, classes + 1]).astype(np.float32)
  class_logits[6:, -1] += 4
  class_logits[np.arange(6), rng.integers(0, classes, 6)] += 9
  masks = rng.normal(-2, 2, [QUERIES, size[0] // 4, size[1] // 4]).astype(np.float32)
  masks[:6, :, :size[1] // 8] += 6
  return class_logits, masks


def labels_by_likely(classes, masks):
  """By `LikelyClasses`: the labels, and at how many pixels all classes were compared."""
  asked = []
  def masks_at(places):
    asked.append(len(places))
    return semantic.masks_at(masks, places)
  likely = LikelyClasses(tf.constant(classes))
  labels = likely.labels(lambda columns: semantic.combine(columns, masks), masks_at)
  return labels.numpy(), asked


@pytest.mark.parametrize('seed', range(3))
def test_labels(seed):
  class_logits, mask_logits = few_objects(seed)
  classes = semantic.class_probabilities(class_logits).numpy()
  masks = tf.sigmoid(resize.rows_first(mask_logits))
  wanted = np.einsum('qc,hqw->hwc', classes, masks.numpy(), dtype=np.float64).argmax(axis=2)
  found, asked = labels_by_likely(classes, masks)
  np.testing.assert_array_equal(found, wanted)
  assert 0 < asked[0] < 0.8 * wanted.size  # some of all, some of few


def test_many_unlikely_ones_are_more_than_a_likely_one():
  classes = np.full([QUERIES, CLASSES], 0.001, np.float32)
  classes[0, 3] = 0.9
  classes[1:, 7] = 0.04
  masks = tf.constant(np.ones([2, QUERIES, 4]), tf.float32)
  found, asked = labels_by_likely(classes, masks)
  np.testing.assert_array_equal(found, np.full([2, 4], 7))
  assert asked == [8]


def test_no_class_is_likely():
  classes = np.random.default_rng(0).uniform(0, 0.04, [QUERIES, CLASSES]).astype(np.float32)
  masks = np.random.default_rng(1).uniform(size=[3, QUERIES, 5]).astype(np.float32)
  found, asked = labels_by_likely(classes, tf.constant(masks))
  np.testing.assert_array_equal(found, np.einsum('qc,hqw->hwc', classes, masks).argmax(axis=2))
  assert asked == [15]


def test_most_classes_are_likely():
  classes = np.random.default_rng(0).uniform(size=[QUERIES, CLASSES]).astype(np.float32)
  masks = np.random.default_rng(1).uniform(size=[3, QUERIES, 5]).astype(np.float32)
  found, asked = labels_by_likely(classes, tf.constant(masks))
  np.testing.assert_array_equal(found, np.einsum('qc,hqw->hwc', classes, masks).argmax(axis=2))
  assert not asked  # all classes were compared at once


def test_of_equal_scores_the_first_class_is_taken():
  classes = np.zeros([2, CLASSES], np.float32)
  classes[:, [11, 4, 30]] = 0.3
  found, _ = labels_by_likely(classes, tf.ones([1, 2, 3]))
  np.testing.assert_array_equal(found, [[4, 4, 4]])


@pytest.mark.parametrize('sizes', twins.SIZES)
@pytest.mark.parametrize('panoptic', [False, True])
def test_image(sizes, panoptic):
  class_logits, mask_logits = few_objects(5, sizes[0])
  scores = numpy_semantic.semantic(
      class_logits, mask_logits, numpy_sizes.Sizes(*sizes), resize_first=panoptic)
  in_graph = functools.partial(
      answers, Evaluation(panoptic=panoptic, semantic=True), np.ones(CLASSES, bool))
  found = tf.function(in_graph, autograph=False)(
      tf.constant(class_logits), tf.constant(mask_logits), twins.tensors(sizes))
  found_scores = np.take_along_axis(scores, found['labels'].numpy()[None], axis=0)[0]
  # Sums in another order may decide otherwise between two that are equal but for rounding.
  np.testing.assert_allclose(found_scores, scores.max(axis=0), rtol=1e-6)


@pytest.mark.parametrize('sizes', twins.SIZES)
def test_interpolate_at(sizes):
  masks = tf.random.stateless_uniform([*sizes[1], 7], [0, 1])
  rows, columns = (
      resize.taps(tf.constant(sizes[1][k]), tf.constant(sizes[2][k])) for k in range(2))
  complete = semantic.interpolate(masks, rows, columns)
  places = tf.where(tf.random.stateless_uniform(complete.shape[:2], [2, 3]) < 0.3)
  found = semantic.interpolate_at(masks, rows, columns, places)
  np.testing.assert_allclose(found, tf.gather_nd(complete, places), rtol=1e-6, atol=1e-7)
