"""Hostile pickles change nothing for the next file and cost no more than their size allows."""

import io
import signal
import tracemalloc
import types

import numpy as np
import pytest

from tests.modeling.conversion import hostile
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import budget
from tf_maskformer.modeling.conversion import pickle_machine
from tf_maskformer.modeling.conversion import pickle_values
from tf_maskformer.modeling.conversion import pickled_arrays
from tf_maskformer.modeling.conversion import pickles
from tf_maskformer.modeling.conversion import torch_files

MODULES = (budget, pickle_machine, pickle_values, pickled_arrays, pickles, torch_files)
POISON = hostile.poison()
COSTLY = hostile.costly()
ZIPS = hostile.zips()
HANGS = 60  # seconds; the slowest takes 5
# What unfolds to nothing, and is read.
HARMLESS = ('deep tuples that are left', 'keys of one hash', 'remembered again and again')


def load(data: bytes):
  return pickles.load('file.pkl', io.BytesIO(data))


def snapshot(value, depth=0):
  """Returns everything below modules, classes, functions and tables that a file could change."""
  if depth < 5 and isinstance(value, types.ModuleType):
    return {k: snapshot(v, depth + 1) for k, v in vars(value).items() if k in dir(value)
            and not isinstance(v, types.ModuleType) and not k.startswith('__')}
  if depth < 5 and isinstance(value, dict):
    return {k: snapshot(v, depth + 1) for k, v in value.items()}
  if isinstance(value, type):
    return id(value), {k: id(v) for k, v in vars(value).items() if k != '__dict__'}
  if isinstance(value, types.FunctionType):
    return id(value), id(value.__code__), value.__defaults__, dict(vars(value))
  return id(value), repr(value)


@pytest.mark.parametrize('kind', POISON)
def test_nothing_is_kept_for_the_next_file(kind):
  zipped = hostile.zipped(hostile.model(hostile.tensor()), bytes(range(96)))
  state = [snapshot(module) for module in MODULES]
  try:
    load(POISON[kind])
  except UserError as error:
    assert '\n' not in str(error)
  assert [snapshot(module) for module in MODULES] == state
  found = load(hostile.good())['model']['a']
  assert found.dtype == np.float32 and found.tolist() == [0, 1, 2, 3]
  assert load(zipped)['model'].tobytes() == bytes(range(96))


@pytest.mark.parametrize('kind', [*COSTLY, *ZIPS])
def test_time_and_memory_are_bounded_by_the_size(kind):
  data = {**COSTLY, **ZIPS}[kind]

  def stop(number, frame):
    del number, frame
    raise AssertionError('it hangs')

  previous = signal.signal(signal.SIGALRM, stop)
  signal.alarm(HANGS)
  tracemalloc.start()
  try:
    load(data)
    refused = None
  except UserError as error:
    refused = str(error)
  finally:
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)
  assert peak < 5 * len(data) + 64 * hostile.MEGABYTE
  if refused is None:
    assert kind in HARMLESS, f'{kind} is read'
  else:
    assert refused.startswith('checkpoint file.pkl ') and '\n' not in refused


def test_what_shares_its_numbers_is_read():
  storage = np.arange(24, dtype=np.float32)
  tied = hostile.model(b'(' + hostile.tensor() * 2 + b'l')
  for found in load(hostile.zipped(tied, storage.tobytes()))['model']:
    np.testing.assert_array_equal(found, storage)
  expanded = hostile.model(hostile.tensor(
      size=b'K\x05K\x02\x86', stride=b'K\x00K\x03\x86'))
  found = load(hostile.zipped(expanded, storage.tobytes()))['model']
  np.testing.assert_array_equal(found, [[0, 3]] * 5)
