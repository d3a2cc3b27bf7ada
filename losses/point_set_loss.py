"""Mask2Former's set loss: masks are matched and compared in points (arXiv 2112.01527, 3.3; official criterion.py)."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.losses import PointLosses
from tf_maskformer.losses import pairwise
from tf_maskformer.losses.set_loss import SetLoss
from tf_maskformer.losses.set_loss import logits_of
from tf_maskformer.ops import points as point_ops
from tf_maskformer.ops import shape as shape_ops

# (prediction, purpose, shape) -> float32 [*shape, 2] in [0, 1); purpose is 'match', 'candidates' or 'fresh'.
Draw = Callable[[int, str, list], tf.Tensor]
_PURPOSES = ('match', 'candidates', 'fresh')


def uniform(seed: tf.Tensor) -> Draw:
  """Returns draws that are a function of a seed, int32 [2]."""
  def draw(prediction, purpose, shape):
    own = tf.random.experimental.stateless_fold_in(seed, 3 * prediction + _PURPOSES.index(purpose))
    return tf.random.stateless_uniform([*shape, 2], own)
  return draw


def _prediction(outputs, i: int) -> dict[str, tf.Tensor]:
  """The outputs of one prediction, layers is 1."""
  return {name: value if name == 'mask_features' else value[i:i + 1] for name, value in outputs.items()}


def _in_images(points, targets, image=None):
  """Brings points [n, p, 2] of whole maps into the images, whose padding has none; `image` [n]: whose they are."""
  if 'image_size' not in targets:
    return points
  whole = tf.cast(tf.shape(targets['id_maps'])[2:], tf.float32)
  share = tf.reverse(tf.cast(targets['image_size'], tf.float32) / whole, axis=[1])  # points are (x, y)
  return points * (share if image is None else tf.gather(share, image))[:, None]


class PointSetLoss(SetLoss):
  """The criterion; see `SetLoss` for its arguments. Mask logits are those at a quarter of the image's size."""

  def __init__(self, config: PointLosses, num_classes: int, in_graph: bool, draw: Draw | None = None):
    """Makes the criterion.

    Args:
      config: weights and numbers of points.
      num_classes: without no-object.
      in_graph: static shapes and the assignment solver in the graph, so that it compiles under XLA.
      draw: where points come from; default: `uniform` of the seed that the calls are given.
    """
    super().__init__(config, num_classes, in_graph)
    self._draw = draw

  def _draws(self, seed) -> Draw:
    if self._draw is not None:
      return self._draw
    return uniform(tf.constant([0, 0]) if seed is None else seed)

  def cost(self, outputs, targets, seed=None):
    """Returns the matching costs, float32 [predictions, batch, queries, segments]; no gradient.

    Every image has its own points in every prediction, shared by its queries and targets.
    """
    draw, c, costs = self._draws(seed), self._config, []
    for i in range(outputs['class_logits'].shape[0]):
      with tf.control_dependencies(costs[-1:]):  # one prediction after the other: the samples of all are gigabytes
        own = _prediction(outputs, i)
        mask_logits = tf.stop_gradient(logits_of(own)[0])
        points = _in_images(draw(i, 'match', [shape_ops.batch_size(mask_logits), c.points]), targets)
        logits = tf.transpose(point_ops.sample_shared(mask_logits, points), [0, 2, 1])
        masks = point_ops.sample_segments(targets['id_maps'], targets['plane'], points)
        entropy, dice = pairwise.point_costs(logits, masks)
        costs.append(c.cost_class * pairwise.class_cost(tf.stop_gradient(own['class_logits'][0]), targets['classes'])
                     + c.cost_mask * entropy + c.cost_dice * dice)
    return tf.stack(costs)

  def _matched_losses(self, prediction, targets, logits, image, slot, seed):
    """Cross entropy and dice loss of matched masks [n, h, w] of one prediction, float32 [n, 2]."""
    draw, n, c = self._draws(seed), tf.shape(logits)[0], self._config
    if logits.shape[0] is not None:
      n = logits.shape[0]
    candidates = _in_images(draw(prediction, 'candidates', [n, int(c.points * c.oversample_ratio)]), targets, image)
    num_chosen = int(c.importance_ratio * c.points)
    certainty = tf.abs(point_ops.sample(tf.stop_gradient(logits), candidates))
    chosen = self._least(certainty, num_chosen)
    fresh = _in_images(draw(prediction, 'fresh', [n, c.points - num_chosen]), targets, image)
    points = tf.concat([tf.gather(candidates, chosen, batch_dims=1), fresh], axis=1)
    layer = tf.gather_nd(targets['plane'], tf.stack([image, slot], axis=1))
    masks = point_ops.sample_masks_of(targets['id_maps'], image, layer, slot, points)

    def losses(x, points, masks):
      x, masks = point_ops.sample(x, tf.stop_gradient(points)), tf.stop_gradient(masks)
      entropy = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=masks, logits=x), axis=1)
      p = tf.sigmoid(x)
      dice = 1 - (2 * tf.reduce_sum(p * masks, 1) + 1) / (tf.reduce_sum(p, 1) + tf.reduce_sum(masks, 1) + 1)
      return tf.stack([entropy, dice], axis=1)
    # What the samples of ten predictions would keep is a quarter of a gigabyte; they are soon taken again. All that
    # is read comes as an argument: TensorFlow searches the graph behind anything else for variables.
    return tf.recompute_grad(losses)(logits, points, masks)

  def _least(self, values, count: int):
    """Places of the `count` least values of each row, in any order, int32 [n, count]."""
    if self._in_graph:
      return tf.math.top_k(-values, count, sorted=False).indices
    # A partial sort on the host: TensorFlow's top_k of so many is some times slower on the CPU.
    def least(x):
      return np.argpartition(x, count - 1, axis=1)[:, :count].astype(np.int32)
    result = tf.numpy_function(least, [values], tf.int32)
    return tf.ensure_shape(result, [values.shape[0], count])

  def _mask_terms(self, outputs, targets, query_index, seed=None):
    """Sums of cross entropy and dice losses over matched masks, float32 [predictions, 2]."""
    predictions, sums = query_index.shape[0], []
    logits, weight, (_, image, slot) = self._matched(outputs, targets, query_index)
    # Every prediction matches as many; the matched logits of all come of one product, and so does its gradient.
    split = lambda x: tf.unstack(tf.reshape(x, [predictions, -1, *shape_ops.sizes(x)[1:]]))
    weights = split(weight)
    for i, own in enumerate(zip(split(logits), split(image), split(slot))):
      with tf.control_dependencies(sums[-1:]):  # as in `cost`
        losses = self._matched_losses(i, targets, *own, seed)
        sums.append(tf.reduce_sum(losses * weights[i][:, None], axis=0))
    return tf.stack(sums)
