"""Probabilities of logits."""

import tensorflow as tf

from tf_maskformer.ops import lowering


def sigmoid(logits: tf.Tensor) -> tf.Tensor:
  """Returns 1 / (1 + exp(-logits)), exact to some units of the last digit also near 0.

  ONNX Runtime's own sigmoid rounds to multiples of 6e-8, so that where no mask is probable, all
  would be equal and the first would own the pixel.

  Args:
    logits: float32 of any shape.
  """
  if lowering.current().portable:
    return 1 / (1 + tf.exp(-logits))
  return tf.sigmoid(logits)
