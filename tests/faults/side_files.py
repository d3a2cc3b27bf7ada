"""Damaged files next to the weights, and damaged weights: repaired, or refused in one line.

A training that resumes ends in the bits of the undisturbed one and never starts again from step 0;
what cannot be repaired is named in a warning. Preparation makes again what is damaged.
"""

import functools
import pathlib
import random
import shutil
from collections.abc import Iterator

from tests.faults import facts
from tests.faults import kills
from tests.faults import processes
from tests.faults.jobs import World
from tests.faults.outcome import Case
from tests.faults.outcome import Fault

# Files of a training; * stands for one of those that match.
_OF_RUN = (
    'checkpoint', 'params.yaml', 'best.json', '.lock', 'evaluations/history.json',
    'evaluations/step_00000014.json', 'evaluations/step_*.json', 'best/checkpoint',
    'best/ckpt-*.index', 'best/ckpt-*.data*', 'ckpt-*.index', 'ckpt-*.data*', 'ckpt-28.index',
    'ckpt-28.data*', 'train/*tfevents*', 'validation/*tfevents*')
_OF_RECORDS = ('train.manifest.json', 'val.manifest.json', 'train.report.json', 'train-*.tfrecord')
_OF_SHAPES = ('annotations/*.json', 'train2017/*.jpg', 'annotations/panoptic_train2017/*.png')
_WORKS = ('half', 'half', 'done', 'all weights', 'prepare', 'make_shapes')
_JSON = (
    b'[]', b'{}', b'null', b'"text"', b'1e999', b'7', b'[{}]', b'{"a": {"b": [null]}}',
    b'NaN')
_KINDS = (
    'cut', 'zeros', 'empty', 'garbage', 'not UTF-8', 'JSON', 'deep', 'folder', 'dangling link',
    'missing', 'bytes')
# Same size, or same end: that is what preparation looks at when it is started again. Reading the
# records notices.
_UNNOTICED = {
    '.tfrecord': ('zeros', 'garbage', 'bytes'), '.jpg': ('bytes', 'not UTF-8'),
    '.png': ('bytes', 'not UTF-8')}


def cases(seed: int, count: int, world: World) -> Iterator[Case]:
  """Yields cases: a file, what is done to it, and what runs then."""
  for number in range(count):
    chance = random.Random(f'side files {seed} {number}')
    work = _WORKS[number % len(_WORKS)]
    patterns = {'prepare': _OF_RECORDS, 'make_shapes': _OF_SHAPES}.get(work, _OF_RUN)
    pattern = 'ckpt-*.index' if work == 'all weights' else chance.choice(patterns)
    unnoticed = _UNNOTICED.get(pathlib.PurePath(pattern).suffix, ())
    kind = chance.choice([kind for kind in _KINDS if kind not in unnoticed])
    check = _check_again if work in ('prepare', 'make_shapes') else _check_training
    yield Case(f'{work}: {pattern}: {kind}',
               functools.partial(check, work, pattern, kind, chance, world))


def _find(output: pathlib.Path, pattern: str) -> list[pathlib.Path]:
  """Returns the files that match; of a name, that file, which need not exist."""
  found = sorted(output.glob(pattern)) if '*' in pattern else [output / pattern]
  if not found:
    raise Fault(f'the undisturbed output has nothing that matches {pattern}')
  return found


def damage(path: pathlib.Path, kind: str, chance: random.Random) -> None:
  """Damages a file; `kind` is one of _KINDS."""
  data = path.read_bytes() if path.is_file() else b'text'
  path.unlink(missing_ok=True)
  if kind == 'folder':
    path.mkdir()
  elif kind == 'dangling link':
    path.symlink_to('nothing')
  elif kind != 'missing':
    path.write_bytes(_damaged(data, kind, chance))


def _damaged(data: bytes, kind: str, chance: random.Random) -> bytes:
  if kind == 'cut':
    return data[:chance.randrange(max(1, len(data)))]
  if kind == 'bytes':
    changed = bytearray(data)
    for _ in range(min(len(data), 5)):
      changed[chance.randrange(len(data))] = 255  # which no text has
    return bytes(changed)
  return {
      'zeros': bytes(len(data)), 'empty': b'', 'garbage': random.Random(0).randbytes(len(data)),
      'not UTF-8': b'\xff\xfe' + data, 'JSON': chance.choice(_JSON), 'deep': b'[' * 100_000,
  }[kind]


def _check_training(work: str, pattern: str, kind: str, chance: random.Random, world: World,
                    folder: pathlib.Path) -> None:
  """Damages a file of a run, starts the same command again, and judges what became of it."""
  output = folder / 'out'
  shutil.copytree(world.half_run if work == 'half' else world.run_folder('maskformer'), output)
  found = _find(output, pattern)
  damaged = found if work == 'all weights' else [chance.choice(found)]
  for path in damaged:
    damage(path, kind, chance)
  job = world.jobs['train maskformer']
  verdict = world.warm.call('tests.faults.warm:program', *job.argv(output), seconds=200)
  refused = kills.is_refused(verdict)
  if work == 'all weights' and not refused:
    raise Fault('it went on in a folder in which no checkpoint is whole', verdict.output)
  if refused:
    return
  if '(step 0)' in verdict.output:
    raise Fault('it started from step 0 in a folder with checkpoints', verdict.output)
  name = str(damaged[0].relative_to(output))
  expected = world.reference(job).facts
  wrong = facts.differences(
      expected, facts.of(folder), lambda other: _may_differ(name, other, verdict.output))
  if wrong:
    raise Fault(f'differs from the undisturbed run: {wrong}', verdict.output)


def _may_differ(damaged: str, name: str, output: str) -> bool:
  """Whether a fact may differ after a file was damaged.

  What a damaged file alone knew is lost; it is said in a warning, except where it is TensorBoard's.
  """
  group = damaged.split('/')[0].removesuffix('.json')
  name = name.removeprefix('out/')
  if damaged == 'params.yaml':  # a byte may make another value of one, which is kept
    return name.startswith('params.before_step') and 'changed since the last run' in output
  if 'tfevents' in damaged:
    return name.startswith(f'{group}: ')
  checkpoint = damaged.partition('.')[0]
  if damaged.startswith('ckpt-') and (name.startswith(f'{checkpoint}.') or name == 'checkpoint'):
    return f'{checkpoint} is damaged' in output  # an older one is removed
  is_of_group = name.split('/')[0].removesuffix('.json') == group
  return is_of_group and group in ('best', 'evaluations') and 'warning: ' in output


def _check_again(work: str, pattern: str, kind: str, chance: random.Random, world: World,
                 folder: pathlib.Path) -> None:
  """Damages a file of a preparation's output and starts it again; a refusal names the file."""
  job = world.jobs[work]
  reference = world.reference(job)
  output = folder / 'out'
  shutil.copytree(world.output_of(work), output)
  path = chance.choice(_find(output, pattern))
  damage(path, kind, chance)
  ended = processes.run(job.argv(output))
  kills.refuse_traceback(ended.output)
  if ended.code:
    if 'error: ' not in ended.output or path.name not in ended.output:
      raise Fault(f'{path.name} is not named', ended.output)
    return
  wrong = facts.differences(reference.facts, facts.of(folder))
  if wrong:
    raise Fault(f'differs from the undisturbed run: {wrong}', ended.output)
