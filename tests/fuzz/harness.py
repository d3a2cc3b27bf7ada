"""Feeds damaged files to a reader: guided by coverage where atheris is installed, else at random.

A reader returns or raises UserError, whatever the bytes; anything else is a finding.
"""

import contextlib
import dataclasses
import inspect
import pathlib
import sys
import tempfile
import types
from collections.abc import Callable, Iterator

import numpy as np

from tf_maskformer.errors import UserError

_CHUNK = 64  # bytes that a random mutation moves at most
_NUMBERS = (0, 1, 0x7f, 0x80, 0xff, 0xffff, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)


@dataclasses.dataclass(frozen=True)
class Target:
  """A reader to be fuzzed.

  Attributes:
    read: takes the bytes of a file.
    seeds: returns small good files, from which mutations start.
    modules: of this project whose branches the fuzzer follows.
  """
  read: Callable[[bytes], object]
  seeds: Callable[[], list[bytes]]
  modules: tuple[types.ModuleType, ...]


def run(targets: dict[str, Target]) -> None:
  """Fuzzes the target that the command line names, with libFuzzer's options after the name.

  A finding is printed with its traceback, its bytes are saved as `crash-…`, and the program ends.
  """
  import atheris
  name = sys.argv[1] if len(sys.argv) > 1 else ''
  if name not in targets:
    raise SystemExit(f'name a target: {", ".join(targets)}')
  target = targets[name]
  for module in target.modules:
    _instrument(module, atheris.instrument_func)
  with tempfile.TemporaryDirectory() as folder:
    for i, seed in enumerate(target.seeds()):
      pathlib.Path(folder, f'seed{i}').write_bytes(seed)
    atheris.Setup([sys.argv[0], *sys.argv[2:], folder], lambda data: check(target, data))
    atheris.Fuzz()


def _instrument(module: types.ModuleType, instrument: Callable) -> None:
  """Applies `instrument` to every function and method that a module defines."""
  own = [value for value in vars(module).values() if getattr(value, '__module__', '')
         == module.__name__]
  classes = [value for value in own if inspect.isclass(value)]
  methods = [value for c in classes for value in vars(c).values()]
  for function in [*own, *methods]:
    if inspect.isfunction(function):
      instrument(function)


def check(target: Target, data: bytes) -> None:
  """Raises what a reader must not raise for these bytes."""
  with contextlib.suppress(UserError):
    target.read(data)


def mutations(target: Target, count: int, seed: int) -> Iterator[bytes]:
  """Yields `count` damaged versions of a target's seeds."""
  rng = np.random.default_rng(seed)
  seeds = target.seeds()
  for i in range(count):
    data = bytearray(seeds[i % len(seeds)])
    for _ in range(rng.integers(1, 5)):
      _damage(data, rng)
    yield bytes(data)


def _damage(data: bytearray, rng: np.random.Generator) -> None:
  """Changes one place: a bit, a byte, a number, a piece that is gone, doubled or moved."""
  place = int(rng.integers(0, len(data) + 1))
  length = int(rng.integers(1, _CHUNK))
  other = int(rng.integers(0, len(data) + 1))
  kind = rng.integers(0, 7)
  if kind == 0 and place < len(data):
    data[place] ^= 1 << int(rng.integers(0, 8))
  elif kind == 1 and place < len(data):
    data[place] = int(rng.integers(0, 256))
  elif kind == 2:
    size = int(rng.choice([1, 2, 4, 8]))
    number = _NUMBERS[rng.integers(0, len(_NUMBERS))] % 256**size
    data[place:place + size] = number.to_bytes(size, str(rng.choice(['little', 'big'])))
  elif kind == 3:
    del data[place:place + length]
  elif kind == 4:
    data[place:place] = data[other:other + length]
  elif kind == 5:
    data[place:place + length] = data[other:other + length]
  else:
    del data[place:]
