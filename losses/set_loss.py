"""MaskFormer's set loss: queries are matched to targets, then class, focal and dice terms."""

from typing import NamedTuple

import tensorflow as tf

from tf_maskformer.configs.losses import Losses
from tf_maskformer.losses import assignment
from tf_maskformer.losses import mask_losses
from tf_maskformer.losses import matched as matched_masks
from tf_maskformer.losses import normalizers
from tf_maskformer.losses import pairwise
from tf_maskformer.ops import id_maps as id_map_ops
from tf_maskformer.ops import image as image_ops
from tf_maskformer.ops import shape as shape_ops
from tf_maskformer.ops.strides import MASK_STRIDE

TERMS = ('class', 'mask', 'dice')

Tensors = dict[str, tf.Tensor]


class Normalizers(NamedTuple):
  """What the terms are normalized by.

  They depend on the targets only, so that a batch may be taken in parts.

  Attributes:
    num_masks: float32 scalar, what the mask terms are divided by.
    class_shares: float32 [batch], what each image's weighted cross entropies are multiplied by.
  """
  num_masks: tf.Tensor
  class_shares: tf.Tensor


class SetLoss:
  """The criterion (MaskFormer paper 3.2 and 3.3, official criterion.py and matcher.py).

  Outputs are the model's: class_logits [predictions, batch, queries, classes + 1] and mask_logits
  [predictions, batch, queries, h, w]. A model in training adds mask_embeddings [predictions, batch,
  queries, channels] and mask_features, [batch, h, w, channels] of all predictions or [predictions,
  batch, h, w, channels]; the mask terms make the logits of matched masks from these, so that no
  gradient as large as mask_logits is ever made.

  Targets are a batch's: id_maps [batch, planes, height, width]; classes, plane and valid [batch,
  segments]; optionally is_real bool [batch] (False: the image only fills the batch) and image_size
  int32 [batch, 2] (what is right of and below it is padding to the size of the batch, which costs
  and mask terms leave out).

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
    self.weights = {
        'class': config.class_weight, 'mask': config.mask_weight, 'dice': config.dice_weight}

  def cost(self, outputs: Tensors, targets: Tensors, seed: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the matching costs, float32 [predictions, batch, queries, segments]; no gradient."""
    del seed  # nothing here is random
    class_logits = tf.stop_gradient(outputs['class_logits'])
    mask_logits = tf.stop_gradient(outputs['mask_logits'])
    size = shape_ops.sizes(mask_logits)[3:]
    masks = id_map_ops.segment_masks(targets['id_maps'], targets['plane'], size)
    inside = None
    if 'image_size' in targets:
      low_size = -(-targets['image_size'] // MASK_STRIDE)
      inside = tf.cast(image_ops.inside(low_size, size), tf.float32)
      inside = tf.reshape(inside, [-1, size[0] * size[1]])
    return pairwise.total_cost(
        class_logits, mask_logits, targets['classes'], masks, self._config, inside)

  def match(self, outputs: Tensors, targets: Tensors, seed: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the query of each target, int32 [predictions, batch, segments]; -1: none.

    Args:
      outputs: the model's.
      targets: the batch's.
      seed: int32 [2], of the points of `PointSetLoss`.
    """
    if self._in_graph:
      cost = self.cost(outputs, targets, seed)
      return tf.stop_gradient(assignment.assign(cost, targets['valid'], in_graph=True))
    # Empty slots need no costs.
    segments = tf.shape(targets['valid'])[1]
    used = matched_masks.used_slots(targets)
    of_slots = {name: targets[name][:, :used] for name in ('classes', 'plane', 'valid')}
    cost = self.cost(outputs, {**targets, **of_slots}, seed)
    query_index = assignment.assign(cost, of_slots['valid'], in_graph=False)
    query_index = tf.pad(
        query_index, [[0, 0], [0, 0], [0, segments - used]], constant_values=-1)
    return tf.stop_gradient(query_index)

  def _class_weights(self, targets: Tensors, num_queries: int) -> tf.Tensor:
    """Sums the weights of each image's queries, float32 [batch]; a matched one's is 1."""
    num_matched = tf.reduce_sum(tf.cast(targets['valid'], tf.float32), axis=1)
    num_matched = tf.minimum(num_matched, float(num_queries))
    weights = num_matched + self._config.no_object_weight * (num_queries - num_matched)
    if 'is_real' in targets:
      weights *= tf.cast(targets['is_real'], tf.float32)
    return weights

  def normalizers(self, targets: Tensors, num_queries: int) -> Normalizers:
    """Returns what the terms of a full step are normalized by; asks the other replicas.

    The mask terms are divided by the number of targets per replica, at least 1 (official
    criterion.py: `num_masks`); the class term is a weighted mean over groups of
    `images_per_normalizer` images.

    Args:
      targets: the replica's batch.
      num_queries: of the model.
    """
    count = tf.reduce_sum(tf.cast(targets['valid'], tf.float32))
    weights = self._class_weights(targets, num_queries)
    return Normalizers(
        tf.maximum(normalizers.mean_over_replicas(count), 1.0),
        normalizers.shares(weights, self._config.images_per_normalizer))

  def normalizers_alone(self, targets: Tensors, num_queries: int) -> Normalizers:
    """Returns the normalizers of one image that is a batch of its own; asks no replica."""
    count = tf.reduce_sum(tf.cast(targets['valid'], tf.float32))
    weights = self._class_weights(targets, num_queries)
    return Normalizers(tf.maximum(count, 1.0), tf.math.reciprocal_no_nan(weights))

  def terms(self, outputs: Tensors, targets: Tensors, query_index: tf.Tensor,
            normalized_by: Normalizers | None = None, seed: tf.Tensor | None = None) -> Tensors:
    """Computes the unweighted terms of this replica.

    Args:
      outputs: the model's.
      targets: the batch's.
      query_index: from `match`.
      normalized_by: of the step that these images are a part of; None: they are all of it.
      seed: int32 [2], of the points of `PointSetLoss`.

    Returns:
      {'class', 'mask', 'dice'}: float32 [predictions] each.
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

  def weigh(self, terms: Tensors) -> tf.Tensor:
    """Returns the weighted sum over terms and predictions, a scalar."""
    return tf.add_n([self.weights[name] * tf.reduce_sum(terms[name]) for name in TERMS])

  def _class_sums(self, class_logits: tf.Tensor, targets: Tensors, query_index: tf.Tensor
                  ) -> tf.Tensor:
    """Weighted cross entropy, summed over queries: float32 [predictions, batch].

    The label of an unmatched query is no-object.
    """
    num_queries = class_logits.shape[2]
    hits = tf.one_hot(query_index, num_queries, dtype=tf.int32)  # -1 hits none
    offset = targets['classes'][None, :, :, None] - self._num_classes
    labels = self._num_classes + tf.reduce_sum(hits * offset, axis=2)
    log_probability = tf.nn.log_softmax(tf.cast(class_logits, tf.float32))
    of_label = tf.gather(log_probability, labels, axis=3, batch_dims=3)
    weights = tf.where(labels == self._num_classes, self._config.no_object_weight, 1.0)
    return -tf.reduce_sum(weights * of_label, axis=2)

  def _mask_terms(self, outputs: Tensors, targets: Tensors, query_index: tf.Tensor,
                  seed: tf.Tensor | None = None) -> tf.Tensor:
    """Sums of focal and dice losses over matched masks, float32 [predictions, 2]."""
    del seed  # nothing here is random
    matched = self._matched(outputs, targets, query_index)
    losses = mask_losses.focal_and_dice(
        matched.logits, targets['id_maps'], matched.image, planes_of(targets, matched),
        matched.slot, self._config.focal_alpha, self._config.focal_gamma,
        targets.get('image_size'))
    return tf.math.unsorted_segment_sum(
        losses * matched.weight[:, None], matched.prediction, query_index.shape[0])

  def _matched(self, outputs: Tensors, targets: Tensors, query_index: tf.Tensor
               ) -> matched_masks.Matched:
    """Returns the masks that have a target."""
    if self._in_graph:
      return matched_masks.of_every_slot(outputs, query_index)
    used = matched_masks.used_slots(targets)
    return matched_masks.of_matched_slots(outputs, query_index[:, :, :used])


def planes_of(targets: Tensors, matched: matched_masks.Matched) -> tf.Tensor:
  """Returns the plane that holds the target of each matched mask, int32 [n]."""
  return tf.gather_nd(targets['plane'], tf.stack([matched.image, matched.slot], axis=1))
