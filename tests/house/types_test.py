"""The type checker finds nothing in the packages whose hints readers rely on."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

from tests import support
from tests.house import sources

CHECKED = ('configs', 'dataloaders', 'evaluation', 'serving', 'training')

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec('mypy') is None,
    reason='mypy is not installed; pip install -r requirements-dev.txt')


def _linked(folder: pathlib.Path) -> pathlib.Path:
  """Lays out the package below `folder` as an installation has it; mypy follows no `__path__`."""
  package = folder / 'tf_maskformer'
  package.mkdir()
  for path in (support.ROOT / 'tf_maskformer').glob('*.py'):
    (package / path.name).symlink_to(path)
  for name in sources.PACKAGES:
    if name not in ('tests', 'tf_maskformer'):
      (package / name).symlink_to(support.ROOT / name)
  return folder


def _mypy(folder: pathlib.Path, *arguments: str) -> str:
  """Returns what mypy prints about modules below `folder`."""
  done = subprocess.run(
      [sys.executable, '-m', 'mypy', '--config-file', str(support.ROOT / 'pyproject.toml'),
       '--cache-dir', str(folder / 'cache'), '--no-error-summary', *arguments],
      cwd=folder, env={**os.environ, 'MYPYPATH': str(folder)}, capture_output=True, text=True,
      check=False)
  assert done.returncode in (0, 1), done.stdout + done.stderr
  return done.stdout


def test_no_finding(tmp_path):
  packages = [argument for name in CHECKED for argument in ('-p', f'tf_maskformer.{name}')]
  found = _mypy(_linked(tmp_path), *packages)
  assert not found, f'\n{found}'


def test_the_check_knows_the_types_of_the_package(tmp_path):
  (tmp_path / 'wrong.py').write_text(
      'from tf_maskformer.configs.datasets import catalog\n'
      'classes: int = catalog.get(3)\n')
  found = _mypy(_linked(tmp_path), 'wrong.py')
  assert 'expression has type "DataSet", variable has type "int"' in found
  assert 'has incompatible type "int"; expected "str"' in found
