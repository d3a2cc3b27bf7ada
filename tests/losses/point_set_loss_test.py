"""Mask2Former's set loss against the official criterion's recorded numbers, with its recorded points."""

import json

import numpy as np
import pytest
import tensorflow as tf

from configs.losses import Losses
from configs.losses import PointLosses
from losses.point_set_loss import PointSetLoss
from losses.set_loss import SetLoss
from modeling import parameter_groups
from modeling.conversion import names
from ops import points as point_ops
from tests import support
from tests.losses import recorded
from tests.modeling import tiny_m2f

OFFICIAL = {'class': 'ce', 'mask': 'mask', 'dice': 'dice'}
NOISE_FACTOR = 10
CONFIG = PointLosses(points=112)
# What float32 rounding of the weights alone does to a whole step (six draws), which is more than the one draw of
# rounding that the recorded float32 run is.
PERTURBED = 'float64 run when every weight is changed by about 3e-7 of itself (six draws)'


def golden(file):
  return np.load(support.shared(f'golden/m2f_tiny/{file}.npz'))


def floor(section, group):
  noise = json.loads(support.shared('golden/m2f_tiny/noise_floor.json').read_text())
  return max(NOISE_FACTOR * noise[section][group]['max_rel_to_largest'], 2.4e-7)  # two units in the last place


def recorded_draw(matcher, points, prefix=''):
  """The recorded random points; a matched mask's are put where our order (picture, slot) has that mask."""
  def draw(prediction, purpose, shape):
    if purpose == 'match':
      return tf.constant(np.stack([matcher[f'layer{prediction}/image{b}/points'] for b in range(2)]))
    rows = points[f'{prefix}layer{prediction}/rows']  # picture, query, target
    order = np.lexsort((rows[:, 2], rows[:, 0]))
    found = points[f'{prefix}layer{prediction}/{ {"candidates": "candidates", "fresh": "random"}[purpose]}'][order]
    if len(shape) == 2 and isinstance(shape[0], int) and shape[0] != len(rows):  # slots that hold nothing too
      full = np.full([*shape, 2], 0.5, np.float32)
      full[rows[order, 0] * recorded.SLOTS + rows[order, 2]] = found
      found = full
    return tf.constant(found)
  return draw


def outputs_of(arrays, predictions, prefix):
  return {ours: tf.constant(np.stack([arrays[f'{prefix}layer{i}/{theirs}'] for i in range(predictions)]))
          for ours, theirs in (('class_logits', 'pred_logits'), ('mask_logits', 'pred_masks'))}


def check(matcher, points, losses, outputs, targets, section, in_graph, prefix=''):
  predictions = outputs['class_logits'].shape[0]
  loss = PointSetLoss(CONFIG, 7, in_graph, recorded_draw(matcher, points, prefix))
  cost, query_index = loss.cost(outputs, targets).numpy(), loss.match(outputs, targets)
  for i in range(predictions):
    for b in range(2):
      rows = {k: matcher[f'layer{i}/image{b}/{k}'] for k in ('cost_total', 'query_index', 'target_index')}
      if not rows['cost_total'].size:
        continue
      found = cost[i, b, :, :rows['cost_total'].shape[1]]
      np.testing.assert_allclose(found, rows['cost_total'], rtol=0,
                                 atol=floor(section, 'matcher cost_total') * np.abs(rows['cost_total']).max())
      np.testing.assert_array_equal(query_index[i, b].numpy()[rows['target_index']], rows['query_index'])
  terms = loss.terms(outputs, targets, query_index)
  for name, values in terms.items():
    for i in range(predictions):
      suffix = '' if i == predictions - 1 else f'_{i}'
      np.testing.assert_allclose(values[i], losses[f'unweighted/loss_{OFFICIAL[name]}{suffix}'],
                                 rtol=floor(section, 'loss terms, unweighted'), atol=1e-7, err_msg=f'{name} {i}')
  np.testing.assert_allclose(loss.weigh(terms), losses['total'], rtol=floor(section, 'total'))


@pytest.mark.parametrize('in_graph', [False, True])
def test_costs_matches_and_terms(in_graph):
  matcher = golden('matcher')
  check(matcher, golden('points'), golden('losses'), outputs_of(golden('forward'), 6, 'predictor/'),
        recorded.targets('m2f_tiny'), 'training step', in_graph)


@pytest.mark.parametrize('in_graph', [False, True])
@pytest.mark.parametrize('file, section', [
    ('loss_only_overlap', 'loss only, overlapping targets'),
    ('loss_only_one_empty', 'loss only, one image without targets')])
def test_overlapping_and_missing_targets(file, section, in_graph):
  arrays = golden(file)
  outputs = outputs_of(arrays, 2, 'input/')
  targets = recorded.from_overlapping_masks(
      [arrays[f'input/masks_{b}'] for b in range(2)], [arrays[f'input/labels_{b}'] for b in range(2)])
  check(arrays, arrays, arrays, outputs, targets, section, in_graph, 'points/')


def test_no_targets_at_all():
  arrays = golden('loss_only_all_empty')
  outputs = outputs_of(arrays, 1, 'input/')
  targets = {'id_maps': tf.zeros([2, 1, 48, 64], tf.uint8), 'classes': tf.zeros([2, 4], tf.int32),
             'layer': tf.zeros([2, 4], tf.int32), 'valid': tf.zeros([2, 4], tf.bool)}
  for in_graph in (False, True):
    loss = PointSetLoss(CONFIG, 7, in_graph)
    terms = loss.terms(outputs, targets, loss.match(outputs, targets))
    np.testing.assert_allclose(loss.weigh(terms), arrays['total'], rtol=1e-5)
    assert not terms['mask'].numpy().any() and not terms['dice'].numpy().any()


