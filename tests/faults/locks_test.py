"""Contested locks, a few rounds of them; python -m tests.faults --only locks has a thousand."""

import pytest

from tests.faults import locks
from tests.faults import outcome


@pytest.mark.parametrize('state', ['nothing', 'a dead process', 'zeros'])
def test_contested_starts(tmp_path, state):
  locks.check(state, 5, tmp_path)


def test_two_at_once_are_noticed(tmp_path, monkeypatch):
  """Contenders that find the marker of a process that is not there do not count as held."""
  (tmp_path / 'inside').touch()
  with pytest.raises(outcome.Fault, match='of 3 ended wrongly'):
    locks.check('nothing', 3, tmp_path)
