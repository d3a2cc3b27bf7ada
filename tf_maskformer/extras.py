"""Packages of the extras, which the base installation does not bring along."""

import importlib
import sys
import types

from tf_maskformer import errors


def require(module: str, extra: str, package: str = '') -> types.ModuleType:
  """Imports and returns a module of an extra.

  Args:
    module: its dotted name.
    extra: that brings it along, e.g. 'serve'.
    package: that it is part of, as pip calls it; '': as the module.

  Raises:
    UserError: it is not installed, or cannot be imported; the text has the command.
  """
  try:
    return importlib.import_module(module)
  except ModuleNotFoundError as e:
    missing = e.name or module
    name = package or module.partition('.')[0]
    is_own = module == missing or module.startswith(missing + '.')
    raise errors.UserError(
        f'{name if is_own else missing} is not installed; run: {command(extra)}') from e
  except ImportError as e:
    raise errors.UserError(
        f'{module} cannot be imported ({errors.quoted(e)}); run: {command(extra)}') from e


def missing(error: Exception) -> str:
  """Returns what to say of a package that every installation has; '' if this is not the error."""
  package, _, _ = (getattr(error, 'name', None) or '').partition('.')
  if not isinstance(error, ModuleNotFoundError) or package in ('', 'tf_maskformer', 'tests'):
    return ''
  return (f'{package} is not installed for {sys.executable}; in a checkout, run bash '
          'scripts/setup_env.sh and use .venv/bin/python')


def command(extra: str) -> str:
  """Returns the command that installs an extra."""
  return (f"python -m pip install 'tf-maskformer[{extra}]' "
          f'(in a checkout: bash scripts/setup_env.sh --extras {extra})')
