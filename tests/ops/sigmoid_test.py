"""Sigmoids against those of double precision, in every way a graph is written."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.ops import lowering
from tf_maskformer.ops.sigmoid import sigmoid


@pytest.mark.parametrize('portable', [False, True])
def test_small_ones_keep_their_digits(portable):
  logits = np.concatenate([np.linspace(-80, 80, 1001), [-1000, 1000]]).astype(np.float32)
  with lowering.use(lowering.Lowering(portable=portable)):
    found = tf.function(sigmoid)(tf.constant(logits)).numpy()
  with np.errstate(over='ignore'):
    wanted = 1 / (1 + np.exp(-logits.astype(np.float64)))
  np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-37)
