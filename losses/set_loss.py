"""MaskFormer's set loss: match queries to targets, then class, focal and dice terms of every decoder layer."""

from typing import NamedTuple

import tensorflow as tf

from tf_maskformer.configs.losses import Losses
from tf_maskformer.losses import assignment
from tf_maskformer.losses import mask_losses
from tf_maskformer.losses import normalizers
from tf_maskformer.losses import pairwise
from tf_maskformer.losses import per_pixel
from tf_maskformer.ops import masks as mask_ops
from tf_maskformer.ops import products
from tf_maskformer.ops import shape as shape_ops

TERMS = ('class', 'mask', 'dice')


class Normalizers(NamedTuple):
  """What the terms are normalized by; known from the targets alone, so a batch may be taken in parts.

  Attributes:
    num_masks: float32 scalar, what the mask terms are divided by.
    class_shares: float32 [batch], what each image's weighted cross entropies are multiplied by.
  """
  num_masks: tf.Tensor
  class_shares: tf.Tensor


class SetLoss:
  """The criterion (MaskFormer paper 3.2 and 3.3, official criterion.py and matcher.py).

  Outputs are the model's: class_logits [layers, batch, queries, classes + 1] and mask_logits
  [layers, batch, queries, h, w]; with the mask_embeddings and mask_features that a model in training adds, the mask
  terms make the matched masks' logits of them anew, so that no gradient as large as mask_logits is ever made. Targets
  are a batch's: id_maps [batch, layers, height, width], classes, layer and valid [batch, segments], optionally is_real
  [batch] (False: the image only fills the batch) and image_size int32 [batch, 2] (what is right of and below it is
  padding to the size of the batch, which costs and mask terms leave out).

  Attributes:
    weights: the weight of each term.
  """

  def __init__(self, config: Losses, num_classes: int, in_graph: bool):
    """Makes the criterion.

    Args:
      config: weights.
      num_classes: without no-object.
      in_graph: static shapes and the assignment solver in the graph, so that it compiles under XLA.
    """
    self._config = config
    self._num_classes = num_classes
    self._in_graph = in_graph
    self.weights = {'class': config.class_weight, 'mask': config.mask_weight, 'dice': config.dice_weight}

  def cost(self, outputs: dict[str, tf.Tensor], targets: dict[str, tf.Tensor], seed: tf.Tensor | None = None
           ) -> tf.Tensor:
    """Returns the matching costs, float32 [layers, batch, queries, segments]; no gradient, nothing random."""
    del seed
    mask_logits = tf.stop_gradient(outputs['mask_logits'])
    dynamic = tf.shape(mask_logits)
    size = [dynamic[i] if mask_logits.shape[i] is None else mask_logits.shape[i] for i in (3, 4)]
    masks = mask_ops.segment_masks(targets['id_maps'], targets['plane'], size)
    inside = None
    if 'image_size' in targets:
      inside = mask_ops.inside(-(-targets['image_size'] // per_pixel.STRIDE), size)
    return pairwise.total_cost(
        tf.stop_gradient(outputs['class_logits']), mask_logits, targets['classes'], masks, self._config, inside)

  def match(self, outputs: dict[str, tf.Tensor], targets: dict[str, tf.Tensor], seed: tf.Tensor | None = None
            ) -> tf.Tensor:
    """Returns the query of each target, int32 [layers, batch, segments]; -1 where there is none.

    Args:
      outputs: the model's.
      targets: the batch's.
      seed: int32 [2], of the points of `PointSetLoss`.
    """
    segments = tf.shape(targets['valid'])[1]
    if not self._in_graph:
      used = _used_slots(targets)  # the empty ones need no costs
      targets = {**targets, **{k: targets[k][:, :used] for k in ('classes', 'plane', 'valid')}}
    query_index = assignment.assign(self.cost(outputs, targets, seed), targets['valid'], self._in_graph)
    if not self._in_graph:
      query_index = tf.pad(query_index, [[0, 0], [0, 0], [0, segments - used]], constant_values=-1)
    return tf.stop_gradient(query_index)

  def _class_weights(self, targets, num_queries: int):
    """Returns the summed weights of each image's queries, float32 [batch]: a matched one's is 1."""
    matched = tf.reduce_sum(tf.cast(targets['valid'], tf.float32), axis=1)
    matched = tf.minimum(matched, float(num_queries))
    weights = matched + self._config.no_object_weight * (num_queries - matched)
    return weights * tf.cast(targets['is_real'], tf.float32) if 'is_real' in targets else weights

  def normalizers(self, targets: dict[str, tf.Tensor], num_queries: int) -> Normalizers:
    """Returns what the terms of a whole step are normalized by; asks the other replicas.

    The mask terms are divided by the number of targets per replica, at least 1 (official criterion.py: `num_masks`);
    the class term is a weighted mean over groups of `images_per_normalizer` images.

    Args:
      targets: the replica's batch.
      num_queries: of the model.
    """
    count = tf.reduce_sum(tf.cast(targets['valid'], tf.float32))
    return Normalizers(
        tf.maximum(normalizers.mean_over_replicas(count), 1.0),
        normalizers.shares(self._class_weights(targets, num_queries), self._config.images_per_normalizer))

  def normalizers_alone(self, targets: dict[str, tf.Tensor], num_queries: int) -> Normalizers:
    """Returns the normalizers of one image that is a batch of its own, whatever the other replicas hold."""
    count = tf.reduce_sum(tf.cast(targets['valid'], tf.float32))
    return Normalizers(
        tf.maximum(count, 1.0), tf.math.reciprocal_no_nan(self._class_weights(targets, num_queries)))

  def terms(self, outputs: dict[str, tf.Tensor], targets: dict[str, tf.Tensor], query_index: tf.Tensor,
            normalized_by: Normalizers | None = None, seed: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
    """Computes the unweighted terms of this replica.

    Args:
      outputs: the model's.
      targets: the batch's.
      query_index: from `match`.
      normalized_by: of the step that these images are a part of; default: they are all of it.
      seed: int32 [2], of the points of `PointSetLoss`.

    Returns:
      {'class', 'mask', 'dice'}: float32 [layers] each.
    """
    if normalized_by is None:
      normalized_by = self.normalizers(targets, outputs['class_logits'].shape[2])
    masks = self._mask_terms(outputs, targets, query_index, seed) / normalized_by.num_masks
    cross_entropy = self._class_sums(outputs['class_logits'], targets, query_index)
    return {
        'class': tf.reduce_sum(cross_entropy * normalized_by.class_shares, axis=1),
        'mask': masks[:, 0],
        'dice': masks[:, 1],
    }

  def weigh(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
    """Returns the weighted sum over terms and layers, a scalar."""
    return tf.add_n([self.weights[name] * tf.reduce_sum(terms[name]) for name in TERMS])

  def _class_sums(self, class_logits, targets, query_index):
    """Weighted cross entropy, summed over queries: [layers, batch]; unmatched queries should say no-object."""
    queries = class_logits.shape[2]
    # One hot over queries: -1 hits none.
    hits = tf.one_hot(query_index, queries, dtype=tf.int32)
    offset = targets['classes'][None, :, :, None] - self._num_classes
    labels = self._num_classes + tf.reduce_sum(hits * offset, axis=2)
    log_probability = tf.nn.log_softmax(tf.cast(class_logits, tf.float32))
    picked = tf.gather(log_probability, labels, axis=3, batch_dims=3)
    weights = tf.where(labels == self._num_classes, self._config.no_object_weight, 1.0)
    return -tf.reduce_sum(weights * picked, axis=2)

  def _mask_terms(self, outputs, targets, query_index, seed=None):
    """Sums of focal and dice losses over matched masks, float32 [layers, 2]."""
    del seed
    layers = query_index.shape[0]
    logits, weight, (prediction, image, slot) = self._matched(outputs, targets, query_index)
    layer = tf.gather_nd(targets['plane'], tf.stack([image, slot], axis=1))
    losses = mask_losses.focal_and_dice(
        logits, targets['id_maps'], image, layer, slot, self._config.focal_alpha, self._config.focal_gamma,
        targets.get('image_size'))
    return tf.math.unsorted_segment_sum(losses * weight[:, None], prediction, layers)

  def _matched(self, outputs, targets, query_index):
    """Returns logits [n, h, w] of matched masks, weight [n] (0: a slot without a match), and where: three of [n]."""
    if not self._in_graph:
      query_index = query_index[:, :, :_used_slots(targets)]
    of_slots = logits_of(outputs, tf.maximum(query_index, 0))
    if self._in_graph:
      size = shape_ops.sizes(of_slots)[3:]
      where = tf.unstack(tf.reshape(tf.stack(tf.meshgrid(
          *[tf.range(n) for n in shape_ops.sizes(query_index)], indexing='ij'), axis=-1), [-1, 3]), axis=1)
      logits = tf.reshape(of_slots, [-1, *size])
      weight = tf.cast(tf.reshape(query_index >= 0, [-1]), tf.float32)
    else:
      where = tf.cast(tf.where(query_index >= 0), tf.int32)
      logits, weight = tf.gather_nd(of_slots, where), tf.ones([tf.shape(where)[0]])
      where = tf.unstack(where, axis=1)
    # A slot without a match is computed and weighs nothing; zeroed first, so that no NaN comes back from it.
    return tf.where(weight[:, None, None] > 0, logits, 0.0), weight, where


def _used_slots(targets) -> tf.Tensor:
  """The number of slots that any image of the batch uses; slots are filled from the first."""
  return tf.reduce_max(tf.reduce_sum(tf.cast(targets['valid'], tf.int32), axis=1))


def logits_of(outputs, query: tf.Tensor | None = None) -> tf.Tensor:
  """Mask logits of some queries, `query` int32 [layers, batch, n], or of all: float32 [layers, batch, n, h, w]."""
  if 'mask_embeddings' not in outputs:
    return outputs['mask_logits'] if query is None else tf.gather(outputs['mask_logits'], query, batch_dims=2)
  chosen = outputs['mask_embeddings']
  if query is not None:
    chosen = tf.gather(chosen, query, batch_dims=2)
  return products.mask_logits(chosen, outputs['mask_features'])
