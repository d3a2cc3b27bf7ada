"""What the README and the documents show works: their Python blocks, and the flags of commands."""

import importlib
import pathlib
import re
import shlex

import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image

from tests import support
from tf_maskformer import console
from tf_maskformer.configs.experiments import registry
from tf_maskformer.configs.experiments import table
from tf_maskformer.modeling.factory import build_model

PAGES = (
    'README.md', 'CONTRIBUTING.md', 'docs/architecture.md', 'docs/benchmark.md',
    'docs/checkpoints.md', 'docs/demo.md', 'docs/export.md', 'docs/server.md', 'docs/serving.md')
_ASSIGNMENT = re.compile(r'([A-Z_]+)=(.*)')
# The README's table has all of them.
_VARIABLES = set(re.findall(r'`([A-Z_]{4,})`', (support.ROOT / 'README.md').read_text()))
_PROGRAM = re.compile(r'scripts/(\w+)\.py')
# Programs of the system and those that the setup installs.
_FOREIGN = ('git', 'cd', 'curl', 'pip', '.venv/bin/ruff')


def _blocks(page: str, language: str) -> list[str]:
  text = (support.ROOT / page).read_text()
  return re.findall(rf'```{language}\n(.*?)```', text, re.DOTALL)


def _commands() -> list[tuple[str, str]]:
  """Returns (page, command) for every command of the pages' shell blocks."""
  found = []
  for page in PAGES:
    for block in _blocks(page, 'bash'):
      for line in block.replace('\\\n', ' ').splitlines():
        parts = line.split(' && ') if line.startswith('git') else [line]
        found += [(page, part) for part in parts if shlex.split(part, comments=True)]
  return found


def _module(words: list[str]) -> tuple[str, list[str]] | None:
  """Returns the program's module in scripts/ and its arguments; None for a foreign program."""
  if words[0] == 'tf-maskformer':
    return console.VERBS[words[1]][0], words[2:]
  if words[0].startswith('python') and words[1] == 'train.py':
    return 'train', words[2:]
  program = _PROGRAM.fullmatch(words[1]) if len(words) > 1 else None
  if words[0].startswith('python') and program:
    return program[1], words[2:]
  return None


@pytest.mark.parametrize('page, command', _commands())
def test_commands_have_known_flags_and_names(page, command):
  words = shlex.split(command, comments=True)
  if words[0] == 'export':
    words = words[1:]
  while words and _ASSIGNMENT.fullmatch(words[0]):
    name, value = _ASSIGNMENT.fullmatch(words.pop(0)).groups()
    assert name in _VARIABLES, f'{page}: {command}'
    assert name != 'EXPERIMENT' or value in table.ROWS, f'{page}: {command}'
  if not words:
    return
  found = _module(words)
  if found is None:
    is_script = words[0] == 'bash' and (support.ROOT / words[1]).is_file()
    is_module = words[1:2] == ['-m'] and importlib.util.find_spec(words[2])
    assert is_script or is_module or words[0] in _FOREIGN, f'{page}: {command}'
    return
  module, arguments = found
  if (module, arguments[:1]) == ('prepare_data', ['custom']):  # it has flags of its own
    module, arguments = 'prepare_custom', arguments[1:]
  given = importlib.import_module(f'tf_maskformer.scripts.{module}').flags().parse(arguments)
  experiment = getattr(given, 'experiment', None)
  assert experiment is None or experiment in table.ROWS, f'{page}: {command}'


def test_a_misspelled_flag_would_be_seen():
  misspelled_flag = 'python scripts/inspect_records.py --input x --outputt y'
  with pytest.raises(Exception, match='did you mean'):
    test_commands_have_known_flags_and_names('', misspelled_flag)
  misspelled_name = 'EXPERIMENT=maskformer_coc bash scripts/train_cpu.sh'
  with pytest.raises(AssertionError):
    test_commands_have_known_flags_and_names('', misspelled_name)


def _write_run(folder: pathlib.Path) -> None:
  """Writes the folder of a run that has just begun."""
  name = 'maskformer_shapes_panoptic'
  experiment = registry.get(name)
  experiment.task.resolve()
  experiment.task.evaluation.object_mask_threshold = 0.0
  model = build_model(experiment.task.model, seed=0)
  checkpoint = tf.train.Checkpoint(model=model, global_step=tf.Variable(0, dtype=tf.int64))
  tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1).save(checkpoint_number=0)
  (folder / 'params.yaml').write_text(yaml.safe_dump({'experiment': name, **experiment.as_dict()}))


def test_the_first_example_runs(tmp_path, monkeypatch, capsys):
  _write_run(tmp_path / 'runs' / 'coco')
  image = np.random.default_rng(0).integers(0, 256, [48, 64, 3], np.uint8)
  Image.fromarray(image).save(tmp_path / 'street.jpg')
  monkeypatch.chdir(tmp_path)
  code, = _blocks('README.md', 'python')
  scope = {}
  exec(code, scope)  # pylint: disable=exec-used
  printed = capsys.readouterr().out.splitlines()
  assert [line.split(' ')[0] for line in printed[-len(scope['result'].segments):]] == [
      segment.label for segment in scope['result'].segments]
  assert {'.json', '.png'} <= {p.suffix for p in pathlib.Path('predictions').iterdir()}


def test_the_building_blocks_run():
  code, = _blocks('docs/architecture.md', 'python')
  scope = {}
  exec(code, scope)  # pylint: disable=exec-used
  assert scope['outputs']['class_logits'].shape[1:] == (2, 20, 8)
  assert scope['query_index'].shape == (3, 2, 2)
  assert (scope['query_index'].numpy() >= 0).all()
  assert scope['id_map'].shape == scope['labels'].shape == (480, 600)
  assert {name: len(v) for name, v in scope['terms'].items()} == {'class': 3, 'mask': 3, 'dice': 3}
