"""Matching costs between every query and every target (MaskFormer paper 3.2, official matcher.py)."""

import tensorflow as tf

from tf_maskformer.configs.losses import Losses


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
  """Focal and dice costs; both are linear in the targets, so each is a matrix product.

  Args:
    mask_logits: float32 [batch, queries, pixels].
    masks: float32 [batch, segments, pixels] of zeros and ones.
    alpha: weight of the foreground in the focal cost; negative: no weights.
    gamma: its exponent.
    inside: float32 [batch, pixels], 1 in the image, 0 in its padding, which counts nothing; default: no padding.

  Returns:
    Focal (mean over the image's pixels, >= 0) and dice (in [0, 1]) cost, float32 [batch, queries, segments].
  """
  probability = tf.sigmoid(mask_logits)
  background = tf.nn.softplus(mask_logits)
  foreground = background - mask_logits  # softplus(-x)
  positive = _power(1 - probability, gamma) * foreground * (alpha if alpha >= 0 else 1.0)
  negative = _power(probability, gamma) * background * (1 - alpha if alpha >= 0 else 1.0)
  if inside is None:
    num_pixels = tf.cast(tf.shape(mask_logits)[2], tf.float32)
  else:  # targets are zero in the padding, so what is multiplied with them may have any value there
    num_pixels = tf.reduce_sum(inside, axis=1)[:, None, None]
    negative *= inside[:, None]
    probability *= inside[:, None]
  product = tf.matmul(positive - negative, masks, transpose_b=True)
  focal = (product + tf.reduce_sum(negative, axis=2, keepdims=True)) / num_pixels
  overlap = tf.matmul(probability, masks, transpose_b=True)
  total = tf.reduce_sum(probability, axis=2)[:, :, None] + tf.reduce_sum(masks, axis=2)[:, None]
  return focal, 1 - (2 * overlap + 1) / (total + 1)


def point_costs(logits: tf.Tensor, masks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
  """Cross entropy and dice costs in points (Mask2Former); linear in the targets too, which may be soft.

  Args:
    logits: float32 [batch, queries, points].
    masks: float32 [batch, segments, points] in [0, 1].

  Returns:
    Sigmoid cross entropy (mean over points, >= 0) and dice (in [0, 1]) cost, float32 [batch, queries, segments].
  """
  background = tf.nn.softplus(logits)
  # softplus(-x) - softplus(x) = -x.
  product = -tf.matmul(logits, masks, transpose_b=True)
  entropy = (product + tf.reduce_sum(background, axis=2, keepdims=True)) / tf.cast(tf.shape(logits)[2], tf.float32)
  probability = tf.sigmoid(logits)
  overlap = tf.matmul(probability, masks, transpose_b=True)
  total = tf.reduce_sum(probability, axis=2)[:, :, None] + tf.reduce_sum(masks, axis=2)[:, None]
  return entropy, 1 - (2 * overlap + 1) / (total + 1)


def _power(x: tf.Tensor, gamma: float) -> tf.Tensor:
  return tf.square(x) if gamma == 2 else tf.pow(x, gamma)


def total_cost(class_logits: tf.Tensor, mask_logits: tf.Tensor, classes: tf.Tensor, masks: tf.Tensor,
               config: Losses, inside: tf.Tensor | None = None) -> tf.Tensor:
  """Weighted sum of the three costs of every layer.

  Args:
    class_logits: float32 [layers, batch, queries, classes + 1].
    mask_logits: float32 [layers, batch, queries, height, width].
    classes: int32 [batch, segments].
    masks: float32 [batch, segments, height * width].
    config: the weights.
    inside: float32 [batch, height * width], see `mask_costs`.

  Returns:
    float32 [layers, batch, queries, segments].
  """
  shape = tf.shape(mask_logits)
  logits = tf.reshape(mask_logits, [shape[0], shape[1], shape[2], shape[3] * shape[4]])
  costs = []
  # A layer at a time: the element-wise intermediates are as large as the logits themselves.
  for layer in range(mask_logits.shape[0]):
    focal, dice = mask_costs(logits[layer], masks, config.focal_alpha, config.focal_gamma, inside)
    costs.append(config.cost_class * class_cost(class_logits[layer], classes)
                 + config.cost_mask * focal + config.cost_dice * dice)
  return tf.stack(costs)
