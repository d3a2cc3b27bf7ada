"""The three sizes of an image come as integers from arrays, and each in its own place."""

import numpy as np
import pytest

from tf_maskformer.modeling.postprocessing.sizes import Sizes


def test_arrays_become_integers():
  found = Sizes.of(np.array([32, 64], np.int64), np.array([30, 61], np.int32), [15, 31])
  assert found == Sizes(padded=(32, 64), image=(30, 61), original=(15, 31))
  assert all(type(n) is int for n in (*found.padded, *found.image, *found.original))


def test_a_size_is_two_numbers():
  with pytest.raises(ValueError):
    Sizes.of([32, 64, 3], [30, 61], [15, 31])
