"""Mask logits: products of mask embeddings and the features of pixels."""

import tensorflow as tf

from tf_maskformer.ops import shape as shape_ops


def mask_logits(mask_embeddings: tf.Tensor, mask_features: tf.Tensor) -> tf.Tensor:
  """Products of mask embeddings with every pixel's features, of all layers in one product.

  Args:
    mask_embeddings: [layers, batch, queries, channels].
    mask_features: [batch, height, width, channels].

  Returns:
    float32 [layers, batch, queries, height, width].
  """
  layers, batch, queries, channels = shape_ops.sizes(mask_embeddings)
  height, width = shape_ops.spatial_size(mask_features)
  pixels = tf.reshape(mask_features, [batch, height * width, channels])
  rows = tf.reshape(tf.transpose(mask_embeddings, [1, 0, 2, 3]), [batch, layers * queries, channels])
  # One product an image; one that broadcasts over the layers crashes in oneDNN at batch 1 (TensorFlow 2.20).
  logits = tf.cast(tf.matmul(rows, pixels, transpose_b=True), tf.float32)
  return tf.transpose(tf.reshape(logits, [batch, layers, queries, height, width]), [1, 0, 2, 3, 4])
