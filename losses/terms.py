"""The formulas of the mask terms, each written once: dice, sigmoid cross entropy, sigmoid focal.

Losses of matched pairs and matching costs of all pairs are both made of these. x is a logit, p its
sigmoid and m the value of the mask, 0 .. 1. `wrong` is the probability of the wrong answer: 1 - p
inside a mask, p outside.
"""

import tensorflow as tf

# Added to both parts of the dice ratio, so that two empty masks agree (official `dice_loss`).
DICE_SMOOTHING = 1


def dice(overlap: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
  """Dice loss, 1 - (2 sum(p m) + 1) / (sum p + sum m + 1), in [0, 1).

  Args:
    overlap: float32 [...], sum(p m) over the pixels.
    total: float32 [...], sum p + sum m.

  Returns:
    float32 [...].
  """
  return 1 - (2 * overlap + DICE_SMOOTHING) / (total + DICE_SMOOTHING)


def dice_sums(probability: tf.Tensor, masks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
  """Returns what `dice` needs of matched pairs, float32 [n] each, from p and m, [n, ...]."""
  pixels = list(range(1, masks.shape.rank))
  overlap = tf.reduce_sum(probability * masks, pixels)
  total = tf.reduce_sum(probability, pixels) + tf.reduce_sum(masks, pixels)
  return overlap, total


def dice_slope(overlap: tf.Tensor, total: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
  """Derivative of `dice` with respect to p of each pixel.

  Args:
    overlap: float32 [n].
    total: float32 [n].
    masks: float32 [n, height, width].

  Returns:
    float32 [n, height, width].
  """
  denominator = total + DICE_SMOOTHING
  ratio = (2 * overlap + DICE_SMOOTHING) / denominator
  scale = 1 / denominator
  return scale[:, None, None] * (ratio[:, None, None] - 2 * masks)


def cross_entropy(logits: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
  """Sigmoid cross entropy of each pixel, -m log p - (1 - m) log(1 - p), like logits, >= 0."""
  return tf.nn.sigmoid_cross_entropy_with_logits(labels=masks, logits=logits)


def background_cross_entropy(logits: tf.Tensor) -> tf.Tensor:
  """`cross_entropy` where m is 0, -log(1 - p), like logits, >= 0.

  Where m is 1 it is that of -x, which is smaller by x; so for any m it is smaller by m x.
  """
  return tf.nn.softplus(logits)


def focal_weights(alpha: float) -> tuple[float, float]:
  """Returns the focal loss's weights of pixels inside and outside a mask; none if alpha < 0."""
  if alpha < 0:
    return 1.0, 1.0
  return alpha, 1 - alpha


def focal(wrong: tf.Tensor, entropy: tf.Tensor, weight: float | tf.Tensor, gamma: float
          ) -> tf.Tensor:
  """Sigmoid focal loss of each pixel (Lin et al., arXiv 1708.02002, eq. 5).

  Args:
    wrong: float32 [...], in [0, 1].
    entropy: float32 [...], the pixel's cross entropy, -log(1 - wrong).
    weight: of the pixel, see `focal_weights`; broadcasts.
    gamma: exponent.

  Returns:
    float32 [...], weight wrong^gamma entropy.
  """
  return _modulation(wrong, weight, gamma) * entropy


def focal_with_slope(wrong: tf.Tensor, entropy: tf.Tensor, weight: float | tf.Tensor, gamma: float
                     ) -> tuple[tf.Tensor, tf.Tensor]:
  """Returns `focal` and its derivative with respect to the logit whose sigmoid is `wrong`."""
  modulation = _modulation(wrong, weight, gamma)
  slope = modulation * (gamma * (1 - wrong) * entropy + wrong)
  return modulation * entropy, slope


def _modulation(wrong: tf.Tensor, weight: float | tf.Tensor, gamma: float) -> tf.Tensor:
  power = tf.square(wrong) if gamma == 2 else tf.pow(wrong, gamma)
  return weight * power
