"""Mask logits: products of mask embeddings and the features of pixels."""

import tensorflow as tf

from tf_maskformer.ops import shape as shape_ops


def mask_logits(mask_embeddings: tf.Tensor, mask_features: tf.Tensor) -> tf.Tensor:
  """Products of mask embeddings with the features of every pixel, for all layers at once.

  Args:
    mask_embeddings: [layers, batch, queries, channels].
    mask_features: [batch, height, width, channels], shared by all layers, or
      [layers, batch, height, width, channels], one set per layer.

  Returns:
    float32 [layers, batch, queries, height, width].
  """
  if mask_features.shape.rank == 5:
    return _of_own_features(mask_embeddings, mask_features)
  return _of_shared_features(mask_embeddings, mask_features)


def _of_shared_features(mask_embeddings: tf.Tensor, mask_features: tf.Tensor) -> tf.Tensor:
  """`mask_logits` of features [batch, height, width, channels]."""
  layers, batch, queries, channels = shape_ops.sizes(mask_embeddings)
  height, width = shape_ops.spatial_size(mask_features)
  pixels = tf.reshape(mask_features, [batch, height * width, channels])
  rows = tf.transpose(mask_embeddings, [1, 0, 2, 3])
  rows = tf.reshape(rows, [batch, layers * queries, channels])
  # One product per image; one that broadcasts over the layers crashes in oneDNN at batch 1
  # (TensorFlow 2.20).
  logits = tf.cast(tf.matmul(rows, pixels, transpose_b=True), tf.float32)
  logits = tf.reshape(logits, [batch, layers, queries, height, width])
  return tf.transpose(logits, [1, 0, 2, 3, 4])


def _of_own_features(mask_embeddings: tf.Tensor, mask_features: tf.Tensor) -> tf.Tensor:
  """`mask_logits` of features [layers, batch, height, width, channels]."""
  layers, batch, queries, channels = shape_ops.sizes(mask_embeddings)
  height, width = shape_ops.sizes(mask_features)[2:4]
  pixels = tf.reshape(mask_features, [layers * batch, height * width, channels])
  rows = tf.reshape(mask_embeddings, [layers * batch, queries, channels])
  logits = tf.cast(tf.matmul(rows, pixels, transpose_b=True), tf.float32)
  return tf.reshape(logits, [layers, batch, queries, height, width])
