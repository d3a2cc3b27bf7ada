"""Imports only go down the layers, are absolute, and use one Keras.

What must start fast does not load TensorFlow.
"""

import ast
import pathlib

import pytest

from tests.house import sources

_BASE = {'tf_maskformer', 'configs', 'ops', 'evaluation'}
ALLOWED = {
    'tf_maskformer': {'tf_maskformer'},
    'configs': {'tf_maskformer', 'configs'},
    'ops': {'tf_maskformer', 'ops'},
    'evaluation': {'tf_maskformer', 'evaluation'},
    'dataloaders': _BASE | {'dataloaders'},
    'modeling': _BASE | {'modeling'},
    'losses': _BASE | {'losses'},
    'training': _BASE | {'training'},
    'serving': _BASE | {'serving', 'modeling', 'dataloaders'},
    'tasks': _BASE | {'tasks', 'modeling', 'dataloaders', 'losses'},
    'scripts': set(sources.PACKAGES) - {'tests'},
    'tests': set(sources.PACKAGES),
}
# Imported without TensorFlow: what runs before it is loaded, and what works on saved files.
WITHOUT_TENSORFLOW = [
    'train.py', 'tf_maskformer/__init__.py', 'tf_maskformer/console.py', 'scripts/train.py',
    'configs/datasets/catalog.py', 'configs/fields.py', 'configs/override_syntax.py',
    'configs/experiments/recipes.py', 'configs/experiments/table.py', 'scripts/list_experiments.py',
    *map(str, sources.files('evaluation'))]
TENSORFLOW = ('tensorflow', 'tf_keras', 'official', 'orbit')


@pytest.mark.parametrize('package', ALLOWED)
def test_direction(package):
  for path in sources.files(package):
    for name in sources.imports(path):
      assert sources.package(name) in {None, *ALLOWED[package]}, f'{path} imports {name}'


def test_what_reads_records_does_not_import_what_writes_them():
  packages = ('dataloaders', 'modeling', 'serving', 'tasks', 'training')
  for path in sources.files(*packages):
    if 'preparation' in path.parts:
      continue
    for name in sources.imports(path):
      assert '.preparation' not in name, f'{path} imports {name}'


def test_one_name_for_every_module():
  """A module imported as `configs.task` and as `tf_maskformer.configs.task` is loaded twice.

  Its classes would then exist twice under one name.
  """
  for path in sources.files():
    for name in sources.imports(path):
      top = name.split('.')[0]
      assert top == 'tests' or top not in {*sources.PACKAGES, 'train'} - {'tf_maskformer'}, (
          f'{path} imports {name}; write tf_maskformer.{name}')


def test_absolute_and_one_keras():
  for path in sources.files():
    for name in sources.imports(path):
      assert not name.startswith('.'), f'{path} imports {name}, relative to itself'
      assert name.split('.')[0] != 'keras' and not name.startswith('tensorflow.keras'), (
          f'{path} imports {name}; the Keras of this project is tf_keras')
    for node in ast.walk(sources.tree(path)):
      if isinstance(node, ast.Attribute) and node.attr == 'keras':
        is_tf = isinstance(node.value, ast.Name) and node.value.id == 'tf'
        assert not is_tf, f'{path}:{node.lineno} uses tf.keras; use tf_keras'


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
