"""Matching costs between every query and every target (MaskFormer paper 3.2, official matcher.py).

Cross entropy, focal loss and the sums of the dice loss are linear in the target's mask, so that the
costs of all pairs are matrix products.
"""

import tensorflow as tf

from tf_maskformer.configs.losses import Losses
from tf_maskformer.losses import terms
from tf_maskformer.ops import shape as shape_ops


def class_cost(class_logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
  """Minus the probability of the target's class.

  Args:
    class_logits: float32 [batch, queries, classes + 1].
    classes: int32 [batch, segments].

  Returns:
    float32 [batch, queries, segments] in [-1, 0].
  """
  return -tf.gather(tf.nn.softmax(class_logits), classes, axis=2, batch_dims=1)


def mask_costs(mask_logits: tf.Tensor, masks: tf.Tensor, alpha: float, gamma: float,
               inside: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
  """Focal and dice costs.

  Args:
    mask_logits: float32 [batch, queries, pixels].
    masks: float32 [batch, segments, pixels] of zeros and ones.
    alpha: weight of the foreground in the focal cost; negative: no weights.
    gamma: its exponent.
    inside: float32 [batch, pixels], 1 in the image, 0 in its padding, which counts nothing; None:
      there is no padding.

  Returns:
    Focal (mean over the image's pixels, >= 0) and dice (in [0, 1]) cost, float32 [batch, queries,
    segments].
  """
  probability = tf.sigmoid(mask_logits)
  background = terms.background_cross_entropy(mask_logits)
  foreground = background - mask_logits
  weight, background_weight = terms.focal_weights(alpha)
  positive = terms.focal(1 - probability, foreground, weight, gamma)
  negative = terms.focal(probability, background, background_weight, gamma)
  num_pixels = tf.cast(tf.shape(mask_logits)[2], tf.float32)
  if inside is not None:
    # Masks are zero in the padding, so what is multiplied by them may have any value there.
    num_pixels = tf.reduce_sum(inside, axis=1)[:, None, None]
    negative *= inside[:, None]
    probability *= inside[:, None]
  focal = _sum_over_pixels(negative, negative - positive, masks) / num_pixels
  return focal, _dice(probability, masks)


def point_costs(logits: tf.Tensor, masks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
  """Cross entropy and dice costs in points (Mask2Former).

  Args:
    logits: float32 [batch, queries, points].
    masks: float32 [batch, segments, points] in [0, 1].

  Returns:
    Sigmoid cross entropy (mean over points, >= 0) and dice (in [0, 1]) cost, float32 [batch,
    queries, segments].
  """
  num_points = tf.cast(tf.shape(logits)[2], tf.float32)
  background = terms.background_cross_entropy(logits)
  entropy = _sum_over_pixels(background, logits, masks) / num_points
  return entropy, _dice(tf.sigmoid(logits), masks)


def _sum_over_pixels(outside: tf.Tensor, saving: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
  """Sums, for every pair, what pixels cost.

  Args:
    outside: float32 [batch, queries, pixels], the cost of a pixel outside the mask.
    saving: float32 [batch, queries, pixels], how much less it costs inside the mask.
    masks: float32 [batch, segments, pixels].

  Returns:
    float32 [batch, queries, segments].
  """
  saved = tf.matmul(saving, masks, transpose_b=True)
  return tf.reduce_sum(outside, axis=2, keepdims=True) - saved


def _dice(probability: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
  """Dice of every pair, float32 [batch, queries, segments]."""
  overlap = tf.matmul(probability, masks, transpose_b=True)
  of_query = tf.reduce_sum(probability, axis=2)
  of_segment = tf.reduce_sum(masks, axis=2)
  return terms.dice(overlap, of_query[:, :, None] + of_segment[:, None])


def total_cost(class_logits: tf.Tensor, mask_logits: tf.Tensor, classes: tf.Tensor,
               masks: tf.Tensor, config: Losses, inside: tf.Tensor | None = None) -> tf.Tensor:
  """Weighted sum of the three costs of every prediction.

  Args:
    class_logits: float32 [predictions, batch, queries, classes + 1].
    mask_logits: float32 [predictions, batch, queries, height, width].
    classes: int32 [batch, segments].
    masks: float32 [batch, segments, height * width].
    config: the weights.
    inside: float32 [batch, height * width], see `mask_costs`.

  Returns:
    float32 [predictions, batch, queries, segments].
  """
  predictions, batch, queries, height, width = shape_ops.sizes(mask_logits)
  logits = tf.reshape(mask_logits, [predictions, batch, queries, height * width])
  costs = []
  # One prediction at a time: the element-wise intermediates are as large as the logits themselves.
  for i in range(predictions):
    focal, dice = mask_costs(logits[i], masks, config.focal_alpha, config.focal_gamma, inside)
    of_class = class_cost(class_logits[i], classes)
    costs.append(weighted(config, of_class, focal, dice))
  return tf.stack(costs)


def weighted(config: Losses, of_class: tf.Tensor, of_mask: tf.Tensor, dice: tf.Tensor) -> tf.Tensor:
  """Returns the weighted sum of three costs of the same shape."""
  return config.cost_class * of_class + config.cost_mask * of_mask + config.cost_dice * dice
