"""Hostile and odd settings, generated: each is accepted or refused in one line, in two seconds.

    python -m tests.faults.settings --count 300 --seed 1            # refused or accepted
    python -m tests.faults.settings --count 20 --seed 1 --run       # two steps of those accepted

`generate` makes the cases of a seed; `check` takes one up to where something would be built. With
`--run`, what was accepted is trained for two steps, in a process of its own.
"""

import argparse
import collections
import contextlib
import dataclasses
import io
import math
import os
import pathlib
import random
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from unittest import mock

from tests.faults import hostile_files
from tests.faults import small_runs
from tf_maskformer import errors
from tf_maskformer.configs import fields
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.experiments import settings
from tf_maskformer.scripts import train
from tf_maskformer.training import preflight

SECONDS = 2
_WAIT = 30  # seconds in all: nothing waits for a pipe
_LONGEST_LINE = 4200  # characters of a message
_NAMES = (
    'maskformer_coco_panoptic', 'mask2former_coco_panoptic', 'maskformer_ade20k_semantic_swin_tiny',
    'per_pixel_ade20k_semantic', 'per_pixel_plus_ade20k_semantic', 'maskformer_shapes_panoptic',
    'mask2former_shapes_panoptic')
_NUMBERS = (
    '0', '-1', '-0.0', '1', '1.5', '1e308', '1e39', '1e-39', '1e-50', '1e400', 'nan', 'inf', '-inf',
    '1_0', '010', '0x10', '1:30', 'True', 'None', '"3"', '\u0663', '+7', '.5', '5.', '1e', 'e5', '',
    '2147483647', '2147483648', '4294967296', '9' * 30, '9' * 41, '1' * 5000, '[3]', '{3}', '3 4')
_TEXTS = (
    'http://example.org/x', 'gs://', 'a\nb', 'a\x1b[31mb', 'a\0b', 'a\udcffb', '../' * 2000, "''",
    'x' * 10**5, 'None', 'true', '[', ']', '"', 'a=b', ' ', '/dev/zero', '/proc/self/mem', '%s%n',
    '\u202eabc', '*', '[!', '/', '.', '~', 'all,all', 'all', 'backbone,', 'backbon', 'mirrored')
_VARIABLES = (
    'TFRECORDS_DIR', 'RESNET_CKPT', 'MASKFORMER_CKPT', 'TRAIN_BATCH_SIZE', 'EVAL_BATCH_SIZE',
    'BASE_LR', 'IMG_SIZE', 'NO_OBJ_CLS_WEIGHT', 'DEEP_SUPERVISION', 'ON_TPU', 'MODEL_DIR')


@dataclasses.dataclass(frozen=True)
class Case:
  """One way to start a training.

  Attributes:
    kind: of hostility.
    argv: of train.py; {folder} stands for the folder of `files`.
    files: what the folder holds: bytes, or a function that makes something at a path.
    environ: variables.
  """
  kind: str
  argv: tuple[str, ...]
  files: dict[str, bytes | Callable[[pathlib.Path], None]] = dataclasses.field(default_factory=dict)
  environ: dict[str, str] = dataclasses.field(default_factory=dict)


def generate(seed: int, count: int) -> Iterator[Case]:
  """Yields cases of all kinds, the same for the same seed."""
  rng = random.Random(seed)
  makers = list(_MAKERS.items())
  for i in range(count):
    kind, make = makers[i % len(makers)]
    yield dataclasses.replace(make(rng), kind=kind)


def check(case: Case, folder: pathlib.Path, seconds: float = SECONDS) -> str:
  """Takes a case up to where something would be built.

  Args:
    case: what is tried.
    folder: empty; gets the case's files.
    seconds: of this process's CPU, that it may take.

  Returns:
    The message of the refusal; '' where the case was accepted.

  Raises:
    AssertionError: another exception than UserError, more than one line, or too slow.
  """
  write_files(case, folder)
  start = time.monotonic()
  start_cpu = time.process_time()
  output = io.StringIO()
  with mock.patch.dict(os.environ, case.environ), contextlib.redirect_stdout(output):
    message = _message(case, folder)
  taken = time.process_time() - start_cpu
  assert taken < seconds, f'{case.kind}: {_shown(case)} took {taken:.1f} s'
  assert time.monotonic() - start < _WAIT, f'{case.kind}: {_shown(case)} waited'
  for line in [message, *output.getvalue().splitlines()]:
    assert len(line) < _LONGEST_LINE and line.isprintable(), f'{case.kind}: {line[:500]!r}'
  return message


