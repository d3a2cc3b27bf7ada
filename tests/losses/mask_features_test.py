"""Mask features per prediction: as features shared by all, and as a loop over the predictions."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.losses.point_set_loss import PointSetLoss
from tf_maskformer.losses.set_loss import SetLoss
from tf_maskformer.ops import masks as mask_ops

PREDICTIONS, QUERIES, SLOTS, CLASSES = 3, 5, 4, 6
WATCHED = ('class_logits', 'mask_embeddings', 'mask_features')


def draw(prediction, purpose, shape):
  """The same points in every prediction."""
  del prediction
  return tf.random.stateless_uniform([*shape, 2], [len(purpose), 0])


LOSSES = {
    'everywhere': lambda in_graph: SetLoss(Losses(), CLASSES, in_graph),
    'points': lambda in_graph: PointSetLoss(PointLosses(points=30), CLASSES, in_graph, draw),
}
CASES = [(name, in_graph) for name in LOSSES for in_graph in (False, True)]


def batch(feature_sets):
  """Outputs with features [*feature_sets, 2, h, w, channels], and targets of two images."""
  rng = np.random.default_rng(0)
  def normal(*shape):
    return tf.constant(rng.normal(size=shape).astype(np.float32))
  outputs = {
      'class_logits': normal(PREDICTIONS, 2, QUERIES, CLASSES + 1),
      'mask_embeddings': normal(PREDICTIONS, 2, QUERIES, 3),
      'mask_features': normal(*feature_sets, 2, 5, 7, 3),
  }
  targets = {
      'id_maps': tf.constant(rng.integers(0, SLOTS + 1, [2, 2, 20, 28]).astype(np.uint8)),
      'classes': tf.constant(rng.integers(0, CLASSES, [2, SLOTS]), tf.int32),
      'plane': tf.constant(rng.integers(0, 2, [2, SLOTS]), tf.int32),
      'valid': tf.constant([[True] * SLOTS, [True, True, False, False]]),
  }
  return outputs, targets


def losses_and_gradients(loss, outputs, targets):
  """Matches, terms and the gradients of the total by all that a model in training returns."""
  def compute(outputs):
    with tf.GradientTape() as tape:
      tape.watch(outputs)
      logits = mask_ops.mask_logits(outputs['mask_embeddings'], outputs['mask_features'])
      given = {**outputs, 'mask_logits': tf.stop_gradient(logits)}
      query_index = loss.match(given, targets)
      terms = loss.terms(given, targets, query_index)
      total = loss.weigh(terms)
    return query_index, terms, tape.gradient(total, outputs)
  return tf.function(compute)(outputs)


@pytest.mark.slow
@pytest.mark.parametrize('name, in_graph', CASES)
def test_copies_of_shared_features_change_nothing(name, in_graph):
  outputs, targets = batch([])
  loss = LOSSES[name](in_graph)
  copies = tf.repeat(outputs['mask_features'][None], PREDICTIONS, axis=0)
  wanted_index, wanted_terms, wanted = losses_and_gradients(loss, outputs, targets)
  query_index, terms, found = losses_and_gradients(
      loss, {**outputs, 'mask_features': copies}, targets)
  np.testing.assert_array_equal(query_index, wanted_index)
  for term, value in wanted_terms.items():
    np.testing.assert_allclose(terms[term], value, rtol=1e-6, err_msg=term)
  assert found['mask_features'].shape[0] == PREDICTIONS
  found['mask_features'] = tf.reduce_sum(found['mask_features'], axis=0)
  for key in WATCHED:
    np.testing.assert_allclose(found[key], wanted[key], rtol=1e-5, atol=1e-6, err_msg=key)


@pytest.mark.parametrize('name, in_graph', CASES)
def test_own_features_are_a_loop_over_the_predictions(name, in_graph):
  outputs, targets = batch([PREDICTIONS])
  loss = LOSSES[name](in_graph)
  query_index, terms, found = losses_and_gradients(loss, outputs, targets)
  for i in range(PREDICTIONS):
    own = {key: value[i:i + 1] for key, value in outputs.items()}
    own['mask_features'] = outputs['mask_features'][i]
    own_index, own_terms, wanted = losses_and_gradients(loss, own, targets)
    np.testing.assert_array_equal(query_index[i], own_index[0])
    for term, value in own_terms.items():
      np.testing.assert_allclose(terms[term][i], value[0], rtol=1e-6, err_msg=term)
    wanted['mask_features'] = wanted['mask_features'][None]
    for key in WATCHED:
      np.testing.assert_allclose(
          found[key][i], wanted[key][0], rtol=1e-5, atol=1e-6, err_msg=key)
