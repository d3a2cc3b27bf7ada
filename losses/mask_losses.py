"""Sigmoid focal and dice loss of matched masks at full resolution, with their gradient in closed form.

The official code upsamples the matched logits to the size of the targets and lets autograd keep a dozen
full-size intermediates. Here the upsampling is a product with two constant matrices, and while a chunk of masks
is at hand both its losses and their gradients with respect to the low-resolution logits are computed; nothing of
full size outlives the chunk.
"""

import tensorflow as tf

from tf_maskformer.ops import masks as mask_ops
from tf_maskformer.ops import resize

# Pixels of the masks that are at full size at the same time: two masks of 512x512.
CHUNK_PIXELS = 2**19

# A logit whose wrong answer has no probability: its losses and their gradients are zero.
SURE = -1e4


def _focal_terms(probability_wrong, cross_entropy, is_target, alpha, gamma):
  """Focal loss and its derivative by -logit (target) or logit (background), per pixel."""
  q = probability_wrong
  weight = tf.where(is_target, alpha, 1 - alpha) if alpha >= 0 else 1.0
  modulated = weight * (tf.square(q) if gamma == 2 else tf.pow(q, gamma))
  return modulated * cross_entropy, modulated * (gamma * (1 - q) * cross_entropy + q)


def _chunk_losses(logits, is_target, own_size, alpha, gamma):
  """Losses [n] of a chunk and their gradients [n, h, w] by its low-resolution logits [n, h, w].

  `own_size` int32 [n, 2]: what lies right of and below it is padding and counts nothing; None: there is none.
  """
  height, width = is_target.shape[1], is_target.shape[2]
  shape = tf.shape(is_target)
  height, width = (shape[1] if height is None else height), (shape[2] if width is None else width)
  low = [tf.shape(logits)[i] if logits.shape[i] is None else logits.shape[i] for i in (1, 2)]
  x = resize.bilinear(logits, (height, width))
  target = tf.cast(is_target, tf.float32)
  sign = 1 - 2 * target
  s = sign * x
  if own_size is None:
    num_pixels = tf.cast(shape[1] * shape[2], tf.float32)
  else:
    own_size = tf.maximum(own_size, 1)  # rows that only fill the chunk have none
    num_pixels = tf.cast(tf.reduce_prod(own_size, axis=1), tf.float32)
    inside = tf.reshape(mask_ops.inside(own_size, (height, width)), [-1, height, width])
    s = tf.where(inside > 0, s, SURE)
  q = tf.sigmoid(s)  # 1 - the probability of the right answer

  focal, focal_slope = _focal_terms(q, tf.nn.softplus(s), is_target, alpha, gamma)
  focal_loss = tf.reduce_sum(focal, [1, 2]) / num_pixels

  probability = tf.where(is_target, 1 - q, q)
  numerator = 2 * tf.reduce_sum(probability * target, [1, 2]) + 1
  denominator = tf.reduce_sum(probability, [1, 2]) + tf.reduce_sum(target, [1, 2]) + 1
  dice_loss = 1 - numerator / denominator
  per_denominator = (1 / denominator)[:, None, None]
  dice_slope = q * (1 - q) * (per_denominator * ((numerator / denominator)[:, None, None] - 2 * target))

  by_focal = resize.bilinear_transposed(sign * focal_slope, low) / tf.reshape(num_pixels, [-1, 1, 1])
  return focal_loss, dice_loss, by_focal, resize.bilinear_transposed(dice_slope, low)


def focal_and_dice(logits: tf.Tensor, id_maps: tf.Tensor, image: tf.Tensor, layer: tf.Tensor, slot: tf.Tensor,
                   alpha: float = 0.25, gamma: float = 2.0, image_size: tf.Tensor | None = None) -> tf.Tensor:
  """Losses of matched masks, upsampled to the targets' size (bilinear, align_corners False).

  Args:
    logits: float32 [n, h, w], one matched mask each.
    id_maps: integer [batch, layers, height, width], value slot + 1.
    image: int32 [n], each mask's index into the batch.
    layer: int32 [n], its target's id-map layer.
    slot: int32 [n], its target's slot.
    alpha: the focal loss' weight of the foreground; negative: no weights.
    gamma: its exponent.
    image_size: int32 [batch, 2], where the rest of a map is padding, which counts nothing; default: no padding.

  Returns:
    float32 [n, 2]: sigmoid focal loss, mean over the image's pixels, and dice loss
    1 - (2 sum(p m) + 1) / (sum p + sum m + 1).
  """
  @tf.custom_gradient
  def losses(x):
    n = tf.shape(x)[0] if x.shape[0] is None else x.shape[0]
    height, width = (tf.shape(id_maps)[i] if id_maps.shape[i] is None else id_maps.shape[i] for i in (2, 3))
    at_once = CHUNK_PIXELS // (height * width)
    if isinstance(at_once, int) and isinstance(n, int):
      chunk = max(min(at_once, n), 1)
    else:
      chunk = tf.maximum(tf.minimum(at_once, n), 1)
    num_chunks = -(-n // chunk)
    if not isinstance(num_chunks, int):
      num_chunks = tf.maximum(num_chunks, 1)  # a loop over nothing does not know its shapes
    def padded(v):
      return tf.pad(v, [[0, num_chunks * chunk - n]] + [[0, 0]] * (v.shape.rank - 1))
    # Padding masks point at slot 0 of the first image; their rows are cut off again.
    rows = [x, image, layer, slot]
    if image_size is not None:
      rows.append(tf.gather(image_size, image))
    pieces = [tf.reshape(padded(v), tf.concat([[num_chunks, chunk], tf.shape(v)[1:]], 0)) for v in rows]
    static = chunk if isinstance(chunk, int) else None
    pieces[0] = tf.ensure_shape(pieces[0], [None, static, x.shape[1], x.shape[2]])
    def one(piece):
      logits_of_chunk, *where = piece[:4]
      own_size = None if image_size is None else piece[4]
      return _chunk_losses(logits_of_chunk, mask_ops.masks_of(id_maps, *where), own_size, alpha, gamma)
    f32 = lambda *shape: tf.TensorSpec(shape, tf.float32)
    low = x.shape[1:]
    focal, dice, focal_gradient, dice_gradient = tf.map_fn(
        one, tuple(pieces), parallel_iterations=1,
        fn_output_signature=(f32(static), f32(static), f32(static, *low), f32(static, *low)))
    focal, dice = tf.reshape(focal, [-1])[:n], tf.reshape(dice, [-1])[:n]
    gradients = [tf.reshape(g, tf.concat([[-1], tf.shape(g)[2:]], 0))[:n] for g in (focal_gradient, dice_gradient)]

    def gradient(upstream):
      return upstream[:, 0, None, None] * gradients[0] + upstream[:, 1, None, None] * gradients[1]
    return tf.stack([focal, dice], axis=1), gradient

  return losses(logits)
