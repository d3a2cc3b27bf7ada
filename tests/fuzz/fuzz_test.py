"""Random damage: what the fuzzer does in minutes, without it, in a few seconds a target."""

import pytest

from tests.fuzz import annotations
from tests.fuzz import checkpoint_readers
from tests.fuzz import harness
from tests.fuzz import records

TARGETS = {**checkpoint_readers.TARGETS, **annotations.TARGETS, **records.TARGETS}
COUNT = 3000

pytestmark = pytest.mark.slow


@pytest.mark.parametrize('name', TARGETS)
def test_a_seed_is_read_or_refused(name):
  target = TARGETS[name]
  for seed in target.seeds():
    harness.check(target, seed)


@pytest.mark.parametrize('name', TARGETS)
def test_damaged_files_are_read_or_refused(name):
  target = TARGETS[name]
  for data in harness.mutations(target, COUNT, seed=0):
    harness.check(target, data)
