"""Answers in bands of rows against those of the complete image."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling.postprocessing.graph import twins_test as twins
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.modeling.postprocessing import instance as numpy_instance
from tf_maskformer.modeling.postprocessing import panoptic as numpy_panoptic
from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing import sizes as numpy_sizes
from tf_maskformer.modeling.postprocessing.graph import bands
from tf_maskformer.modeling.postprocessing.graph.answers import answers

KINDS = [
    {'panoptic': True}, {'semantic': True}, {'instance': True},
    {'panoptic': True, 'semantic': True}, {'panoptic': True, 'instance': True},
    {'semantic': True, 'instance': True}, {'panoptic': True, 'semantic': True, 'instance': True},
]


def in_graph(evaluation, *arguments):
  return tf.function(functools.partial(answers, evaluation, twins.THINGS), autograph=False)(
      *arguments)


def numpys_answers(evaluation, class_logits, mask_logits, sizes):
  """The same by the functions of NumPy, where each resizes for itself."""
  sizes = numpy_sizes.Sizes(*sizes)
  things = set(np.flatnonzero(twins.THINGS))
  found = {}
  if evaluation.panoptic:
    id_map, segments = numpy_panoptic.panoptic(
        class_logits, mask_logits, sizes, things, evaluation.object_mask_threshold,
        evaluation.overlap_threshold, evaluation.confident_pixels_only)
    found['id_map'] = id_map
    found['classes'] = [row['category_id'] for row in segments]
  if evaluation.semantic:
    output = {'class_logits': class_logits, 'mask_logits': mask_logits}
    resize_first = evaluation.panoptic or evaluation.instance
    found['labels'] = predictions.labels_of(output, sizes, resize_first)
  if evaluation.instance:
    found['instances'] = numpy_instance.instances(
        class_logits, mask_logits, sizes, evaluation.instances_per_image,
        things if evaluation.panoptic else None)
  return found


@pytest.mark.parametrize('kinds', KINDS, ids='+'.join)
@pytest.mark.parametrize('elements', [1, 3000, 2**21])
@pytest.mark.parametrize('sizes', twins.SIZES)
def test_bands(monkeypatch, kinds, elements, sizes):
  monkeypatch.setattr(bands, 'ELEMENTS', elements)
  evaluation = Evaluation(
      **{'panoptic': False, **kinds}, instances_per_image=7, object_mask_threshold=0.3,
      overlap_threshold=0.4, confident_pixels_only=elements == 3000)
  class_logits, mask_logits = twins.objects(4, size=sizes[0])
  wanted = numpys_answers(evaluation, class_logits, mask_logits, sizes)
  found = in_graph(
      evaluation, tf.constant(class_logits), tf.constant(mask_logits), twins.tensors(sizes))
  for name in ('id_map', 'labels'):
    assert (name in found) == (name in wanted)
    if name in found:
      np.testing.assert_array_equal(found[name], wanted[name])
  if evaluation.panoptic:
    assert found['classes'][:int(found['count'])].numpy().tolist() == wanted['classes']
  if evaluation.instance:
    check_instances(found, wanted['instances'])


def check_instances(found, wanted):
  assert found['instance_queries'].numpy().tolist() == [row['query'] for row in wanted]
  assert found['instance_classes'].numpy().tolist() == [row['category_id'] for row in wanted]
  np.testing.assert_allclose(
      found['instance_scores'], [row['score'] for row in wanted], rtol=2e-6)
  masks = found['instance_masks'].numpy()[:, found['instance_rows'].numpy()]
  np.testing.assert_array_equal(masks.transpose(1, 2, 0), [row['mask'] for row in wanted])


@pytest.mark.parametrize('elements', [1, 500, 2**21])
@pytest.mark.parametrize('sizes', twins.SIZES)
def test_per_pixel(monkeypatch, elements, sizes):
  monkeypatch.setattr(bands, 'ELEMENTS', elements)
  _, logits = twins.noise(5, queries=twins.CLASSES, size=sizes[0])
  wanted = predictions.labels_of(
      {'mask_logits': logits}, numpy_sizes.Sizes(*sizes), resize_first=False)
  found = in_graph(
      Evaluation(panoptic=False, semantic=True), None, tf.constant(logits), twins.tensors(sizes))
  np.testing.assert_array_equal(found['labels'], wanted)


def test_nothing_kept():
  evaluation = Evaluation(panoptic=True, semantic=True, instance=True, object_mask_threshold=1.0)
  class_logits, mask_logits = twins.noise(6)
  found = in_graph(
      evaluation, tf.constant(class_logits), tf.constant(mask_logits),
      twins.tensors(twins.SIZES[1]))
  assert found['count'] == 0 and not found['id_map'].numpy().any()
