"""Cross entropy of every pixel (official PerPixelBaselineHead.losses), gradient in closed form.

One prediction of one image at a time is upsampled, scored and discarded: with 847 classes at
512 x 512 it is 0.9 GB.
"""

import tensorflow as tf

from tf_maskformer.ops import resize
from tf_maskformer.ops import shape as shape_ops
from tf_maskformer.ops.strides import MASK_STRIDE


def labels_of(id_maps: tf.Tensor, classes: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
  """Returns the class of every pixel, int32 [batch, height, width]; -1 where it is void.

  Args:
    id_maps: integer [batch, planes, height, width], value slot + 1.
    classes: int32 [batch, segments].
    valid: bool [batch, segments].
  """
  class_of_slot = tf.where(valid, classes, -1)
  class_of_id = tf.pad(class_of_slot, [[0, 0], [1, 0]], constant_values=-1)
  ids = tf.cast(tf.reduce_max(id_maps, axis=1), tf.int32)
  return tf.gather(class_of_id, ids, axis=1, batch_dims=1)


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
  """Sums the cross entropy over the pixels of each image that are not void.

  Args:
    logits: float32 [batch, classes, h, w], at a quarter of the labels' size, rounded up.
    labels: int32 [batch, height, width], -1 = void.

  Returns:
    float32 [batch].
  """
  @tf.custom_gradient
  def losses(logits):
    spec = (tf.TensorSpec([], tf.float32), tf.TensorSpec(logits.shape[1:], tf.float32))
    sums, gradients = tf.map_fn(
        lambda pair: _loss_and_gradient(*pair), (logits, labels), parallel_iterations=1,
        fn_output_signature=spec)
    return sums, lambda upstream: upstream[:, None, None, None] * gradients
  return losses(logits)


def _loss_and_gradient(logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
  """The loss of one image and its gradient.

  Args:
    logits: float32 [classes, h, w].
    labels: int32 [height, width].

  Returns:
    float32, summed over pixels, and float32 [classes, h, w].
  """
  num_classes, *low = shape_ops.sizes(logits)
  height, width = shape_ops.sizes(labels)
  full = (MASK_STRIDE * low[0], MASK_STRIDE * low[1])
  pixels = resize.bilinear(logits, full)[:, :height, :width]
  log_probability = tf.nn.log_softmax(pixels, axis=0)
  one_hot = tf.one_hot(labels, num_classes, axis=0)  # -1: all zero
  loss = -tf.reduce_sum(one_hot * log_probability)
  counts = tf.cast(labels >= 0, tf.float32)
  gradient = (tf.exp(log_probability) - one_hot) * counts
  gradient = tf.pad(gradient, [[0, 0], [0, full[0] - height], [0, full[1] - width]])
  gradient = shape_ops.with_static_size(gradient, full)
  return loss, resize.bilinear_transposed(gradient, low)