def write_files(case: Case, folder: pathlib.Path) -> None:
  """Makes the files of a case."""
  for name, content in case.files.items():
    if isinstance(content, bytes):
      (folder / name).write_bytes(content)
    else:
      content(folder / name)


def argv_of(case: Case, folder: pathlib.Path) -> list[str]:
  """Returns the arguments of a case whose files are in a folder."""
  return [word.replace('{folder}', str(folder)) for word in case.argv]


def _message(case: Case, folder: pathlib.Path) -> str:
  try:
    arguments = train.flags().parse(argv_of(case, folder))
    train.check(arguments)
    _, experiment, _ = train.settle(arguments)
    preflight.resolve_devices(experiment.runtime, arguments.mode)
    preflight.check_batches(experiment, arguments.mode)
    preflight.check_init_checkpoint(experiment.task)
    preflight.warn_of_schedule(experiment)
  except errors.UserError as error:
    assert str(error), f'{case.kind}: {_shown(case)} has an empty message'
    return str(error)
  except Exception as error:
    raise AssertionError(f'{case.kind}: {_shown(case)}: {error!r:.500}') from error
  return ''


def _shown(case: Case) -> str:
  return ascii((case.argv, case.environ, case.files))[:1500]


def _of_type(rng: random.Random, name: str, kinds: tuple[type, ...]) -> str:
  """Returns the key of a random field whose value is of one of these types."""
  experiment = registry.get(name)
  keys = [key for key, config, last in fields.leaves(experiment)
          if type(getattr(config, last)) in kinds]
  return rng.choice(keys)


def _number(rng: random.Random) -> str:
  draw = rng.random()
  if draw < 0.5:
    return rng.choice(_NUMBERS)
  if draw < 0.8:
    return str(rng.choice((1, 1, -1)) * int(10 ** rng.uniform(0, 35)))
  return repr(math.copysign(10 ** rng.uniform(-60, 60), rng.choice((1, 1, -1))))


def _override(rng: random.Random, name: str, *changes: str) -> Case:
  order = list(changes)
  rng.shuffle(order)
  return Case('', (f'--experiment={name}', *(f'--params_override={text}' for text in order)))


def _numbers(rng: random.Random) -> Case:
  name = rng.choice(_NAMES)
  return _override(rng, name, f'{_of_type(rng, name, (int, float, bool))}={_number(rng)}')


def _lists(rng: random.Random) -> Case:
  name = rng.choice(_NAMES)
  depth = int(10 ** rng.uniform(0, 4))
  value = rng.choice((
      '[]', '[1]', '[1,2]', '[1,2,3]', '[0,0]', '[1,,2]', '[1', '1]', '[[1]]', '[a]', '[1.5]',
      '[' * depth + '1' + ']' * depth, '[' * depth, '[' + '1,' * depth + '1]',
      f'[{_number(rng)},{_number(rng)}]', f'[{_number(rng)}]'))
  return _override(rng, name, f'{_of_type(rng, name, (list,))}={value}')


def _texts(rng: random.Random) -> Case:
  name = rng.choice(_NAMES)
  key = _of_type(rng, name, (str, type(None)))
  return _override(rng, name, f'{key}={rng.choice(_TEXTS)}')


def _syntax(rng: random.Random) -> Case:
  name = rng.choice(_NAMES)
  many = int(10 ** rng.uniform(1, 4))
  letters = 'ab.=,[]\'" \n\t0é\0\udc80{}<>&*!|%'
  text = rng.choice((
      ''.join(rng.choice(letters) for _ in range(rng.randrange(1, 200))),
      ','.join(f'a{i}.b=1' for i in range(many)),
      ','.join(f'a{i}="x,y"' for i in range(many)),
      'trainer.train_steps=1,' * 2 + 'runtime.seed=1',
      'a.' * many + 'b=1', 'a' * many + '=1', 'trainer.train_step' + 's' * many + '=1',
      'runtime.seed=' + ' ' * many, '=' * many, '"' * many, "task.data_set='" + 'a' * many))
  return _override(rng, name, text)


def _files(rng: random.Random, ending: str) -> Case:
  name, content = hostile_files.settings_file(rng, ending)
  argv = (f'--experiment={rng.choice(_NAMES)}', '--config_file={folder}/' + name)
  return Case('', argv, {name: content})


def _special(rng: random.Random) -> Case:
  def unreadable(path: pathlib.Path) -> None:
    path.write_text('trainer: {}')
    path.chmod(stat.S_IWUSR)
  makers = {
      'a.yaml': pathlib.Path.mkdir, 'b.yaml': os.mkfifo, 'd.yaml': unreadable,
      'c.yaml': lambda path: path.symlink_to('/dev/zero'),
      'e.json': lambda path: path.symlink_to(path), 'f.yaml': lambda path: None,
      'g.json': lambda path: path.write_bytes(b'[' * 2**20)}
  name = rng.choice(list(makers))
  flag = rng.choice(('--config_file=', '--params_override='))
  return Case('', (f'--experiment={rng.choice(_NAMES)}', flag + '{folder}/' + name),
              {name: makers[name]})


