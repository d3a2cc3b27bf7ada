"""The set loss against the official criterion's recorded numbers, and its properties."""

import numpy as np
import pytest
import tensorflow as tf

from tests import support
from tests.losses import recorded
from tests.modeling.golden import Golden
from tf_maskformer.configs.losses import Losses
from tf_maskformer.losses import mask_losses
from tf_maskformer.losses.set_loss import SetLoss
from tf_maskformer.ops import id_maps as id_map_ops
from tf_maskformer.ops import resize

OFFICIAL = {'class': 'ce', 'mask': 'mask', 'dice': 'dice'}
GOLDEN = Golden('mf_tiny')
# Where the logits are given, only the loss's own rounding counts.
GIVEN = 'loss only, one image without targets'
SUFFIXES = ('_0', '_1', '')  # decoder layers in order


def outputs_of(arrays, prefix=''):
  return {ours: tf.constant(np.stack([arrays[f'{prefix}layer{i}/{theirs}'] for i in range(3)]))
          for ours, theirs in (('class_logits', 'pred_logits'), ('mask_logits', 'pred_masks'))}


def toy(seed=0, segments=5, queries=6, layers=1):
  rng = np.random.default_rng(seed)
  outputs = {'class_logits': tf.constant(rng.normal(size=[2, 2, queries, 8]).astype(np.float32)),
             'mask_logits': tf.constant(rng.normal(size=[2, 2, queries, 5, 7]).astype(np.float32) * 3)}
  targets = {'id_maps': tf.constant(rng.integers(0, segments + 1, [2, layers, 20, 27]).astype(np.uint8)),
             'classes': tf.constant(rng.integers(0, 7, [2, segments]), tf.int32),
             'plane': tf.constant(rng.integers(0, layers, [2, segments]), tf.int32),
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
  outputs, targets = outputs_of(golden['forward'], 'predictor/'), recorded.targets()
  set_loss = SetLoss(Losses(), 7, in_graph)
  cost = set_loss.cost(outputs, targets).numpy()
  query_index, terms, total, gradients = evaluate(set_loss, outputs, targets)
  for layer in range(3):
    for b in range(2):
      rows = {k: golden['matcher'][f'layer{layer}/image{b}/{k}'] for k in ('cost_total', 'query_index', 'target_index')}
      found = cost[layer, b, :, :rows['cost_total'].shape[1]]
      GOLDEN.assert_close(found, rows['cost_total'], GIVEN, 'loss-only: costs')
      np.testing.assert_array_equal(query_index[layer, b].numpy()[rows['target_index']], rows['query_index'])
    for name, values in terms.items():
      np.testing.assert_allclose(
          values[layer], golden['losses'][f'unweighted/loss_{OFFICIAL[name]}{SUFFIXES[layer]}'],
          rtol=GOLDEN.bound(GIVEN, 'loss-only: loss terms'))
  np.testing.assert_allclose(total, golden['losses']['total'], rtol=GOLDEN.bound(GIVEN, 'loss-only: loss terms'))
  if not sibling:
    wanted = GOLDEN.load('grads')
    for layer in range(3):
      for ours, theirs in (('class_logits', 'pred_logits'), ('mask_logits', 'pred_masks')):
        array = wanted[f'output/layer{layer}/{theirs}']
        # Ten times the recorded noise of 5.04e-7, rounded down.
        np.testing.assert_allclose(gradients[ours][layer], array, rtol=0, atol=5e-6 * np.abs(array).max())


@pytest.mark.parametrize('in_graph', [False, True])
@pytest.mark.parametrize('file, section, layers', [
    ('loss_only_one_empty', 'loss only, one image without targets', 3),
    ('loss_only_all_empty', 'loss only, no targets at all', 1)])
def test_recorded_batches_with_images_without_targets(file, section, layers, in_graph):
  arrays = GOLDEN.load(file)
  outputs = {ours: tf.constant(np.stack([arrays[f'input/layer{i}/{theirs}'] for i in range(layers)]))
             for ours, theirs in (('class_logits', 'pred_logits'), ('mask_logits', 'pred_masks'))}
  targets = recorded.from_masks(
      [arrays[f'input/masks_{b}'] for b in range(2)], [arrays[f'input/labels_{b}'] for b in range(2)])
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
      np.testing.assert_allclose(
          values[layer], arrays[f'unweighted/loss_{OFFICIAL[name]}{suffix}'], rtol=bound, err_msg=name)
    for ours, theirs in (('class_logits', 'pred_logits'), ('mask_logits', 'pred_masks')):
      GOLDEN.assert_close(gradients[ours][layer], arrays[f'grad/layer{layer}/{theirs}'], section,
                          'loss-only: gradients')


@pytest.mark.parametrize('alpha, gamma', [(0.25, 2.0), (0.4, 1.5), (-1.0, 2.0)])
@pytest.mark.parametrize('wrap', [lambda f: f, lambda f: tf.function(f, jit_compile=True)], ids=['eager', 'jit'])
def test_closed_form_gradient_equals_autodiff(alpha, gamma, wrap):
  rng = np.random.default_rng(1)
  logits = tf.constant(rng.normal(size=[5, 6, 9]).astype(np.float32) * 3)
  id_maps = tf.constant(rng.integers(0, 4, [2, 2, 23, 37]).astype(np.uint8))
  image, layer, slot = (tf.constant(v) for v in ([0, 1, 0, 1, 1], [0, 0, 1, 1, 0], [0, 1, 2, 0, 2]))
  upstream = tf.constant(rng.normal(size=[5, 2]).astype(np.float32))

  def plain(x):
    x = resize.bilinear(x, (23, 37))
    m = tf.cast(id_map_ops.masks_of(id_maps, image, layer, slot), tf.float32)
    p = tf.sigmoid(x)
    bce = tf.nn.sigmoid_cross_entropy_with_logits(m, x)
    weight = alpha * m + (1 - alpha) * (1 - m) if alpha >= 0 else 1.0
    focal = tf.reduce_mean(weight * bce * (1 - (p * m + (1 - p) * (1 - m)))**gamma, [1, 2])
    dice = 1 - (2 * tf.reduce_sum(p * m, [1, 2]) + 1) / (tf.reduce_sum(p + m, [1, 2]) + 1)
    return tf.stack([focal, dice], 1)

  def both(function):
    def call(x):
      with tf.GradientTape() as tape:
        tape.watch(x)
        losses = function(x)
        total = tf.reduce_sum(losses * upstream)
      return losses, tape.gradient(total, x)
    return call

  fast = wrap(both(lambda x: mask_losses.focal_and_dice(x, id_maps, image, layer, slot, alpha, gamma)))(logits)
  slow = both(plain)(logits)
  for found, wanted in zip(fast, slow):
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize('in_graph', [False, True])
@pytest.mark.parametrize('queries', [6, 3])  # more and fewer than targets
def test_both_modes_layers_and_permutations_agree(in_graph, queries):
  outputs, targets = toy(queries=queries, layers=2)
  set_loss = SetLoss(Losses(), 7, in_graph)
  _, terms, total, _ = evaluate(set_loss, outputs, targets)
  _, other, _, _ = evaluate(SetLoss(Losses(), 7, not in_graph), outputs, targets)
  order = np.random.default_rng(0).permutation(queries)
  _, _, permuted, _ = evaluate(set_loss, {k: tf.gather(v, order, axis=2) for k, v in outputs.items()}, targets)
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
  alone = evaluate(set_loss, {k: v[:, :1] for k, v in outputs.items()}, {k: v[:1] for k, v in targets.items()})
  filled = {**targets, 'valid': targets['valid'] & [[True], [False]], 'is_real': tf.constant([True, False])}
  np.testing.assert_allclose(evaluate(set_loss, outputs, filled)[2], alone[2], rtol=1e-6)


def padded_to_batch(outputs, targets, height=8, width=16):
  """The same images in a batch with a larger one: logits beyond them continue their edge, then are anything."""
  h, w = outputs['mask_logits'].shape[3:]
  edge = tf.pad(outputs['mask_logits'], [[0, 0]] * 3 + [[0, 1], [0, 1]], 'SYMMETRIC')
  anything = np.random.default_rng(3).normal(0, 5, [2, 2, edge.shape[2], h + height // 4, w + width // 4])
  inside = np.zeros(anything.shape[3:], bool)
  inside[:h + 1, :w + 1] = True
  edge = tf.pad(edge, [[0, 0]] * 3 + [[0, height // 4 - 1], [0, width // 4 - 1]])
  mask_logits = tf.where(inside, edge, tf.constant(anything, tf.float32))
  size = targets['id_maps'].shape[2:]
  id_maps = tf.pad(targets['id_maps'], [[0, 0], [0, 0], [0, height], [0, width]])
  return ({**outputs, 'mask_logits': mask_logits},
          {**targets, 'id_maps': id_maps, 'image_size': tf.constant([list(size)] * 2)})


@pytest.mark.parametrize('in_graph', [False, True])
def test_padding_to_a_larger_image_counts_nothing(in_graph):
  outputs, targets = toy()
  targets['id_maps'] = tf.pad(targets['id_maps'], [[0, 0], [0, 0], [0, 0], [0, 1]])  # 20x28: four times the logits
  set_loss = SetLoss(Losses(), 7, in_graph)
  _, terms, total, gradients = evaluate(set_loss, outputs, targets)
  more_outputs, more_targets = padded_to_batch(outputs, targets)
  np.testing.assert_allclose(
      set_loss.cost(more_outputs, more_targets), set_loss.cost(outputs, targets), rtol=1e-5, atol=1e-6)
  _, found, whole, more_gradients = evaluate(set_loss, more_outputs, more_targets)
  for name in terms:
    np.testing.assert_allclose(found[name], terms[name], rtol=1e-5, err_msg=name)
  np.testing.assert_allclose(whole, total, rtol=1e-5)
  # What the edge passes on lies one row and column further; beyond it nothing has a gradient.
  gradient = np.asarray(more_gradients['mask_logits'])
  assert not gradient[:, :, :, 6:].any() and not gradient[:, :, :, :, 8:].any()
  np.testing.assert_allclose(gradient[:, :, :, :4, :6], gradients['mask_logits'][:, :, :, :4, :6], rtol=1e-4, atol=1e-7)
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
  import subprocess
  import sys
  done = subprocess.run([sys.executable, '-c', script], cwd=support.ROOT, capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stderr[-2000:]
