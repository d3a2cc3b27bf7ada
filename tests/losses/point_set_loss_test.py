"""Mask2Former's set loss against the official criterion's numbers, with its recorded points."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests import support
from tests.losses import recorded
from tf_maskformer.configs.losses import Losses
from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.losses.point_set_loss import PointSetLoss
from tf_maskformer.losses.set_loss import SetLoss

OFFICIAL = {'class': 'ce', 'mask': 'mask', 'dice': 'dice'}
NOISE_FACTOR = 10
CONFIG = PointLosses(points=112)


def golden(file):
  return np.load(support.golden(f'm2f_tiny/{file}.npz'))


def floor(section, group):
  """Ten times the recorded noise of a group, relative to the largest value of each array."""
  noise = json.loads(support.golden('m2f_tiny/noise_floor.json').read_text())
  two_units_in_the_last_place = 2.4e-7
  recorded_noise = noise[section][group]['max_rel_to_largest']
  return max(NOISE_FACTOR * recorded_noise, two_units_in_the_last_place)


def outputs_of(arrays, predictions, prefix):
  def stacked(name):
    return tf.constant(np.stack([arrays[f'{prefix}layer{i}/{name}'] for i in range(predictions)]))
  return {'class_logits': stacked('pred_logits'), 'mask_logits': stacked('pred_masks')}


def check(matcher, points, losses, outputs, targets, section, in_graph, prefix=''):
  """Costs, matches, terms and total, and returns the total's gradients; the logits are given."""
  predictions = outputs['class_logits'].shape[0]
  loss = PointSetLoss(CONFIG, 7, in_graph, recorded.draw(matcher, points, prefix))
  cost = loss.cost(outputs, targets).numpy()
  with tf.GradientTape() as tape:
    tape.watch(outputs)
    query_index = loss.match(outputs, targets)
    terms = loss.terms(outputs, targets, query_index)
    total = loss.weigh(terms)
  for i in range(predictions):
    for b in range(2):
      rows = f'layer{i}/image{b}'
      wanted = matcher[f'{rows}/cost_total']
      if not wanted.size:
        continue
      bound = floor(section, 'matcher cost_total') * np.abs(wanted).max()
      np.testing.assert_allclose(cost[i, b, :, :wanted.shape[1]], wanted, rtol=0, atol=bound)
      matches = query_index[i, b].numpy()[matcher[f'{rows}/target_index']]
      np.testing.assert_array_equal(matches, matcher[f'{rows}/query_index'])
  for name, values in terms.items():
    for i in range(predictions):
      suffix = '' if i == predictions - 1 else f'_{i}'
      wanted = losses[f'unweighted/loss_{OFFICIAL[name]}{suffix}']
      bound = floor(section, 'loss terms, unweighted')
      np.testing.assert_allclose(values[i], wanted, rtol=bound, atol=1e-7, err_msg=f'{name} {i}')
  np.testing.assert_allclose(total, losses['total'], rtol=floor(section, 'total'))
  return tape.gradient(total, outputs)


def check_gradients(found, arrays, name, section):
  """Compares the gradients by logits with those recorded under `name`, as far as they are."""
  bound, compared = floor(section, 'gradients w.r.t. the given logits'), 0
  for ours, theirs in (('class_logits', 'pred_logits'), ('mask_logits', 'pred_masks')):
    for i, gradient in enumerate(found[ours].numpy()):
      key = name.format(i) + theirs
      if key in arrays:
        wanted, compared = arrays[key], compared + 1
        np.testing.assert_allclose(
            gradient, wanted, rtol=0, atol=bound * np.abs(wanted).max(), err_msg=key)
  assert compared >= 2


@pytest.mark.parametrize('in_graph', [False, True])
def test_costs_matches_and_terms(in_graph):
  matcher = golden('matcher')
  # The logits are given, so that the noise is that of the loss alone.
  section = 'loss only, overlapping targets'
  outputs = outputs_of(golden('forward'), 6, 'predictor/')
  found = check(matcher, golden('points'), golden('losses'), outputs,
                recorded.targets('m2f_tiny'), section, in_graph)
  check_gradients(found, golden('grads'), 'output/layer{}/', section)


@pytest.mark.parametrize('in_graph', [False, True])
@pytest.mark.parametrize('file, section', [
    ('loss_only_overlap', 'loss only, overlapping targets'),
    ('loss_only_one_empty', 'loss only, one image without targets')])