@pytest.mark.parametrize('compiled', [False, True])
def test_gradients_of_the_whole_step(compiled):
  model, targets = tiny_m2f.model(), recorded.targets('m2f_tiny')
  loss = PointSetLoss(CONFIG, 7, compiled, recorded_draw(golden('matcher'), golden('points')))
  def step():
    with tf.GradientTape() as tape:
      outputs = model(tiny_m2f.batch(), training=True)
      total = loss.weigh(loss.terms(outputs, targets, loss.match(outputs, targets)))
    return total, tape.gradient(total, model.trainable_variables)
  total, gradients = (tf.function(step, jit_compile=True) if compiled else step)()
  recorded_gradients = golden('grads')
  np.testing.assert_allclose(total, golden('losses')['total'], rtol=floor(PERTURBED, 'total'))
  np.testing.assert_allclose(tf.linalg.global_norm(gradients), recorded_gradients['global_norm'],
                             rtol=floor(PERTURBED, 'global_norm'))
  by_ref = {e.variable.ref(): n for n, e in names.entries(model).items()}
  bound = max(floor(PERTURBED, f'gradient, {part} parameters (relative: per parameter)')
              for part in ('backbone', 'pixel decoder', 'predictor'))
  for variable, value in zip(model.trainable_variables, gradients):
    name = by_ref[variable.ref()]
    norm = recorded_gradients[f'norm/{name}']
    if norm > 1e-3:
      np.testing.assert_allclose(np.linalg.norm(value), norm, rtol=bound, err_msg=name)
  assert len(parameter_groups.backbone_variables(model)) > 50


def test_points_against_slow_samples():
  rng = np.random.default_rng(0)
  maps, where = rng.normal(size=[3, 5, 7]).astype(np.float32), rng.uniform(-0.1, 1.1, [3, 40, 2]).astype(np.float32)
  def slow(m, point):
    x, y = point[0] * m.shape[1] - 0.5, point[1] * m.shape[0] - 0.5
    return sum((1 - abs(x - j)) * (1 - abs(y - i)) * m[i, j] for i in range(m.shape[0]) for j in range(m.shape[1])
               if abs(x - j) < 1 and abs(y - i) < 1)
  wanted = [[slow(m, p) for p in points] for m, points in zip(maps, where)]
  np.testing.assert_allclose(point_ops.sample(tf.constant(maps), tf.constant(where)), wanted, atol=1e-5)
  shared = point_ops.sample_shared(tf.constant(maps)[None], tf.constant(where[:1]))
  np.testing.assert_allclose(shared[0, :, 1], [slow(maps[1], p) for p in where[0]], atol=1e-5)
  ids = rng.integers(0, 4, [1, 2, 5, 7]).astype(np.uint8)
  layer = tf.constant([[0, 1, 1]])
  found = point_ops.sample_segments(tf.constant(ids), layer, tf.constant(where[:1]))
  for slot, of_layer in enumerate((0, 1, 1)):
    mask = (ids[0, of_layer] == slot + 1).astype(float)
    np.testing.assert_allclose(found[0, slot], [slow(mask, p) for p in where[0]], atol=1e-5)
    own = point_ops.sample_masks_of(tf.constant(ids), tf.constant([0]), tf.constant([of_layer]), tf.constant([slot]),
                                    tf.constant(where[:1]))
    np.testing.assert_allclose(own, found[:, slot], atol=1e-6)


@pytest.mark.parametrize('loss', [PointSetLoss(CONFIG, 7, True), SetLoss(Losses(), 7, True)])
def test_the_graph_solver_takes_pictures_of_any_size(loss):
  outputs, targets = outputs_of(golden('forward'), 6, 'predictor/'), recorded.targets('m2f_tiny')
  def total(outputs):
    return loss.weigh(loss.terms(outputs, targets, loss.match(outputs, targets)))
  specs = {name: tf.TensorSpec([*value.shape[:3], *[None] * (value.shape.rank - 3)]) for name, value in outputs.items()}
  specs['class_logits'] = tf.TensorSpec(outputs['class_logits'].shape)
  any_size = tf.function(total, input_signature=[specs])
  np.testing.assert_allclose(any_size(outputs), total(outputs), rtol=1e-6)


def test_points_follow_their_seed():
  outputs = outputs_of(golden('forward'), 6, 'predictor/')
  targets = recorded.targets('m2f_tiny')
  loss = PointSetLoss(CONFIG, 7, False)
  def total(seed):
    seed = tf.constant(seed)
    return loss.weigh(loss.terms(outputs, targets, loss.match(outputs, targets, seed), seed=seed)).numpy()
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
  wide = {**outputs, 'mask_logits': tf.pad(outputs['mask_logits'], [[0, 0]] * 3 + [[0, low], [0, 1]])}
  np.testing.assert_allclose(loss.cost(wide, more), loss.cost(outputs, targets), rtol=1e-4, atol=1e-4)
  found = loss.terms(wide, more, query_index)
  for name in terms:
    np.testing.assert_allclose(found[name], terms[name], rtol=1e-4)
  del more['image_size']
  assert (np.abs(loss.terms(wide, more, query_index)['mask'] / terms['mask'] - 1) > 0.01).all()
