"""Semantic inference in TensorFlow (twin: ../semantic.py)."""

import tensorflow as tf

from tf_maskformer.modeling.postprocessing.graph import resize
from tf_maskformer.modeling.postprocessing.graph.sizes import Sizes
from tf_maskformer.ops.strides import MASK_STRIDE


def labels(class_logits: tf.Tensor | None, mask_logits: tf.Tensor, sizes: Sizes | None,
           resize_first: bool) -> tf.Tensor:
  """Returns the class of every pixel, int32 [*sizes.original].

  Args:
    class_logits: float32 [queries, classes + 1], the last is no-object; None for a per-pixel model.
    mask_logits: float32 [queries, h, w]; of a per-pixel model [classes, h, w].
    sizes: of the image; None: the masks have the original size already.
    resize_first: masks are brought to the original size before they are combined (panoptic
      configurations); otherwise they are combined at padded size and the scores are resized
      (semantic ones).
  """
  return tf.argmax(scores(class_logits, mask_logits, sizes, resize_first), 0, tf.int32)


def scores(class_logits: tf.Tensor | None, mask_logits: tf.Tensor, sizes: Sizes | None,
           resize_first: bool) -> tf.Tensor:
  """Returns what `labels` compares, float32 [classes, *sizes.original]; arguments as there."""
  if class_logits is None:
    return resize.to_original(mask_logits, sizes and _enlarged(mask_logits, sizes))
  classes = tf.nn.softmax(class_logits)[:, :-1]
  if sizes is None or resize_first:
    return _combine(classes, resize.to_original(mask_logits, sizes))
  padded = _combine(classes, resize.to_original(
      mask_logits, Sizes(sizes.padded, sizes.padded, sizes.padded)))
  cropped = padded[:, :sizes.image[0], :sizes.image[1]]
  return resize.to_original(cropped, Sizes(sizes.image, sizes.image, sizes.original))


def _enlarged(mask_logits: tf.Tensor, sizes: Sizes) -> Sizes:
  """Returns the sizes of a per-pixel model's image, whose logits are enlarged four times."""
  return Sizes(MASK_STRIDE * tf.shape(mask_logits)[1:], sizes.image, sizes.original)


def _combine(classes: tf.Tensor, mask_logits: tf.Tensor) -> tf.Tensor:
  """Class probabilities [queries, classes], [queries, h, w] -> scores float32 [classes, h, w]."""
  shape = tf.shape(mask_logits)
  masks = tf.reshape(tf.sigmoid(mask_logits), [shape[0], -1])
  combined = tf.matmul(classes, masks, transpose_a=True)
  return tf.reshape(combined, [-1, shape[1], shape[2]])
