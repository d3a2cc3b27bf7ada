"""Hostile files: each is read or refused in one line, runs nothing, costs little, leaves nothing.

Little: 64 MB and four times the file's size of memory, ten seconds of processor time and one for
each megabyte. Nothing: a good file that the same process reads next comes back the same.
"""

import functools
import hashlib
import itertools
import os
import pathlib
import random
import shutil
from collections.abc import Callable, Iterator

from tests.faults import hostile_arrays
from tests.faults import hostile_images
from tests.faults import hostile_pickles
from tests.faults import warm
from tests.faults.good_files import Good
from tests.faults.jobs import World
from tests.faults.outcome import Case
from tests.faults.outcome import Fault
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.conversion import sources
from tf_maskformer.serving import inputs

_MEMORY = 64  # megabytes, for any file; and so many times its size:
_TIMES = 4
_SECONDS = 10
_GOOD = {'.pkl': ('.pth', '.pkl'), '.pth': ('.pth', '.pkl')}  # read after a hostile one
_DIFFERENT = 4  # exit code: the good file came back changed


def cases(seed: int, count: int, world: World) -> Iterator[Case]:
  """Yields hostile files of all formats in turn."""
  makers = _makers()
  for number, (suffix, maker) in enumerate(itertools.islice(itertools.cycle(makers), count)):
    chance = random.Random(f'files {seed} {number}')
    name = f'{suffix or "TensorFlow checkpoint"}: {maker.__name__}'
    yield Case(name, functools.partial(check, suffix, maker, chance, world))


def _makers() -> list[tuple[str, Callable]]:
  """Returns suffix and maker of each kind of hostile file; '' stands for TensorFlow checkpoints."""
  tables = {**hostile_pickles.MAKERS, **hostile_arrays.MAKERS, '.png': hostile_images.MAKERS,
            '': hostile_arrays.CHECKPOINT_CHANGES}
  return [(suffix, maker) for suffix, makers in tables.items() for maker in makers]


def check(suffix: str, maker: Callable, chance: random.Random, world: World, folder: pathlib.Path
          ) -> None:
  """Makes a file and lets a process of its own read it.

  Raises:
    Fault: it was neither read nor refused in one line, or cost too much, or changed the reader.
  """
  hostile_arrays.write_secrets(folder)
  path = _write(suffix, maker, chance, world.good_files, folder)
  size = sum(one.stat().st_size for one in folder.iterdir() if 'secret' not in one.name)
  good = [part for one in _GOOD.get(suffix, (suffix,)) for part in _good(one, world)]
  verdict = world.warm.call(f'{__name__}:read', str(path), *good)
  judge(verdict, size)
  if (folder / hostile_pickles.CANARY).exists():
    raise Fault('its payload ran', verdict.output)


def _write(suffix: str, maker: Callable, chance: random.Random, good: Good, folder: pathlib.Path
           ) -> pathlib.Path:
  """Returns the path of a new hostile file, or the prefix of a checkpoint."""
  if suffix:
    path = folder / f'hostile{suffix}'
    path.write_bytes(maker(chance, good))
    return path
  prefix = folder / 'ckpt-40'
  for source in good.run.glob('ckpt-40.*'):
    shutil.copy(source, folder)
  maker(chance, prefix)
  return prefix


def judge(verdict: warm.Verdict, size: int) -> None:
  """Raises Fault for a verdict that is not 'read' or 'refused in one line', within limits.

  Args:
    verdict: of the process that read the file.
    size: bytes of the file.
  """
  megabytes = size / 2**20
  if verdict.code == _DIFFERENT:
    raise Fault('a good file read afterwards comes back changed', verdict.output)
  if verdict.code not in (warm.HELD, warm.REFUSED):
    ended = f'exit code {verdict.code}' if verdict.code > 0 else f'signal {-verdict.code}'
    raise Fault(f'neither read nor refused: {ended}', verdict.output)
  lines = [line for line in verdict.output.splitlines() if line.startswith('refused: ')]
  if verdict.code == warm.REFUSED and len(lines) != 1:
    raise Fault('it was not refused in one line', verdict.output)
  if verdict.megabytes > _MEMORY + _TIMES * megabytes:
    raise Fault(f'{verdict.megabytes:.0f} MB of memory for a file of {megabytes:.1f} MB',
                verdict.output)
  if verdict.seconds > _SECONDS + megabytes:
    raise Fault(f'{verdict.seconds:.0f} s for a file of {megabytes:.1f} MB', verdict.output)


@functools.cache
def _good(suffix: str, world: World) -> tuple[str, str]:
  """Returns the path of a good file, or the prefix of a checkpoint, and its content's digest."""
  path = world.good_files.run / 'ckpt-40'
  if suffix:
    path = world.folder / f'good{suffix}'
    path.write_bytes(world.good_files.of(suffix))
  verdict = world.warm.call(f'{__name__}:show', str(path))
  if verdict.code:
    raise Fault(f'the good file {path.name} is not read', verdict.output)
  return str(path), verdict.output.split()[-1]


def show(path: str) -> None:
  """A task of `warm`: prints the digest of a file's content."""
  print(_digest(path))


def read(path: str, *good: str) -> int:
  """A task of `warm`: reads a hostile file, then good ones, which must be as always.

  Args:
    path: of the hostile file.
    *good: the path of a good file, the digest of its content, and so on.

  Returns:
    The exit code: `warm.HELD`, `warm.REFUSED` or `_DIFFERENT`.
  """
  os.chdir(os.path.dirname(path))
  code = warm.HELD
  try:
    _digest(path)
  except UserError as error:
    code = warm.REFUSED
    print(f'refused: {error}')
  for one, expected in zip(good[::2], good[1::2]):
    if _digest(one) != expected:
      return _DIFFERENT
  return code


def _digest(path: str) -> str:
  """Returns a digest of everything that a file holds."""
  if pathlib.Path(path).suffix in ('.png', '.jpg'):
    found = {'image': inputs.as_rgb(path)}
  else:
    found = sources.read(path).arrays
  digest = hashlib.sha256()
  for name, value in sorted(found.items()):
    if (value == hostile_arrays.SECRET_NUMBER).any():
      raise AssertionError(f'{name} has numbers of another file')
    digest.update(f'{name} {value.dtype} {value.shape}'.encode() + value.tobytes())
  return digest.hexdigest()
