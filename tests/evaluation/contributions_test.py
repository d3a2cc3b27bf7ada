"""Contributions of several images: what is joined is split into the same parts."""

import numpy as np
import pytest

from tf_maskformer.evaluation import contributions


@pytest.mark.parametrize('lengths', [[], [0], [3], [2, 0, 1], [0, 0]])
def test_split_is_the_reverse_of_join(lengths):
  rng = np.random.default_rng(0)
  images = []
  for length in lengths:
    images.append({
        'rows': rng.integers(0, 9, [length, 3]),
        'values': rng.random(2 * length),
        'bytes': rng.integers(0, 255, 7 * length, dtype=np.uint8)})
  found = contributions.split(contributions.join(images))
  assert len(found) == len(images)
  for one, other in zip(found, images):
    assert list(one) == list(other)
    for name, values in other.items():
      np.testing.assert_array_equal(one[name], values, strict=True)
