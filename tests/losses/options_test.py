"""Options of the set losses that no published model has, against the papers' formulas in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from tests.modeling import slow
from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.losses.point_set_loss import PointSetLoss
from tf_maskformer.losses.set_loss import SetLoss

CLASSES, QUERIES, SLOTS = 5, 6, 3
SIZE, FULL = (5, 7), (20, 28)


def batch():
  """Logits of two images and targets, of which the second image has two."""
  rng = np.random.default_rng(0)
  outputs = {'class_logits': rng.normal(size=[1, 2, QUERIES, CLASSES + 1]),
             'mask_logits': rng.normal(size=[1, 2, QUERIES, *SIZE]) * 2}
  outputs = {name: value.astype(np.float32) for name, value in outputs.items()}
  ids = rng.integers(0, SLOTS + 1, [2, 1, *FULL]).astype(np.uint8)
  ids[1][ids[1] == SLOTS] = 0
  targets = {'id_maps': ids, 'classes': rng.integers(0, CLASSES, [2, SLOTS]).astype(np.int32),
             'plane': np.zeros([2, SLOTS], np.int32),
             'valid': np.array([[True] * 3, [True, True, False]])}
  return outputs, targets


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def focal(x, mask, alpha, gamma):
  p = sigmoid(x)
  right = np.where(mask, p, 1 - p)
  return np.where(mask, alpha, 1 - alpha) * (1 - right)**gamma * -np.log(right)


def dice(x, mask):
  p = sigmoid(x)
  return 1 - (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)


def as_tensors(arrays):
  return {name: tf.constant(value) for name, value in arrays.items()}


def found_by(loss, outputs, targets):
  outputs, targets = as_tensors(outputs), as_tensors(targets)
  query_index = loss.match(outputs, targets)
  terms = loss.terms(outputs, targets, query_index)
  return loss.cost(outputs, targets)[0].numpy(), query_index[0].numpy(), terms, loss.weigh(terms)


def class_term(outputs, targets, query_index, weight):
  """Weighted mean of the cross entropy over all queries of the batch."""
  probability = slow.softmax(outputs['class_logits'][0].astype(np.float64))
  labels = np.full([2, QUERIES], CLASSES)
  for (b, slot), query in np.ndenumerate(query_index):
    if query >= 0:
      labels[b, query] = targets['classes'][b, slot]
  weights = np.where(labels == CLASSES, weight, 1.0)
  losses = -np.log(np.take_along_axis(probability, labels[..., None], 2)[..., 0])
  return (weights * losses).sum() / weights.sum()


@pytest.mark.parametrize('in_graph', [False, True])
@pytest.mark.parametrize('options', [
    dict(focal_alpha=0.6, focal_gamma=1.5), dict(focal_alpha=0.0), dict(focal_gamma=0.0),
    dict(cost_class=3.0, cost_mask=7.0, cost_dice=0.5),
    dict(class_weight=3.0, mask_weight=7.0, dice_weight=0.5, no_object_weight=0.4)], ids=str)
def test_set_loss(options, in_graph):
  c = Losses(**options)
  outputs, targets = batch()
  cost, query_index, terms, total = found_by(SetLoss(c, CLASSES, in_graph), outputs, targets)
  logits = outputs['mask_logits'][0].astype(np.float64)
  probability = slow.softmax(outputs['class_logits'][0].astype(np.float64))
  of_class, of_mask, of_dice = (np.zeros([2, QUERIES, SLOTS]) for _ in range(3))
  sums = np.zeros(2)
  for b, q, slot in np.ndindex(2, QUERIES, SLOTS):
    mask = targets['id_maps'][b, 0] == slot + 1
    small = slow.nearest(mask[None, ..., None], SIZE)[0, ..., 0]
    of_class[b, q, slot] = -probability[b, q, targets['classes'][b, slot]]
    of_mask[b, q, slot] = focal(logits[b, q], small, c.focal_alpha, c.focal_gamma).mean()
    of_dice[b, q, slot] = dice(logits[b, q], small)
    if query_index[b, slot] == q:
      large = slow.bilinear(logits[b, q][None, ..., None], FULL)[0, ..., 0]
      sums += focal(large, mask, c.focal_alpha, c.focal_gamma).mean(), dice(large, mask)
  wanted = c.cost_class * of_class + c.cost_mask * of_mask + c.cost_dice * of_dice
  valid = np.broadcast_to(targets['valid'][:, None], cost.shape)
  slow.assert_near(cost[valid], wanted[valid], 40)
  num_masks = targets['valid'].sum()
  wanted_terms = {'class': class_term(outputs, targets, query_index, c.no_object_weight),
                  'mask': sums[0] / num_masks, 'dice': sums[1] / num_masks}
  for name, value in wanted_terms.items():
    np.testing.assert_allclose(terms[name][0], value, rtol=2e-6, err_msg=name)
  weights = {'class': c.class_weight, 'mask': c.mask_weight, 'dice': c.dice_weight}
  np.testing.assert_allclose(
      total, sum(weights[name] * value for name, value in wanted_terms.items()), rtol=2e-6)


def draw(prediction, purpose, shape):
  """The same points of every mask, so that their order does not matter."""
  rng = np.random.default_rng(len(purpose) + prediction)
  points = rng.random([1, shape[1], 2], np.float32)
  return tf.repeat(tf.constant(points), shape[0], axis=0)


def sampled(field, points):
  """Bilinear values of a map at points (x, y) in [0, 1)."""
  height, width = field.shape
  values = [slow.sample(field[..., None], y * height - 0.5, x * width - 0.5) for x, y in points]
  return np.array(values)[:, 0] if values else np.zeros(0)


@pytest.mark.parametrize('in_graph', [False, True])
@pytest.mark.parametrize('options', [
    dict(), dict(importance_ratio=1.0), dict(importance_ratio=0.0), dict(oversample_ratio=1.0),
    dict(oversample_ratio=1.0, importance_ratio=1.0), dict(points=1),
    dict(points=7, oversample_ratio=2.5, importance_ratio=0.4)], ids=str)
def test_point_set_loss(options, in_graph):
  c = PointLosses(**{**dict(points=20), **options})
  outputs, targets = batch()
  loss = PointSetLoss(c, CLASSES, in_graph, draw)
  cost, query_index, terms, _ = found_by(loss, outputs, targets)
  logits = outputs['mask_logits'][0].astype(np.float64)
  probability = slow.softmax(outputs['class_logits'][0].astype(np.float64))
  def points_for(purpose, count):
    return draw(0, purpose, [1, count]).numpy()[0].astype(np.float64)
  chosen = int(c.importance_ratio * c.points)
  points = points_for('match', c.points)
  candidates = points_for('candidates', int(c.points * c.oversample_ratio))
  fresh = points_for('fresh', c.points - chosen)
  wanted, sums = np.zeros([2, QUERIES, SLOTS]), np.zeros(2)
  for b, q, slot in np.ndindex(2, QUERIES, SLOTS):
    mask = (targets['id_maps'][b, 0] == slot + 1).astype(np.float64)
    x, m = sampled(logits[b, q], points), sampled(mask, points)
    entropy = np.mean(np.logaddexp(0, x) - x * m)
    of_class = -probability[b, q, targets['classes'][b, slot]]
    wanted[b, q, slot] = c.cost_class * of_class + c.cost_mask * entropy + c.cost_dice * dice(x, m)
    if query_index[b, slot] == q:
      order = np.argsort(np.abs(sampled(logits[b, q], candidates)))[:chosen]
      places = np.concatenate([candidates[order], fresh])
      x, m = sampled(logits[b, q], places), sampled(mask, places)
      sums += np.mean(np.logaddexp(0, x) - x * m), dice(x, m)
  valid = np.broadcast_to(targets['valid'][:, None], cost.shape)
  slow.assert_near(cost[valid], wanted[valid], 40)
  num_masks = targets['valid'].sum()
  np.testing.assert_allclose(terms['mask'][0], sums[0] / num_masks, rtol=3e-6)
  np.testing.assert_allclose(terms['dice'][0], sums[1] / num_masks, rtol=3e-6)
