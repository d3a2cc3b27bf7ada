"""What an installation holds: every package of the tree, and the data files in them."""

import fnmatch
import importlib
import pathlib

from tests import support
from tests.house import sources

try:
  tomllib = importlib.import_module('tomllib')
except ModuleNotFoundError:  # Python 3.10, where pytest brings this one along
  tomllib = importlib.import_module('tomli')


def setuptools_table():
  return tomllib.loads((support.ROOT / 'pyproject.toml').read_text())['tool']['setuptools']


def package_folders():
  """Returns the folders of the packages, without tests, as paths below the root."""
  folders = set()
  for package in sources.PACKAGES:
    if package != 'tests':
      found = (support.ROOT / package).rglob('__init__.py')
      folders |= {path.parent.relative_to(support.ROOT) for path in found}
  return folders


def name_of(folder):
  parts = folder.parts if folder.parts[0] == 'tf_maskformer' else ('tf_maskformer', *folder.parts)
  return '.'.join(parts)


def test_every_package_is_installed():
  settings = setuptools_table()
  wanted = {name_of(folder): folder.as_posix() for folder in package_folders()}
  assert settings['package-dir'] == wanted
  assert sorted(settings['packages']) == sorted(wanted)


def test_every_folder_with_code_is_a_package():
  for path in sources.files():
    if path.parts[0] not in ('tests', 'train.py'):
      init = support.ROOT / path.parent / '__init__.py'
      assert init.is_file(), f'{path.parent} is not a package'


def test_data_files_are_installed():
  patterns = setuptools_table()['package-data']
  ignored = ('.py', '.sh', '.pyc', '.md', '.txt')  # shell scripts belong to the checkout
  found = 0
  for package in package_folders():
    for path in sorted((support.ROOT / package).glob('**/*')):
      inside = path.relative_to(support.ROOT / package)
      nearest = next(p for p in path.relative_to(support.ROOT).parents if p in package_folders())
      if path.is_dir() or path.suffix in ignored or nearest != package:
        continue
      found += 1
      matching = [p for p in patterns.get(name_of(package), []) if fnmatch.fnmatch(str(inside), p)]
      assert matching, f'{path.relative_to(support.ROOT)} is not part of an installation'
  assert found >= 5  # label maps


def test_names_of_packages_are_those_of_folders():
  assert name_of(pathlib.Path('modeling/layers')) == 'tf_maskformer.modeling.layers'