def test_overlapping_and_missing_targets(file, section, in_graph):
  arrays = golden(file)
  outputs = outputs_of(arrays, 2, 'input/')
  targets = recorded.from_overlapping_masks(
      [arrays[f'input/masks_{b}'] for b in range(2)],
      [arrays[f'input/labels_{b}'] for b in range(2)])
  found = check(arrays, arrays, arrays, outputs, targets, section, in_graph, 'points/')
  check_gradients(found, arrays, 'grad/layer{}/', section)


def test_no_targets_at_all():
  arrays = golden('loss_only_all_empty')
  section, outputs = 'loss only, no targets at all', outputs_of(arrays, 1, 'input/')
  targets = {'id_maps': tf.zeros([2, 1, 48, 64], tf.uint8), 'classes': tf.zeros([2, 4], tf.int32),
             'plane': tf.zeros([2, 4], tf.int32), 'valid': tf.zeros([2, 4], tf.bool)}
  for in_graph in (False, True):
    loss = PointSetLoss(CONFIG, 7, in_graph)
    with tf.GradientTape() as tape:
      tape.watch(outputs)
      terms = loss.terms(outputs, targets, loss.match(outputs, targets))
      total = loss.weigh(terms)
    np.testing.assert_allclose(total, arrays['total'], rtol=floor(section, 'total'))
    assert not terms['mask'].numpy().any() and not terms['dice'].numpy().any()
    gradients = tape.gradient(total, outputs, unconnected_gradients='zero')
    check_gradients(gradients, arrays, 'grad/layer{}/', section)


@pytest.mark.parametrize('loss', [PointSetLoss(CONFIG, 7, True), SetLoss(Losses(), 7, True)])
def test_the_graph_solver_takes_images_of_any_size(loss):
  outputs, targets = outputs_of(golden('forward'), 6, 'predictor/'), recorded.targets('m2f_tiny')
  def total(outputs):
    return loss.weigh(loss.terms(outputs, targets, loss.match(outputs, targets)))
  specs = {'class_logits': tf.TensorSpec(outputs['class_logits'].shape),
           'mask_logits': tf.TensorSpec([*outputs['mask_logits'].shape[:3], None, None])}
  any_size = tf.function(total, input_signature=[specs])
  np.testing.assert_allclose(any_size(outputs), total(outputs), rtol=1e-6)


def test_points_follow_their_seed():
  outputs = outputs_of(golden('forward'), 6, 'predictor/')
  targets = recorded.targets('m2f_tiny')
  loss = PointSetLoss(CONFIG, 7, False)
  def total(seed):
    seed = tf.constant(seed)
    query_index = loss.match(outputs, targets, seed)
    return loss.weigh(loss.terms(outputs, targets, query_index, seed=seed)).numpy()
  assert total([1, 2]) == total([1, 2]) and total([1, 2]) != total([1, 3])


def test_points_lie_in_the_image_not_in_its_padding():
  outputs, targets = outputs_of(golden('forward'), 6, 'predictor/'), recorded.targets('m2f_tiny')
  size = targets['id_maps'].shape[2:]
  loss = PointSetLoss(CONFIG, 7, False)
  query_index = loss.match(outputs, targets)
  terms = loss.terms(outputs, targets, query_index)
  more = {**targets, 'id_maps': tf.pad(targets['id_maps'], [[0, 0], [0, 0], [0, size[0]], [0, 4]]),
          'image_size': tf.constant([list(size)] * 2)}
  low = outputs['mask_logits'].shape[3]
  # Zeros are what the sampling sees beyond the edge of an image alone.
  padded = tf.pad(outputs['mask_logits'], [[0, 0]] * 3 + [[0, low], [0, 1]])
  wide = {**outputs, 'mask_logits': padded}
  np.testing.assert_allclose(
      loss.cost(wide, more), loss.cost(outputs, targets), rtol=1e-4, atol=1e-4)
  found = loss.terms(wide, more, query_index)
  for name in terms:
    np.testing.assert_allclose(found[name], terms[name], rtol=1e-4)
  del more['image_size']
  assert (np.abs(loss.terms(wide, more, query_index)['mask'] / terms['mask'] - 1) > 0.01).all()
