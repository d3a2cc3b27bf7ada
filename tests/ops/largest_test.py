"""The largest map at each pixel is NumPy's, in every way a graph is written."""

import numpy as np
import pytest
import tensorflow as tf

from tf_maskformer.ops import lowering
from tf_maskformer.ops.largest import largest_of_maps


def largest(values, portable=False):
  with lowering.use(lowering.Lowering(portable=portable)):
    return [one.numpy() for one in tf.function(largest_of_maps)(tf.constant(values))]


@pytest.mark.parametrize('portable', [False, True])
@pytest.mark.parametrize('count', [1, 2, 300])
def test_first_of_equal_ones(portable, count):
  # Few values, so that many are equal.
  values = np.random.default_rng(0).integers(-3, 3, [7, count, 11]).astype(np.float32)
  which, found = largest(values, portable)
  np.testing.assert_array_equal(which, values.argmax(axis=1))
  np.testing.assert_array_equal(found, values.max(axis=1))


def test_maps_that_are_not_numbers():
  which, _ = largest(np.full([2, 5, 3], np.nan, np.float32))
  assert which.min() >= 0 and which.max() < 5
