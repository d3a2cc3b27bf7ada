"""Run lengths are read as pycocotools does; what it would read beyond its end is refused."""

import numpy as np
import pytest
from pycocotools import mask as mask_tools

from tf_maskformer.dataloaders import run_lengths


def test_as_pycocotools():
  rng = np.random.default_rng(0)
  for k in range(60):
    size = tuple(int(side) for side in rng.integers(1, 90, 2))
    mask = rng.random(size) < (0.5 if k % 2 else 0.02)
    if k % 3 == 0:
      mask = np.kron(mask, np.ones([30, 30], bool))
    runs = mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    for counts in (runs['counts'], runs['counts'].decode()):
      np.testing.assert_array_equal(run_lengths.decode(counts, mask.shape), mask)


def test_of_a_list():
  counts = [2, 3, 5]
  wanted = mask_tools.decode(mask_tools.frPyObjects({'size': [2, 5], 'counts': counts}, 2, 5))
  np.testing.assert_array_equal(run_lengths.decode(counts, (2, 5)), wanted.astype(bool))


@pytest.mark.parametrize('counts', [[2, 3], [], '', [11], [2, 0]])
def test_those_that_end_early_are_refused(counts):
  with pytest.raises(ValueError, match=r'are of \d+ pixels, not of 3x4 \(12\)'):
    run_lengths.decode(counts, (3, 4))


@pytest.mark.parametrize('counts', [
    'oooo', '0o', 'PPPPPPPP0', b'\xff\x00', '\u2603', ' ', [-1, 3], [2**40], [2**70], [1.0], [True],
    ['1'], [None], [7, 7], None, 7, {}, [10**6] * 10, '5' * 40])
def test_what_is_refused(counts):
  with pytest.raises(ValueError, match='the run lengths'):
    run_lengths.decode(counts, (3, 4))
