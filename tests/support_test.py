"""Missing data: what the repository holds fails a test, what is next to the checkout skips it."""

import os
import shutil
import subprocess
import sys

import pytest

from tests import support

TESTS = """
import pytest
from tests import support

@pytest.mark.parametrize('path', ['data/a', 'data/b', 'data/a'])
def test_next_to_it(path):
  support.shared(path)

def test_in_it():
  support.golden('no_run/forward.npz')

def test_another_reason():
  pytest.skip('another reason')
"""


@pytest.mark.parametrize('processes', ['0', '2'])
def test_a_clone_without_data(processes, tmp_path):
  clone = tmp_path / 'clone'
  (clone / 'tests').mkdir(parents=True)
  for name in ('__init__.py', 'conftest.py', 'support.py'):
    shutil.copy(support.ROOT / 'tests' / name, clone / 'tests' / name)
  (clone / 'tests' / 'some_test.py').write_text(TESTS)
  command = [sys.executable, '-m', 'pytest', '-q', '-n', processes, '-p', 'no:cacheprovider']
  done = subprocess.run(
      [*command, 'tests/some_test.py'], cwd=clone, env={**os.environ, 'PYTHONPATH': str(clone)},
      capture_output=True, text=True, check=False)
  assert done.returncode == 1, done.stdout + done.stderr
  assert '3 tests need reference data next to the checkout: data/a, data/b\n' in done.stdout
  assert 'tests/data/golden/no_run/forward.npz is missing' in done.stdout
  assert '1 failed, 4 skipped' in done.stdout