def _environ(rng: random.Random) -> Case:
  values = [_number(rng), rng.choice(_TEXTS).replace('\0', ''), rng.choice(_NUMBERS)]
  chosen = rng.sample(_VARIABLES, rng.randrange(1, 4))
  environ = {name: rng.choice(values) for name in chosen}
  return Case('', (f'--experiment={rng.choice(_NAMES)}',), environ=environ)


def _relations(rng: random.Random) -> Case:
  changes = (
      'runtime.num_gpus=2', 'runtime.distribution_strategy=mirrored', 'task.micro_batch_size=3',
      'task.train_data.global_batch_size=7', 'task.train_data.is_training=False',
      'task.validation_data.is_training=True', 'task.init_checkpoint_modules=all,backbone',
      'task.init_checkpoint_modules=pixel_decoder,predictor', 'trainer.train_steps=2',
      'trainer.optimizer_config.learning_rate.boundaries=[2147483646,2147483647]',
      'trainer.optimizer_config.learning_rate.warmup_steps=2147483647',
      'trainer.optimizer_config.learning_rate.factor=10', 'trainer.validation_interval=2147483647',
      'runtime.all_reduce_alg=nccl', 'runtime.jit_compile=True', 'task.losses.matcher=host',
      'task.train_data.parser.output_size=[32768,32768]', 'task.train_data.global_batch_size=65536',
      'task.validation_data.global_batch_size=65536', 'task.train_data.parser.max_layers=1024',
      'task.model.num_queries=65536', 'task.model.transformer_decoder.layers=256',
      'task.train_data.parser.augmentation.scale_jitter=[0.1,1000]',
      'task.model.backbone.type=swin', 'task.model.backbone.swin.window=32',
      'task.evaluation.panoptic=False', 'task.data_set=ade20k_instance',
      'trainer.eval_tf_function=0')
  return _override(rng, rng.choice(_NAMES), *rng.sample(changes, rng.randrange(1, 5)))


def _runs(rng: random.Random) -> Case:
  name = rng.choice(_NAMES)
  whole = settings.as_yaml(registry.get(name), name).encode()
  params, classes = hostile_files.run_files(rng, whole)
  argv = ('--model_dir={folder}', '--mode=' + rng.choice(train.MODES))
  return Case('', argv, {'params.yaml': params, 'data_set.yaml': classes})


def _flags(rng: random.Random) -> Case:
  words = (
      '--experiment', '--experimnt=x', '--mode=', '--mode=evl', '--model_dir=',
      '--model_dir=a\udcff',
      '--tpu=a\0', '--params_override', 'x' * 10**5, '--' + 'y' * 10**5, '-', '--', '', '\n',
      '--experiment=' + 'z' * 10**5, '--config_file=', '--config_file=a.yaml\0', '--debug=1',
      '--experiment=\x1b[2J', '--mode=train', '--tpu')
  return Case('', tuple(rng.sample(words, rng.randrange(1, 5))))


_MAKERS: dict[str, Callable[[random.Random], Case]] = {
    'numbers': _numbers, 'lists': _lists, 'texts': _texts, 'syntax': _syntax,
    'yaml': lambda rng: _files(rng, '.yaml'), 'json': lambda rng: _files(rng, '.json'),
    'special files': _special, 'environment': _environ, 'relations': _relations,
    'damaged runs': _runs, 'flags': _flags}


def main() -> int:
  """Prints how many cases of each kind held; returns 1 where one did not."""
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--count', type=int, default=300)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--run', action='store_true', help='train what is accepted for two steps')
  args = parser.parse_args()
  if args.run:
    return small_runs.run_all(args.seed, args.count)
  tried: collections.Counter[str] = collections.Counter()
  held: collections.Counter[str] = collections.Counter()
  for case in generate(args.seed, args.count):
    tried[case.kind] += 1
    with tempfile.TemporaryDirectory() as folder:
      try:
        check(case, pathlib.Path(folder))
        held[case.kind] += 1
      except AssertionError as error:
        print(f'FAILED {error}', flush=True)
  for kind, count in tried.items():
    print(f'{kind}: {held[kind]} of {count} held')
  return 0 if held == tried else 1


if __name__ == '__main__':
  sys.exit(main())
