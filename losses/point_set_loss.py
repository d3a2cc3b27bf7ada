"""Mask2Former's set loss: masks are matched and compared in points.

arXiv 2112.01527, 3.3; official criterion.py and matcher.py.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.losses import matched as matched_masks
from tf_maskformer.losses import pairwise
from tf_maskformer.losses import terms
from tf_maskformer.losses.matched import Matched
from tf_maskformer.losses.set_loss import SetLoss
from tf_maskformer.losses.set_loss import Tensors
from tf_maskformer.losses.set_loss import planes_of
from tf_maskformer.ops import points as point_ops
from tf_maskformer.ops import shape as shape_ops

# Random points: (prediction, purpose, shape) -> float32 [*shape, 2] in [0, 1).
Draw = Callable[[int, str, list], tf.Tensor]
_PURPOSES = ('match', 'candidates', 'fresh')


def uniform(seed: tf.Tensor) -> Draw:
  """Returns uniform points that are a function of a seed, int32 [2]."""
  def draw(prediction, purpose, shape):
    salt = len(_PURPOSES) * prediction + _PURPOSES.index(purpose)
    own_seed = tf.random.experimental.stateless_fold_in(seed, salt)
    return tf.random.stateless_uniform([*shape, 2], own_seed)
  return draw


class PointSetLoss(SetLoss):
  """The criterion; see `SetLoss` for outputs, of which h, w are a quarter of the image's size."""

  def __init__(self, config: PointLosses, num_classes: int, in_graph: bool,
               draw: Draw | None = None):
    """Makes the criterion.

    Args:
      config: weights and numbers of points.
      num_classes: without no-object.
      in_graph: static shapes and the assignment solver in the graph, so that it compiles under XLA.
      draw: where points come from; None: `uniform` of the seed that the calls are given.
    """
    super().__init__(config, num_classes, in_graph)
    self._draw = draw

  def _draw_with(self, seed: tf.Tensor | None) -> Draw:
    if self._draw is not None:
      return self._draw
    return uniform(tf.constant([0, 0]) if seed is None else seed)

  def cost(self, outputs: Tensors, targets: Tensors, seed: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the matching costs, float32 [predictions, batch, queries, segments]; no gradient.

    Each image has its own points in each prediction, shared by its queries and targets.
    """
    draw = self._draw_with(seed)
    costs = []
    for i in range(outputs['class_logits'].shape[0]):
      # One prediction after the other: the samples of all are gigabytes.
      with tf.control_dependencies(costs[-1:]):
        costs.append(self._cost_of_prediction(outputs, targets, i, draw))
    return tf.stack(costs)

  def _cost_of_prediction(self, outputs: Tensors, targets: Tensors, i: int, draw: Draw
                          ) -> tf.Tensor:
    """The costs of one prediction, float32 [batch, queries, segments]."""
    own = matched_masks.of_prediction(outputs, i)
    class_logits = tf.stop_gradient(own['class_logits'][0])
    mask_logits = tf.stop_gradient(matched_masks.logits_of(own)[0])
    points = draw(i, 'match', [shape_ops.batch_size(mask_logits), self._config.points])
    points = _in_images(points, targets)
    logits = tf.transpose(point_ops.sample_shared(mask_logits, points), [0, 2, 1])
    masks = point_ops.sample_segments(targets['id_maps'], targets['plane'], points)
    entropy, dice = pairwise.point_costs(logits, masks)
    of_class = pairwise.class_cost(class_logits, targets['classes'])
    return pairwise.weighted(self._config, of_class, entropy, dice)

  def _mask_terms(self, outputs: Tensors, targets: Tensors, query_index: tf.Tensor,
                  seed: tf.Tensor | None = None) -> tf.Tensor:
    """Sums of cross entropy and dice losses over matched masks, float32 [predictions, 2]."""
    draw = self._draw_with(seed)
    predictions = query_index.shape[0]
    # The matched logits of all predictions come from one product, and so does their gradient.
    matched = self._matched(outputs, targets, query_index)
    sums = []
    for i, own in enumerate(matched_masks.by_prediction(matched, predictions)):
      with tf.control_dependencies(sums[-1:]):  # as in `cost`
        losses = self._matched_losses(i, targets, own, draw)
        sums.append(tf.reduce_sum(losses * own.weight[:, None], axis=0))
    return tf.stack(sums)

  def _matched_losses(self, i: int, targets: Tensors, own: Matched, draw: Draw) -> tf.Tensor:
    """Cross entropy and dice loss of the matched masks of prediction `i`, float32 [n, 2]."""
    points = self._points(i, targets, own, draw)
    masks = point_ops.sample_masks_of(
        targets['id_maps'], own.image, planes_of(targets, own), own.slot, points)
    # The samples of ten predictions would keep a quarter of a gigabyte; sampling again is fast. All
    # that is read is an argument: TensorFlow searches the graph behind anything else for variables.
    return tf.recompute_grad(_point_losses)(own.logits, points, masks)

  def _points(self, i: int, targets: Tensors, own: Matched, draw: Draw) -> tf.Tensor:
    """Points of each mask, uncertain ones and random ones, float32 [n, points, 2]."""
    c = self._config
    n = shape_ops.batch_size(own.logits)
    num_candidates = int(c.points * c.oversample_ratio)
    num_chosen = int(c.importance_ratio * c.points)
    candidates = draw(i, 'candidates', [n, num_candidates])
    candidates = _in_images(candidates, targets, own.image)
    certainty = tf.abs(point_ops.sample(tf.stop_gradient(own.logits), candidates))
    chosen = tf.gather(candidates, self._least(certainty, num_chosen), batch_dims=1)
    fresh = draw(i, 'fresh', [n, c.points - num_chosen])
    fresh = _in_images(fresh, targets, own.image)
    return tf.concat([chosen, fresh], axis=1)

  def _least(self, values: tf.Tensor, count: int) -> tf.Tensor:
    """Indices of the `count` least values of each row, in any order, int32 [n, count]."""
    if self._in_graph:
      return tf.math.top_k(-values, count, sorted=False).indices
    # A partial sort on the host: tf.math.top_k is several times slower here on CPU.
    indices = tf.numpy_function(_least_on_host, [values, count], tf.int32)
    return tf.ensure_shape(indices, [values.shape[0], count])


def _least_on_host(values: np.ndarray, count: int) -> np.ndarray:
  return np.argpartition(values, count - 1, axis=1)[:, :count].astype(np.int32)


def _point_losses(logits: tf.Tensor, points: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
  """Losses of matched masks in points; only the logits have a gradient.

  Args:
    logits: float32 [n, h, w].
    points: float32 [n, points, 2].
    masks: float32 [n, points], the targets' samples there, in [0, 1].

  Returns:
    float32 [n, 2]: sigmoid cross entropy, mean over points, and dice loss.
  """
  samples = point_ops.sample(logits, tf.stop_gradient(points))
  masks = tf.stop_gradient(masks)
  entropy = tf.reduce_mean(terms.cross_entropy(samples, masks), axis=1)
  overlap, total = terms.dice_sums(tf.sigmoid(samples), masks)
  return tf.stack([entropy, terms.dice(overlap, total)], axis=1)


def _in_images(points: tf.Tensor, targets: Tensors, image: tf.Tensor | None = None) -> tf.Tensor:
  """Moves points of padded maps into the images.

  Args:
    points: float32 [n, points, 2], (x, y) in units of the padded map.
    targets: the batch's; without image_size there is no padding.
    image: int32 [n], whose points they are; None: n is the batch.

  Returns:
    float32 [n, points, 2].
  """
  if 'image_size' not in targets:
    return points
  padded_size = tf.cast(tf.shape(targets['id_maps'])[2:], tf.float32)
  share = tf.cast(targets['image_size'], tf.float32) / padded_size
  share = tf.reverse(share, axis=[1])  # points are (x, y)
  if image is not None:
    share = tf.gather(share, image)
  return points * share[:, None]
