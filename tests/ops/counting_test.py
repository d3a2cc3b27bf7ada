"""Small numbers are counted as NumPy counts them, in every way a graph is written."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.ops import counting
from tf_maskformer.ops import lowering


@pytest.mark.parametrize('portable', [False, True])
def test_occurrences(portable):
  values = np.random.default_rng(0).integers(0, 6, [7, 11]).astype(np.int32)
  with lowering.use(lowering.Lowering(portable=portable)):
    found = tf.function(counting.occurrences)(tf.constant(values), tf.constant(9))
  assert found.numpy().tolist() == np.bincount(values.ravel(), minlength=9).tolist()
