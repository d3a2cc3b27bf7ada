"""GELU against its definition, in float32 and in half precision."""

import math

import numpy as np
import tensorflow as tf

from tf_maskformer.ops.gelu import gelu


def definition(x):
  return np.array([value * 0.5 * math.erfc(-value / math.sqrt(2)) for value in x])


def test_float32():
  x = np.linspace(-6, 6, 1001).astype(np.float32)
  np.testing.assert_allclose(gelu(tf.constant(x)), definition(x), atol=1e-6)


def test_the_tail_in_half_precision():
  x = np.array([-3.0, -2.5, -2.0, 2.0], np.float32)
  for dtype in (tf.bfloat16, tf.float16):
    found = gelu(tf.constant(x, dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(tf.cast(found, tf.float32), definition(x), rtol=0.03)


def test_float32_has_no_operation_that_onnx_does_not_have():
  graph = tf.function(gelu).get_concrete_function(tf.TensorSpec([3])).graph
  types = {operation.type for operation in graph.get_operations()}
  assert 'Erf' in types and 'Erfc' not in types
