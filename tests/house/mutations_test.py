"""The list of planted mistakes is up to date; the slow test plants each of them."""

import subprocess
import sys

import pytest

from tests import mutations
from tests import support


@pytest.mark.parametrize('mutation', mutations.MUTATIONS, ids=lambda m: m.name)
def test_a_mistake_can_be_planted(mutation):
  wrong = mutation.text()
  compile(wrong, mutation.file, 'exec')
  assert wrong != (mutations.ROOT / mutation.file).read_text()


def test_names_are_unique():
  names = [m.name for m in mutations.MUTATIONS]
  assert len(set(names)) == len(names) >= 20


@pytest.mark.slow
def test_every_mistake_is_noticed():
  done = subprocess.run(
      [sys.executable, '-m', 'tests.mutations'], cwd=support.ROOT, capture_output=True, text=True,
      check=False)
  assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
