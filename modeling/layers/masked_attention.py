"""Which pixels masked attention leaves out (arXiv 2112.01527, 3.2)."""

import tensorflow as tf


def attention_mask(mask_embeddings: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
  """Returns the pixels that are blocked for a query: those outside its mask.

  A query with an empty mask attends everywhere.

  Args:
    mask_embeddings: float32 [batch, queries, channels].
    pixels: float32 [batch, pixels, channels], mask features at the size of the level.

  Returns:
    bool [batch, queries, pixels], true = blocked.
  """
  logits = tf.matmul(mask_embeddings, pixels, transpose_b=True)
  blocked = tf.sigmoid(logits) < 0.5
  return blocked & ~tf.reduce_all(blocked, axis=-1, keepdims=True)
