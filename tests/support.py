"""What tests share: the reference data beside the project, which not every checkout has."""

import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


def shared(path: str) -> pathlib.Path:
  """Returns a path in the reference data beside the project; skips the test where it is absent."""
  full = ROOT.parent / 'shared' / path
  if not full.exists():
    pytest.skip(f'reference data {path} is not beside this checkout')
  return full
