"""Forty damaged and hostile records and annotation folders, and what holds of each."""

import pytest

from tests.faults import records


@pytest.mark.parametrize('number', range(5))
def test_what_is_damaged_is_refused_where_it_is_and_the_rest_is_used(number, tmp_path):
  cases = list(records.generate(seed=11, count=40))[number::5]
  assert {case.kind for case in cases} == set(records.KINDS)
  for i, case in enumerate(cases):
    folder = tmp_path / str(i)
    folder.mkdir()
    assert not records.check(case, folder), case
