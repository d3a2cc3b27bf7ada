"""Flags of the benchmark: what cannot be measured is refused before a process is started."""

import pytest

from tf_maskformer.errors import UserError
from tf_maskformer.scripts import benchmark


@pytest.mark.parametrize('argv, message', [
    (['--size', '0'], '--size must be in 32'), (['--size', '100'], 'multiple of 16'),
    (['--batch', '0'], '--batch must be in 1'), (['--repeats', '-1'], '--repeats must be'),
    (['--batch', '4', '--micro_batch', '3'], 'does not divide --batch 4'),
    (['--data_set', 'coco_panoptc'], 'did you mean coco_panoptic'),
    (['--size', 'x'], 'invalid int value'),
    (['--model', 'x'], 'invalid choice')])
def test_refused(argv, message):
  with pytest.raises(UserError, match=message):
    benchmark.check(benchmark.flags().parse(argv))


def test_defaults_are_taken():
  benchmark.check(benchmark.flags().parse([]))
