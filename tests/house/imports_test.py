"""Imports go downwards only, from the root, to one Keras; what must start fast does not load TensorFlow."""

import ast
import pathlib

import pytest

from tests.house import sources

_BASE = {'configs', 'ops', 'evaluation'}
ALLOWED = {
    'configs': {'configs'},
    'ops': {'ops'},
    'evaluation': {'evaluation'},
    'dataloaders': _BASE | {'dataloaders'},
    'modeling': _BASE | {'modeling'},
    'losses': _BASE | {'losses'},
    'training': _BASE | {'training'},
    'serving': _BASE | {'serving', 'modeling', 'dataloaders'},
    'tasks': _BASE | {'tasks', 'modeling', 'dataloaders', 'losses'},
    'train': set(sources.PACKAGES) - {'scripts', 'tests'},
    'scripts': set(sources.PACKAGES) - {'tests'},
    'tests': {*sources.PACKAGES, 'train'},
}
# Read without TensorFlow: what is checked before it is loaded, and what runs on saved files.
WITHOUT_TENSORFLOW = [
    'train.py', 'configs/errors.py', 'configs/datasets.py', 'configs/override_syntax.py',
    'configs/experiments/table.py', 'training/cli.py', 'scripts/list_experiments.py',
    *map(str, sources.files('evaluation'))]
TENSORFLOW = ('tensorflow', 'tf_keras', 'official', 'orbit')


def _package(path: pathlib.Path) -> str:
  return path.parts[0].removesuffix('.py')


@pytest.mark.parametrize('package', ALLOWED)
def test_direction(package):
  for path in [pathlib.Path('train.py')] if package == 'train' else sources.files(package):
    for name in sources.imports(path):
      top = name.split('.')[0]
      assert top not in {*sources.PACKAGES, 'train'} or top in ALLOWED[package], f'{path} imports {name}'


def test_absolute_and_one_keras():
  for path in sources.files():
    for name in sources.imports(path):
      assert not name.startswith('.'), f'{path} imports {name}, relative to itself'
      assert name.split('.')[0] != 'keras' and not name.startswith('tensorflow.keras'), (
          f'{path} imports {name}; the Keras of this project is tf_keras')
    for node in ast.walk(sources.tree(path)):
      if isinstance(node, ast.Attribute) and node.attr == 'keras' and isinstance(node.value, ast.Name):
        assert node.value.id != 'tf', f'{path}:{node.lineno} uses tf.keras; take tf_keras'


def _loads(path: pathlib.Path, seen: set) -> str | None:
  """Returns the chain of imports from a file to TensorFlow, None where there is none."""
  seen.add(path)
  for name in sources.imports(path, nested=False):
    if name.split('.')[0] in TENSORFLOW:
      return f'{path} -> {name}'
    target = sources.module_file(name)
    if target and target not in seen:
      chain = _loads(target, seen)
      if chain:
        return f'{path} -> {chain}'
  return None


@pytest.mark.parametrize('path', WITHOUT_TENSORFLOW)
def test_starts_without_tensorflow(path):
  assert _loads(pathlib.Path(path), set()) is None


def test_the_check_finds_tensorflow():
  assert _loads(pathlib.Path('configs/task.py'), set())
  assert _loads(pathlib.Path('ops/image.py'), set())
