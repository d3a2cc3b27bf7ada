"""Hostile settings of every kind are accepted or refused in one line, in a bounded time."""

import collections

from tests.faults import settings

_COUNT = 300
_SECONDS = 20  # nothing hangs; the campaign itself allows two


def test_generated_settings(tmp_path):
  tried = collections.Counter()
  refused = collections.Counter()
  for i, case in enumerate(settings.generate(seed=0, count=_COUNT)):
    folder = tmp_path / str(i)
    folder.mkdir()
    tried[case.kind] += 1
    refused[case.kind] += bool(settings.check(case, folder, _SECONDS))
  assert min(tried.values()) >= _COUNT // len(tried)
  # Both ends are tried: most are refused, and what is only odd is accepted.
  assert _COUNT // 2 < refused.total() < _COUNT - 10


def test_the_same_seed_makes_the_same_cases():
  def words(seed):
    return [(case.argv, case.environ, sorted(case.files)) for case in settings.generate(seed, 60)]
  assert words(3) == words(3) != words(4)
