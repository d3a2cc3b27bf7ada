"""A dilated convolution as a graph for other runtimes has it."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.modeling.layers.convolution import Conv2D
from tf_maskformer.ops import lowering


@pytest.mark.parametrize('dilation', [2, 3])
def test_dilated(dilation):
  layer = Conv2D(3, 4, 3, dilation=dilation)
  x = tf.constant(np.random.default_rng(0).normal(size=[2, 11, 8, 3]), tf.float32)
  run = tf.function(layer, input_signature=[tf.TensorSpec([None, None, None, 3])])
  with lowering.use(lowering.Lowering(portable=True)):
    portable = tf.function(layer, input_signature=[tf.TensorSpec([None, None, None, 3])])
    types = {op.type for op in portable.get_concrete_function().graph.get_operations()}
    found = portable(x)
  assert 'SpaceToBatchND' not in types
  np.testing.assert_allclose(found, run(x), atol=1e-5)
