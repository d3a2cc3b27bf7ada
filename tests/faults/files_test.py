"""The judge of hostile files; python -m tests.faults --only files makes and reads them."""

import random

import pytest

from tests.faults import files
from tests.faults import good_files
from tests.faults import hostile_pickles
from tests.faults import outcome
from tests.faults import warm

REFUSED = 'refused: it is damaged\n'


@pytest.mark.parametrize('verdict,why', [
    (warm.Verdict(1, 0.1, 1, 'Traceback …'), 'neither read nor refused: exit code 1'),
    (warm.Verdict(-6, 0.1, 1, ''), 'neither read nor refused: signal 6'),
    (warm.Verdict(2, 0.1, 1, REFUSED * 2), 'not refused in one line'),
    (warm.Verdict(2, 0.1, 69, REFUSED), '69 MB of memory for a file of 1.0 MB'),
    (warm.Verdict(0, 12.0, 1, ''), '12 s for a file of 1.0 MB'),
    (warm.Verdict(4, 0.1, 1, ''), 'a good file read afterwards')])
def test_what_does_not_hold(verdict, why):
  with pytest.raises(outcome.Fault, match=why):
    files.judge(verdict, 2**20)


def test_what_holds():
  files.judge(warm.Verdict(2, 0.1, 67, REFUSED), 2**20)
  files.judge(warm.Verdict(0, 10.5, 1, ''), 2**20)


def test_makers_are_repeatable():
  good = good_files.Good(b'abc' * 50, b'', b'', b'', None, {})
  for maker in (hostile_pickles.poison, hostile_pickles.mutated, hostile_pickles.tree):
    one, same = (maker(random.Random('seed'), good) for _ in range(2))
    assert one == same
    assert one != maker(random.Random('other'), good)
