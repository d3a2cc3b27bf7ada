"""The set loss against the official criterion's recorded numbers, and its properties."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import support
from tests.losses import recorded
from tests.modeling.golden import Golden
from tf_maskformer.configs.losses import Losses
from tf_maskformer.losses.set_loss import SetLoss

OFFICIAL = {'class': 'ce', 'mask': 'mask', 'dice': 'dice'}
GOLDEN = Golden('mf_tiny')
# Where the logits are given, only the loss's own rounding counts.
GIVEN = 'loss only, one image without targets'
SUFFIXES = ('_0', '_1', '')  # decoder layers in order


def outputs_of(arrays, predictions, prefix):
  def stacked(name):
    return tf.constant(np.stack([arrays[f'{prefix}layer{i}/{name}'] for i in range(predictions)]))
  return {'class_logits': stacked('pred_logits'), 'mask_logits': stacked('pred_masks')}


def toy(segments=5, queries=6, planes=1):
  rng = np.random.default_rng(0)
  class_logits = rng.normal(size=[2, 2, queries, 8]).astype(np.float32)
  mask_logits = rng.normal(size=[2, 2, queries, 5, 7]).astype(np.float32) * 3
  id_maps = rng.integers(0, segments + 1, [2, planes, 20, 27]).astype(np.uint8)
  outputs = {'class_logits': tf.constant(class_logits), 'mask_logits': tf.constant(mask_logits)}
  targets = {'id_maps': tf.constant(id_maps),
             'classes': tf.constant(rng.integers(0, 7, [2, segments]), tf.int32),
             'plane': tf.constant(rng.integers(0, planes, [2, segments]), tf.int32),
             'valid': tf.constant(np.arange(segments)[None] < np.array([[segments], [2]]))}
  return outputs, targets


def evaluate(set_loss, outputs, targets):
  with tf.GradientTape() as tape:
    tape.watch(list(outputs.values()))
    query_index = set_loss.match(outputs, targets)
    terms = set_loss.terms(outputs, targets, query_index)
    total = set_loss.weigh(terms)
  return query_index, terms, total, tape.gradient(total, outputs)


@pytest.mark.parametrize('in_graph', [False, True])
@pytest.mark.parametrize('sibling', ['', 'plainfpn/'])
def test_recorded_costs_matches_and_terms(in_graph, sibling):
  golden = {name: GOLDEN.load(f'{sibling}{name}') for name in ('forward', 'matcher', 'losses')}
  outputs = outputs_of(golden['forward'], 3, 'predictor/')
  targets = recorded.targets()
  set_loss = SetLoss(Losses(), 7, in_graph)
  cost = set_loss.cost(outputs, targets).numpy()
  term_bound = GOLDEN.bound(GIVEN, 'loss-only: loss terms')
  query_index, terms, total, gradients = evaluate(set_loss, outputs, targets)
  for layer in range(3):
    for b in range(2):
      rows = f'layer{layer}/image{b}'
      wanted = golden['matcher'][f'{rows}/cost_total']
      found = cost[layer, b, :, :wanted.shape[1]]
      GOLDEN.assert_close(found, wanted, GIVEN, 'loss-only: costs')
      matches = query_index[layer, b].numpy()[golden['matcher'][f'{rows}/target_index']]
      np.testing.assert_array_equal(matches, golden['matcher'][f'{rows}/query_index'])
    for name, values in terms.items():
      wanted = golden['losses'][f'unweighted/loss_{OFFICIAL[name]}{SUFFIXES[layer]}']
      np.testing.assert_allclose(values[layer], wanted, rtol=term_bound)
  np.testing.assert_allclose(total, golden['losses']['total'], rtol=term_bound)
  if not sibling:
    wanted = GOLDEN.load('grads')
    for layer in range(3):
      for ours, theirs in (('class_logits', 'pred_logits'), ('mask_logits', 'pred_masks')):
        array = wanted[f'output/layer{layer}/{theirs}']
        # Ten times the recorded noise of 5.04e-7, rounded down.
        bound = 5e-6 * np.abs(array).max()
        np.testing.assert_allclose(gradients[ours][layer], array, rtol=0, atol=bound)


@pytest.mark.parametrize('in_graph', [False, True])
@pytest.mark.parametrize('file, section, layers', [
    ('loss_only_one_empty', 'loss only, one image without targets', 3),
    ('loss_only_all_empty', 'loss only, no targets at all', 1)])
def test_recorded_batches_with_images_without_targets(file, section, layers, in_graph):
  arrays = GOLDEN.load(file)
  outputs = outputs_of(arrays, layers, 'input/')
  targets = recorded.from_masks(
      [arrays[f'input/masks_{b}'] for b in range(2)],
      [arrays[f'input/labels_{b}'] for b in range(2)])
  set_loss = SetLoss(Losses(), 7, in_graph)
  cost = set_loss.cost(outputs, targets).numpy()
  query_index, terms, total, gradients = evaluate(set_loss, outputs, targets)
  bound = GOLDEN.bound(section, 'loss-only: loss terms')
  np.testing.assert_allclose(total, arrays['total'], rtol=bound)
  for layer in range(layers):
    for b in range(2):
      wanted = arrays[f'layer{layer}/image{b}/cost_total']
      slots = arrays[f'layer{layer}/image{b}/target_index']
      assert (query_index[layer, b].numpy() >= 0).sum() == len(slots)
      if len(slots):
        GOLDEN.assert_close(cost[layer, b, :, :len(slots)], wanted, section, 'loss-only: costs')
        np.testing.assert_array_equal(
            query_index[layer, b].numpy()[slots], arrays[f'layer{layer}/image{b}/query_index'])
    suffix = '' if layer == layers - 1 else f'_{layer}'
    for name, values in terms.items():
      wanted = arrays[f'unweighted/loss_{OFFICIAL[name]}{suffix}']
      np.testing.assert_allclose(values[layer], wanted, rtol=bound, err_msg=name)
    for ours, theirs in (('class_logits', 'pred_logits'), ('mask_logits', 'pred_masks')):
      GOLDEN.assert_close(gradients[ours][layer], arrays[f'grad/layer{layer}/{theirs}'], section,
                          'loss-only: gradients')


@pytest.mark.parametrize('in_graph', [False, True])
@pytest.mark.parametrize('queries', [6, 3])  # more and fewer than targets
def test_both_modes_planes_and_permutations_agree(in_graph, queries):
  outputs, targets = toy(queries=queries, planes=2)
  set_loss = SetLoss(Losses(), 7, in_graph)
  _, terms, total, _ = evaluate(set_loss, outputs, targets)
  _, other, _, _ = evaluate(SetLoss(Losses(), 7, not in_graph), outputs, targets)
  order = np.random.default_rng(0).permutation(queries)
  shuffled = {k: tf.gather(v, order, axis=2) for k, v in outputs.items()}
  _, _, permuted, _ = evaluate(set_loss, shuffled, targets)
  np.testing.assert_allclose(permuted, total, rtol=1e-5)
  for name in terms:
    np.testing.assert_allclose(terms[name], other[name], rtol=1e-5)


@pytest.mark.parametrize('in_graph', [False, True])
def test_empty_slots_change_nothing(in_graph):
  outputs, targets = toy()
  set_loss = SetLoss(Losses(), 7, in_graph)
  more = {k: tf.pad(targets[k], [[0, 0], [0, 4]]) for k in ('classes', 'plane', 'valid')}
  np.testing.assert_allclose(evaluate(set_loss, outputs, {**targets, **more})[2],
                             evaluate(set_loss, outputs, targets)[2], rtol=1e-6)


@pytest.mark.parametrize('in_graph', [False, True])
def test_no_targets_at_all(in_graph):
  outputs, targets = toy()
  targets = {**targets, 'valid': tf.zeros_like(targets['valid'])}
  _, terms, total, gradients = evaluate(SetLoss(Losses(), 7, in_graph), outputs, targets)
  assert not terms['mask'].numpy().any() and not terms['dice'].numpy().any()
  assert not np.asarray(gradients['mask_logits']).any()
  assert np.isfinite(total) and np.isfinite(gradients['class_logits']).all()


def test_images_that_only_fill_the_batch_count_nothing():
  outputs, targets = toy()
  set_loss = SetLoss(Losses(), 7, False)
  first_outputs = {k: v[:, :1] for k, v in outputs.items()}
  alone = evaluate(set_loss, first_outputs, {k: v[:1] for k, v in targets.items()})
  filled = {**targets, 'valid': targets['valid'] & [[True], [False]],
            'is_real': tf.constant([True, False])}
  np.testing.assert_allclose(evaluate(set_loss, outputs, filled)[2], alone[2], rtol=1e-6)


def padded_to_batch(outputs, targets, height=8, width=16):
  """The same images in a batch with a larger one.

  Logits beyond an image continue its edge by one row and column; further out they are anything.
  """
  h, w = outputs['mask_logits'].shape[3:]
  edge = tf.pad(outputs['mask_logits'], [[0, 0]] * 3 + [[0, 1], [0, 1]], 'SYMMETRIC')
  size = [h + height // 4, w + width // 4]
  anything = np.random.default_rng(3).normal(0, 5, [2, 2, edge.shape[2], *size])
  inside = np.zeros(size, bool)
  inside[:h + 1, :w + 1] = True
  edge = tf.pad(edge, [[0, 0]] * 3 + [[0, height // 4 - 1], [0, width // 4 - 1]])
  mask_logits = tf.where(inside, edge, tf.constant(anything, tf.float32))
  image_size = tf.constant([list(targets['id_maps'].shape[2:])] * 2)
  id_maps = tf.pad(targets['id_maps'], [[0, 0], [0, 0], [0, height], [0, width]])
  return ({**outputs, 'mask_logits': mask_logits},
          {**targets, 'id_maps': id_maps, 'image_size': image_size})


@pytest.mark.parametrize('in_graph', [False, True])
def test_padding_to_a_larger_image_counts_nothing(in_graph):
  outputs, targets = toy()
  # 20 x 28: four times the logits.
  targets['id_maps'] = tf.pad(targets['id_maps'], [[0, 0], [0, 0], [0, 0], [0, 1]])
  set_loss = SetLoss(Losses(), 7, in_graph)
  _, terms, total, gradients = evaluate(set_loss, outputs, targets)
  more_outputs, more_targets = padded_to_batch(outputs, targets)
  np.testing.assert_allclose(
      set_loss.cost(more_outputs, more_targets), set_loss.cost(outputs, targets), rtol=1e-5,
      atol=1e-6)
  _, found, whole, more_gradients = evaluate(set_loss, more_outputs, more_targets)
  for name in terms:
    np.testing.assert_allclose(found[name], terms[name], rtol=1e-5, err_msg=name)
  np.testing.assert_allclose(whole, total, rtol=1e-5)
  # The edge passes its gradient on one row and column further; beyond that there is none.
  gradient = np.asarray(more_gradients['mask_logits'])
  assert not gradient[:, :, :, 6:].any() and not gradient[:, :, :, :, 8:].any()
  np.testing.assert_allclose(
      gradient[:, :, :, :4, :6], gradients['mask_logits'][:, :, :, :4, :6], rtol=1e-4, atol=1e-7)
  # Divided by the padded area instead, the focal term is that much smaller.
  del more_targets['image_size']
  query_index = set_loss.match(outputs, targets)
  divided = set_loss.terms(more_outputs, more_targets, query_index)['mask']
  assert (divided.numpy() > 1.1 * terms['mask'].numpy()).all()  # and holds what is in the padding


def test_two_replicas_equal_one():
  script = """
import numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(tf.config.list_physical_devices('CPU')[0],
                                           [tf.config.LogicalDeviceConfiguration()] * 2)
from tf_maskformer.configs.losses import Losses
from tf_maskformer.losses.set_loss import SetLoss
from tests.losses.set_loss_test import toy
outputs, targets = toy()
set_loss = SetLoss(Losses(), 7, False)
def total(outputs, targets):
  return set_loss.weigh(set_loss.terms(outputs, targets, set_loss.match(outputs, targets)))
whole = total(outputs, targets)
strategy = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])
parts = strategy.experimental_distribute_values_from_function(
    lambda c: ({k: v[:, c.replica_id_in_sync_group:][:, :1] for k, v in outputs.items()},
               {k: v[c.replica_id_in_sync_group:][:1] for k, v in targets.items()}))
values = strategy.run(tf.function(lambda p: total(*p)), args=(parts,))
both = sum(v.numpy() for v in strategy.experimental_local_results(values)) / 2
np.testing.assert_allclose(both, whole, rtol=1e-5)
"""
  done = subprocess.run(
      [sys.executable, '-c', script], cwd=support.ROOT, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr[-2000:]
