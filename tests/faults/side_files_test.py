"""What the campaign lets pass after a file was damaged, and what it does not."""

import random

import pytest

from tests.faults import kills
from tests.faults import outcome
from tests.faults import side_files
from tests.faults import warm

WARNED = 'warning: best.json cannot be read\n'


@pytest.mark.parametrize('damaged,name,output,right', [
    ('best.json', 'out/best/ckpt-40.index', WARNED, True),
    ('best.json', 'out/best/ckpt-40.index', '', False),
    ('best.json', 'out/evaluations/history.json', WARNED, False),
    ('best.json', 'out/ckpt-40.index', WARNED, False),
    ('ckpt-28.index', 'out/ckpt-40.index', WARNED, False),
    ('train/events.out.tfevents.1', 'out/train: loss at step 4', '', True),
    ('train/events.out.tfevents.1', 'out/validation: loss at step 14', '', False)])
def test_what_may_differ(damaged, name, output, right):
  assert side_files._may_differ(damaged, name, output) == right  # pylint: disable=protected-access


@pytest.mark.parametrize('verdict', [
    warm.Verdict(1, 1, 1, 'Traceback (most recent call last):'), warm.Verdict(-6, 1, 1, ''),
    warm.Verdict(1, 1, 1, ''), warm.Verdict(2, 1, 1, 'error: a\nerror: b\n')])
def test_what_is_not_a_refusal(verdict):
  with pytest.raises(outcome.Fault):
    kills.is_refused(verdict)


@pytest.mark.parametrize('kind', side_files._KINDS)  # pylint: disable=protected-access
def test_every_damage_changes_the_file(tmp_path, kind):
  path = tmp_path / 'best.json'
  path.write_text('{"metric": "pq"}')
  side_files.damage(path, kind, random.Random(0))
  assert not path.is_file() or path.read_bytes() != b'{"metric": "pq"}'
