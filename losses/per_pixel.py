"""Cross entropy of every pixel (official PerPixelBaselineHead.losses), gradient in closed form.

Logits of an image are brought to full size, scored and forgotten one prediction at a time: with 847 classes at
512 x 512 a single prediction of one image is 0.9 GB.
"""

import tensorflow as tf

from tf_maskformer.ops import resize
from tf_maskformer.ops import shape as shape_ops

STRIDE = 4  # of the logits


def labels_of(id_maps: tf.Tensor, classes: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
  """Returns the class of every pixel, int32 [batch, height, width]; -1 where it is void.

  Args:
    id_maps: integer [batch, layers, height, width], value slot + 1.
    classes: int32 [batch, segments].
    valid: bool [batch, segments].
  """
  table = tf.pad(tf.where(valid, classes, -1), [[0, 0], [1, 0]], constant_values=-1)
  slots = tf.cast(tf.reduce_max(id_maps, axis=1), tf.int32)
  return tf.gather(table, slots, axis=1, batch_dims=1)


def _image(logits, labels):
  """Sum over pixels of one image, and its gradient: [classes, h, w], [height, width] -> scalar, [classes, h, w]."""
  low = [size if size is not None else tf.shape(logits)[i + 1] for i, size in enumerate(logits.shape[1:])]
  height, width = tf.shape(labels)[0], tf.shape(labels)[1]
  full = (STRIDE * low[0], STRIDE * low[1])
  pixels = resize.bilinear(logits, full)[:, :height, :width]
  log_probability = tf.nn.log_softmax(pixels, axis=0)
  counts = tf.cast(labels >= 0, tf.float32)
  one_hot = tf.one_hot(labels, tf.shape(logits)[0], axis=0)  # -1: all zero
  loss = -tf.reduce_sum(one_hot * log_probability)
  gradient = (tf.exp(log_probability) - one_hot) * counts
  gradient = tf.pad(gradient, [[0, 0], [0, full[0] - height], [0, full[1] - width]])
  return loss, resize.bilinear_transposed(shape_ops.with_static_size(gradient, full), low)


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
  """Sums the cross entropy over the pixels of each image that are not void.

  Args:
    logits: float32 [batch, classes, h, w], at a quarter of the labels' size, rounded up.
    labels: int32 [batch, height, width], -1 = void.

  Returns:
    float32 [batch].
  """
  @tf.custom_gradient
  def losses(x):
    spec = (tf.TensorSpec([], tf.float32), tf.TensorSpec(x.shape[1:], tf.float32))
    sums, gradients = tf.map_fn(
        lambda pair: _image(*pair), (x, labels), parallel_iterations=1, fn_output_signature=spec)
    return sums, lambda upstream: upstream[:, None, None, None] * gradients
  return losses(logits)
