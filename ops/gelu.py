"""The exact GELU (Hendrycks and Gimpel, arXiv 1606.08415), as PyTorch writes it."""

import math

import tensorflow as tf


def gelu(x: tf.Tensor) -> tf.Tensor:
  """Returns x times the share of a normal distribution below x.

  Float32 uses the error function, which every exchange format has; TensorFlow's own GELU uses its
  complement, which ONNX does not have. In half precision only the complement keeps the values below
  -2 or so.

  Args:
    x: any float tensor.

  Returns:
    A tensor like x.
  """
  if x.dtype != tf.float32:
    return tf.nn.gelu(x, approximate=False)
  return 0.5 * x * (1.0 + tf.math.erf(x / math.sqrt(2)))
