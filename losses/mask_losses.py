"""Sigmoid focal and dice loss of matched masks at full resolution, gradient in closed form.

The official code upsamples the matched logits to the size of the targets and lets autograd keep a
dozen full-size intermediates. Here upsampling is a product with two constant matrices, and masks
are taken in chunks: a chunk's losses and their gradients with respect to the low-resolution logits
are computed together, and nothing of full size outlives the chunk.
"""

import tensorflow as tf

from tf_maskformer.losses import terms
from tf_maskformer.ops import id_maps as id_map_ops
from tf_maskformer.ops import image as image_ops
from tf_maskformer.ops import resize
from tf_maskformer.ops import shape as shape_ops
from tf_maskformer.ops.shape import Size

# Pixels of the masks that are at full size at the same time: two masks of 512 x 512.
CHUNK_PIXELS = 2**19

# A logit of the wrong answer whose sigmoid is 0: its losses and their gradients are zero.
_SURE = -1e4


def focal_and_dice(logits: tf.Tensor, id_maps: tf.Tensor, image: tf.Tensor, plane: tf.Tensor,
                   slot: tf.Tensor, alpha: float = 0.25, gamma: float = 2.0,
                   image_size: tf.Tensor | None = None) -> tf.Tensor:
  """Losses of matched masks, upsampled to the targets' size (bilinear, align_corners False).

  Args:
    logits: float32 [n, h, w], one matched mask each.
    id_maps: integer [batch, planes, height, width], value slot + 1.
    image: int32 [n], index of each mask's image in the batch.
    plane: int32 [n], the plane that holds its target.
    slot: int32 [n], its target's slot.
    alpha: the focal loss's weight of the foreground; negative: no weights.
    gamma: its exponent.
    image_size: int32 [batch, 2]; the rest of a map is padding, which counts nothing. None: there is
      no padding.

  Returns:
    float32 [n, 2]: sigmoid focal loss, mean over the image's pixels, and dice loss; see `terms`.
  """
  @tf.custom_gradient
  def losses(logits):
    rows = [logits, image, plane, slot]
    if image_size is not None:
      rows.append(tf.gather(image_size, image))
    focal, dice, grad_focal, grad_dice = _in_chunks(rows, id_maps, alpha, gamma)

    def gradient(upstream):
      return upstream[:, 0, None, None] * grad_focal + upstream[:, 1, None, None] * grad_dice
    return tf.stack([focal, dice], axis=1), gradient

  return losses(logits)


def _in_chunks(rows: list[tf.Tensor], id_maps: tf.Tensor, alpha: float, gamma: float
               ) -> list[tf.Tensor]:
  """`_chunk_losses` of all masks.

  Args:
    rows: per mask: logits [n, h, w]; image, plane and slot [n]; where there is padding, the size of
      its image [n, 2].
    id_maps: integer [batch, planes, height, width].
    alpha: of the focal loss.
    gamma: of the focal loss.

  Returns:
    As `_chunk_losses`, for the n masks.
  """
  n, *low = shape_ops.sizes(rows[0])
  _, _, height, width = shape_ops.sizes(id_maps)
  chunk = shape_ops.smallest(CHUNK_PIXELS // (height * width), n)
  chunk = shape_ops.largest(chunk, 1)
  num_chunks = shape_ops.largest(-(-n // chunk), 1)  # tf.map_fn over no element loses static shapes

  def one(piece):
    logits, image, plane, slot, *own_size = piece
    masks = id_map_ops.masks_of(id_maps, image, plane, slot)
    return _chunk_losses(logits, masks, own_size[0] if own_size else None, alpha, gamma)

  # Rows that fill the last chunk point at slot 0 of the first image; they are cut off again.
  pieces = [_split(row, chunk, num_chunks) for row in rows]
  of_mask = _spec(chunk)
  of_pixel = _spec(chunk, *low)
  results = tf.map_fn(one, tuple(pieces), parallel_iterations=1,
                      fn_output_signature=(of_mask, of_mask, of_pixel, of_pixel))
  return [_join(result)[:n] for result in results]


def _split(row: tf.Tensor, chunk: Size, num_chunks: Size) -> tf.Tensor:
  """[n, ...] -> [num_chunks, chunk, ...], filled up with zeros."""
  n, *rest = shape_ops.sizes(row)
  fill = [[0, num_chunks * chunk - n]] + [[0, 0]] * len(rest)
  return tf.reshape(tf.pad(row, fill), [num_chunks, chunk, *rest])


def _join(chunks: tf.Tensor) -> tf.Tensor:
  """[num_chunks, chunk, ...] -> [num_chunks * chunk, ...]."""
  return tf.reshape(chunks, [-1, *shape_ops.sizes(chunks)[2:]])


def _spec(*size: Size) -> tf.TensorSpec:
  return tf.TensorSpec([n if shape_ops.are_static(n) else None for n in size], tf.float32)


def _chunk_losses(logits: tf.Tensor, is_target: tf.Tensor, own_size: tf.Tensor | None, alpha: float,
                  gamma: float) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
  """Losses of a chunk of masks and their gradients.

  Args:
    logits: float32 [n, h, w].
    is_target: bool [n, height, width].
    own_size: int32 [n, 2], the size of the mask's image; None: there is no padding.
    alpha: of the focal loss.
    gamma: of the focal loss.

  Returns:
    Focal and dice loss, float32 [n], and the gradients of each with respect to the logits,
    float32 [n, h, w].
  """
  low = shape_ops.sizes(logits)[1:]
  size = shape_ops.sizes(is_target)[1:]
  masks = tf.cast(is_target, tf.float32)
  sign = 1 - 2 * masks
  wrong_logit = sign * resize.bilinear(logits, size)
  num_pixels = tf.cast(size[0] * size[1], tf.float32)[None]
  if own_size is not None:
    own_size = tf.maximum(own_size, 1)  # rows that only fill the chunk have none
    wrong_logit = tf.where(image_ops.inside(own_size, size), wrong_logit, _SURE)
    num_pixels = tf.cast(tf.reduce_prod(own_size, axis=1), tf.float32)
  wrong = tf.sigmoid(wrong_logit)

  entropy = terms.background_cross_entropy(wrong_logit)
  focal, focal_slope = terms.focal_with_slope(
      wrong, entropy, _pixel_weights(is_target, alpha), gamma)
  grad_focal = resize.bilinear_transposed(sign * focal_slope, low) / num_pixels[:, None, None]

  probability = tf.where(is_target, 1 - wrong, wrong)
  overlap, total = terms.dice_sums(probability, masks)
  sigmoid_slope = wrong * (1 - wrong)
  dice_slope = sigmoid_slope * terms.dice_slope(overlap, total, masks)
  grad_dice = resize.bilinear_transposed(dice_slope, low)
  return (tf.reduce_sum(focal, [1, 2]) / num_pixels, terms.dice(overlap, total), grad_focal,
          grad_dice)


def _pixel_weights(is_target: tf.Tensor, alpha: float) -> float | tf.Tensor:
  """The focal loss's weight of each pixel; one number where all are equal."""
  inside, outside = terms.focal_weights(alpha)
  return inside if inside == outside else tf.where(is_target, inside, outside)
