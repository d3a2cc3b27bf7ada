"""Where tests find the checkout, the data in the repository, and the data next to it."""

import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / 'tests' / 'data'
SKIP_REASON = 'needs reference data next to the checkout: '


def data(path: str) -> pathlib.Path:
  """Returns a file of tests/data, which every clone has: a missing one fails the test."""
  full = DATA / path
  if not full.exists():
    pytest.fail(f'tests/data/{path} is missing; the repository holds it, so restore it with '
                'git checkout tests/data')
  return full


def golden(path: str) -> pathlib.Path:
  """Returns a recording of the official code, such as 'mf_tiny/forward.npz'.

  tests/data/README.md says what is in it.
  """
  return data(f'golden/{path}')


def shared(path: str) -> pathlib.Path:
  """Returns a path in the reference data next to the checkout; skips the test where it is absent.

  Only what may not be part of the repository is there: images and annotations of COCO.
  """
  full = ROOT.parent / 'shared' / path
  if not full.exists():
    pytest.skip(f'{SKIP_REASON}{path}')
  return full
