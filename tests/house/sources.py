"""The project's sources, read without importing them."""

import ast
import functools
import pathlib
from collections.abc import Iterator

from tests import support

PACKAGES = (
    'tf_maskformer', 'configs', 'ops', 'evaluation', 'dataloaders', 'modeling', 'losses', 'serving',
    'tasks', 'training', 'scripts', 'tests')


def files(*packages: str) -> Iterator[pathlib.Path]:
  """Yields the Python files of packages (none: all, with train.py), as paths below the root."""
  for package in packages or PACKAGES:
    yield from sorted(p.relative_to(support.ROOT) for p in (support.ROOT / package).rglob('*.py'))
  if not packages:
    yield pathlib.Path('train.py')


@functools.cache
def tree(path: pathlib.Path) -> ast.Module:
  """Returns the syntax tree of a file."""
  return ast.parse((support.ROOT / path).read_text(), str(path))


def imports(path: pathlib.Path, nested: bool = True) -> list[str]:
  """Returns the dotted names that a file imports; with `nested` inside functions too."""
  found = []
  for node in ast.walk(tree(path)) if nested else tree(path).body:
    if isinstance(node, ast.Import):
      found += [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      found += [f'{"." * node.level}{node.module or ""}.{alias.name}' for alias in node.names]
  return found


def package(name: str) -> str | None:
  """Returns the package of this project that a dotted name belongs to; None: it is third-party."""
  parts = name.split('.')
  if parts[0] == 'tf_maskformer' and parts[1:2] and parts[1] in PACKAGES:
    return parts[1]
  return parts[0] if parts[0] in ('tf_maskformer', 'tests') else None


def module_file(name: str) -> pathlib.Path | None:
  """Returns the file that `import name` (or `from … import`) loads; None: it is third-party."""
  if package(name) is None:
    return None
  parts = name.split('.')
  if package(name) not in ('tf_maskformer', 'tests'):
    parts = parts[1:]
  while parts:
    path = pathlib.Path(*parts)
    for candidate in (path.with_suffix('.py'), path / '__init__.py'):
      if (support.ROOT / candidate).is_file():
        return candidate
    parts.pop()
  return None
