"""Accepted odd settings of small models, trained for two steps in a process with limits."""

import contextlib
import io
import math
import pathlib
import random
import resource
import subprocess
import sys
import tempfile

from tests import records
from tests import support
from tf_maskformer import errors
from tf_maskformer.configs import fields
from tf_maskformer.configs import rules
from tf_maskformer.configs.experiments import registry
from tf_maskformer.scripts import train

_NAMES = ('maskformer_shapes_panoptic', 'mask2former_shapes_panoptic')
_MEMORY = 6 * 2**30  # bytes that a process may have
_SECONDS = 300
_EDGES = (0, 1, 2, 3, 5, 7, 31, 255, 256)
# Where the run writes and reads, and how long it is.
_KEPT = ('input_path', 'train_steps', 'init_checkpoint', 'data_set', 'tpu', 'num_gpus')
_COSTLY = ('layers', 'encoder_layers')  # each takes seconds to build
BASE = (
    'trainer.train_steps=2,trainer.steps_per_loop=1,task.train_data.global_batch_size=2,'
    'task.validation_data.global_batch_size=2,task.train_data.parser.output_size=[64,64],'
    'task.validation_data.parser.output_size=[64,64]')


def changes(rng: random.Random, name: str) -> str:
  """Returns the text of an override of one to three fields that have an effect."""
  experiment = registry.get(name)
  leaves = [leaf for leaf in fields.leaves(experiment)
            if not rules.is_without_effect(leaf[0]) and leaf[2] not in _KEPT
            and '.swin.' not in leaf[0]]
  chosen = rng.sample(leaves, rng.randrange(1, 4))
  return ','.join(f'{key}={_value(rng, config, last)}' for key, config, last in chosen)


def _value(rng: random.Random, config, name: str) -> str:
  rule = fields.rule(config, name)
  value = getattr(config, name)
  if isinstance(rule, fields.OneOf):
    one = rng.choice(rule.known)
    return repr(one) if isinstance(one, str) else str(one)
  if isinstance(value, bool):
    return str(rng.random() < 0.5)
  if isinstance(value, list):
    return '[' + ','.join(str(rng.choice(_EDGES)) for _ in range(rng.randrange(4))) + ']'
  if isinstance(value, str):
    return rng.choice(("''", repr(value), 'x', 'validation_loss'))
  highest = 8 if name in _COSTLY else getattr(rule, 'highest', 1)
  largest = 10 ** rng.uniform(-3, math.log10(highest)) if highest > 0 else 0
  if isinstance(value, float):
    return repr(float(rng.choice((0, 1e-20, largest, highest, 0.5, 1))))
  edges = [edge for edge in _EDGES if edge <= highest]
  return str(rng.choice((*edges, int(largest), int(highest))))


def is_accepted(argv: list[str]) -> bool:
  """Whether the settings are taken, as `tests.faults.settings` checks in more detail."""
  try:
    with contextlib.redirect_stdout(io.StringIO()):
      train.settle(train.flags().parse(argv))
  except errors.UserError:
    return False
  return True


def run(argv: list[str], folder: pathlib.Path) -> str:
  """Trains in a process with limits on memory and time.

  Args:
    argv: of train.py.
    folder: of the run.

  Returns:
    What is wrong with how it ended; '' where it ended well: 0, or 1 or 2 with one line.
  """
  def limit() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
  command = [sys.executable, str(support.ROOT / 'train.py'), *argv, f'--model_dir={folder}']
  try:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_SECONDS, check=False, preexec_fn=limit)
  except subprocess.TimeoutExpired:
    return f'did not end in {_SECONDS} s'
  lines = done.stderr.strip().splitlines()
  is_refused = done.returncode in (1, 2) and 'Traceback' not in done.stderr and bool(
      lines) and lines[-1].startswith('error: ')
  if done.returncode == 0 or is_refused:
    print(f'  {done.returncode} {lines[-1] if done.returncode else ""}', flush=True)
    return ''
  return f'ended with {done.returncode}: {done.stderr[-1500:]}'


def run_all(seed: int, count: int) -> int:
  """Runs `count` accepted settings; returns 1 where one did not end well."""
  rng = random.Random(seed)
  held = 0
  with tempfile.TemporaryDirectory() as root:
    def make(name: str) -> pathlib.Path:
      folder = pathlib.Path(root, name)
      folder.mkdir()
      return folder
    data = records.shapes_records(make, 8, 3)
    inputs = ','.join(
        f"task.{split}_data.input_path='{data}/{name}*'"
        for split, name in (('train', 'train'), ('validation', 'val')))
    tried = 0
    while tried < count:
      name = rng.choice(_NAMES)
      text = changes(rng, name)
      argv = [f'--experiment={name}', *(f'--params_override={t}' for t in (BASE, inputs, text))]
      if not is_accepted(argv):
        continue
      tried += 1
      print(f'{tried}/{count} {name} {text}', flush=True)
      problem = run(argv, pathlib.Path(root, f'run{tried}'))
      held += not problem
      if problem:
        print(f'FAILED {problem}', flush=True)
  print(f'accepted settings, two steps: {held} of {count} held')
  return int(held < count)
