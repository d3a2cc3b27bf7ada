"""What is checked by reading: ruff's rules, length of files, docstrings, packages, words."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

from tests import support
from tests.house import sources

MAX_LINES = 400
# In pieces, so that this file holds none of them.
WORDS = [
    'pypi' + r'\.org', 'python' + 'hosted', r'/wo' + r'rk/', '/opt/' + 'envs', 'TO' + 'DO',
    'FIX' + 'ME', 'X' + 'XX']


def test_ruff():
  result = subprocess.run(
      [sys.executable, '-m', 'ruff', 'check', '--no-cache', '--output-format=concise', '.'],
      cwd=support.ROOT, capture_output=True, text=True, check=False)
  assert result.returncode == 0, result.stdout + result.stderr


def test_one_idea_per_file():
  for path in sources.files():
    lines = (support.ROOT / path).read_text().count('\n')
    assert lines < MAX_LINES, f'{path} has {lines} lines; split it'


def test_public_things_say_what_they_are():
  for path in sources.files(*(p for p in sources.PACKAGES if p not in ('tests', 'scripts'))):
    if not (support.ROOT / path).read_text().strip():
      continue
    assert ast.get_docstring(sources.tree(path)), f'{path} has no docstring'
    for node in sources.tree(path).body:
      if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith('_'):
        assert ast.get_docstring(node), f'{path}:{node.lineno} {node.name} has no docstring'


def test_every_folder_of_tests_is_a_package():
  for path in sources.files('tests'):
    folder = path.parent
    assert (support.ROOT / folder / '__init__.py').is_file(), f'{folder} has no __init__.py'


def test_tests_mirror_the_tree():
  for path in sources.files('tests'):
    folder = pathlib.Path(*path.parent.parts[1:])
    if folder.parts[:1] not in (('cluster',), ('house',), ('fuzz',), ('faults',)):
      assert (support.ROOT / folder).is_dir(), f'{path} tests a folder that does not exist'


@pytest.mark.parametrize('word', WORDS)
def test_words(word):
  listed = subprocess.run(
      ['git', 'ls-files'], cwd=support.ROOT, capture_output=True, text=True, check=False)
  tracked = listed.stdout.split('\n')
  names = [pathlib.Path(n) for n in tracked if n] or list(sources.files())
  texts = [n for n in names if n.suffix in ('.py', '.sh', '.md', '.txt', '.toml', '')]
  for name in texts:
    if (support.ROOT / name).is_file():
      found = re.search(word, (support.ROOT / name).read_text(errors='ignore'))
      assert not found, f'{name} has {found and found.group()}'
