"""A package that is missing is one line with the command that installs it."""

import importlib
import re
import sys

import pytest

from tests import support
from tf_maskformer import extras
from tf_maskformer.errors import UserError

try:
  tomllib = importlib.import_module('tomllib')
except ModuleNotFoundError:  # Python 3.10, where pytest brings this one along
  tomllib = importlib.import_module('tomli')


def test_what_is_installed_is_returned():
  assert extras.require('json.decoder', extra='serve') is sys.modules['json.decoder']


@pytest.mark.parametrize('module, package, named', [
    ('no_such_thing', '', 'no_such_thing'), ('no_such.thing', '', 'no_such'),
    ('no_such_thing', 'no-such-thing', 'no-such-thing')])
def test_what_is_missing_is_one_line(module, package, named):
  command = re.escape("run: python -m pip install 'tf-maskformer[serve]' (in a checkout: bash "
                      'scripts/setup_env.sh --extras serve)')
  with pytest.raises(UserError, match=f'^{named} is not installed; {command}$'):
    extras.require(module, 'serve', package)


def test_what_a_package_needs_is_named(tmp_path, monkeypatch):
  (tmp_path / 'half_installed.py').write_text('import another_missing_one\n')
  (tmp_path / 'broken_one.py').write_text("raise ImportError('libodd.so.1: cannot open')\n")
  monkeypatch.syspath_prepend(tmp_path)
  with pytest.raises(UserError, match='^another_missing_one is not installed; run: '):
    extras.require('half_installed', 'serve')
  with pytest.raises(UserError, match='^broken_one cannot be imported .libodd.so.1: cannot open'):
    extras.require('broken_one', 'serve')


def test_every_extra_has_its_pins():
  project = tomllib.loads((support.ROOT / 'pyproject.toml').read_text())['project']
  for extra, packages in project['optional-dependencies'].items():
    lines = (support.ROOT / f'requirements-{extra}.txt').read_text().splitlines()
    pins = {line.split('==')[0].lower() for line in lines if '==' in line}
    locked = (support.ROOT / 'requirements.lock.txt').read_text().splitlines()
    pins |= {line.split('==')[0].lower() for line in locked if '==' in line}
    for package in packages:
      name = re.match(r'[\w.-]+', package)[0].lower()
      assert name in pins, f'{extra}: {name} is not pinned'
