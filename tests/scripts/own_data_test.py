"""`train --data`: which experiment, what is prepared and when, and all of it in one command."""

import numpy as np
import pytest
from PIL import Image

from tests.scripts.train_test import VARIABLES
from tf_maskformer.configs.experiments import table
from tf_maskformer.errors import UserError
from tf_maskformer.scripts import own_data
from tf_maskformer.scripts import train


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
  for name in VARIABLES:
    monkeypatch.delenv(name, raising=False)


def draw(root, images=12, size=64):
  """Draws images of one square each, and masks in which it has the value 1."""
  rng = np.random.default_rng(0)
  for folder in ('images', 'masks'):
    (root / folder).mkdir(parents=True)
  for k in range(images):
    left, top = rng.integers(4, size // 2, 2)
    mask = np.zeros([size, size], np.uint8)
    mask[top:top + 20, left:left + 24] = 1
    image = rng.integers(0, 60, [size, size, 3]) + 180 * mask[..., None]
    Image.fromarray(image.astype(np.uint8)).save(root / 'images' / f'{k:02d}.png')
    Image.fromarray(mask).save(root / 'masks' / f'{k:02d}.png')
  return root


def prepare_by_hand(root):
  """Converts what `draw` drew, with the names that its values do not say."""
  from tf_maskformer.scripts import prepare_custom
  prepare_custom.main([f'--data={root}', '--classes=ground,square', '--workers=1', '--shards=1'])


def prepared(*flags):
  """Returns the arguments after `prepare`, and the path that it returns."""
  arguments = train.flags().parse(list(flags))
  train.check(arguments)
  return arguments, own_data.prepare(arguments)


@pytest.mark.parametrize('model, task, name', [
    ('', 'panoptic', 'mask2former_custom_panoptic'),
    ('mask2former', 'instance', 'mask2former_custom_instance'),
    ('mask2former_r50', 'instance', 'mask2former_custom_instance'),
    ('maskformer_r101', 'semantic', 'maskformer_custom_semantic_r101'),
    ('mask2former_swin_tiny', 'panoptic', 'mask2former_custom_panoptic_swin_tiny'),
    ('mask2former_small', 'semantic', 'mask2former_custom_semantic_small')])
def test_the_experiment(model, task, name):
  assert own_data.experiment_of(model, task) == name
  assert name in table.CUSTOM


def test_every_experiment_has_a_model():
  models = {f'{row.model}_{row.backbone}' for row in table.CUSTOM.values()}
  found = {own_data.experiment_of(model, task) for model in models for task in own_data.TASKS}
  assert found == set(table.CUSTOM)


@pytest.mark.parametrize('flags, message', [
    ('--data=a --model=mask2fomer', "model 'mask2fomer' is unknown; did you mean mask2former"),
    ('--data=a --model=mask2former_r18', 'did you mean'),
    ('--data=a --model=mask2former_', 'does not exist'),
    ('--data=a --experiment=mask2former_custom_instance', '--data chooses the experiment; leave'),
    ('--experiment=shapes --task=instance', '--task goes with --data; an experiment has its task'),
    ('--experiment=shapes --model=maskformer', '--model goes with --data; an experiment has its'),
    ('--data=a --task=boxes', 'boxes'), ('--data=a', '--data a does not exist; name a folder')])
def test_flags_that_are_wrong(tmp_path, monkeypatch, flags, message):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(UserError, match=message):
    train.main(flags.split())
  assert not list(tmp_path.iterdir())


def test_a_question_names_the_command_that_takes_the_answer(tmp_path):
  root = tmp_path / 'my'
  root.mkdir()
  with pytest.raises(UserError, match='prepare custom --data .*my; run it first'):
    prepared(f'--data={root}')


def test_what_was_prepared_is_not_prepared_again(tmp_path, capsys):
  root = draw(tmp_path / 'my', 4)
  prepare_by_hand(root)
  records = tmp_path / 'my_records'
  for path in (root / 'masks').iterdir():
    path.unlink()  # nothing could be converted any more
  times = {path: path.stat().st_mtime_ns for path in records.iterdir()}
  for data in (root, f'{root}/', records, records / 'data_set.yaml'):
    capsys.readouterr()
    flags = [f'--data={data}', f'--model_dir={tmp_path}/run', '--model=maskformer']
    arguments, path = prepared(*flags)
    assert path == f'{records}/data_set.yaml'
    assert arguments.experiment == 'maskformer_custom_semantic'
    assert arguments.model_dir == f'{tmp_path}/run'
    assert ', prepared before; remove the folder to prepare them again' in capsys.readouterr().out
  assert {path: path.stat().st_mtime_ns for path in records.iterdir()} == times


def test_records_for_another_task(tmp_path):
  root = draw(tmp_path / 'my', 4)
  prepare_by_hand(root)
  message = 'my holds records for semantic .*, from which --task instance cannot be learned'
  with pytest.raises(UserError, match=message.replace('my', 'my_records')):
    prepared(f'--data={root}', '--task=instance')
  assert prepared(f'--data={root}', '--task=semantic')[0].experiment.endswith('custom_semantic')
  path = tmp_path / 'my_records/data_set.yaml'
  path.write_text(path.read_text().replace('task: semantic', 'task: panoptic'))
  for task in own_data.TASKS:
    assert prepared(f'--data={root}', f'--task={task}')[0].experiment.endswith(f'custom_{task}')


@pytest.mark.parametrize('folder, name', [('my.v1', 'my'), ('.my', 'data'), ('my', 'my')])
def test_the_folder_of_the_run(tmp_path, monkeypatch, capsys, folder, name):
  root = draw(tmp_path / folder, 2)
  prepare_by_hand(root)
  arguments, _ = prepared(f'--data={root}')
  assert arguments.model_dir == f'runs/{name}_mask2former_custom_semantic'
  assert f'run: {arguments.model_dir}\n' in capsys.readouterr().out
  monkeypatch.chdir(root)
  assert prepared('--data=.')[0].model_dir == arguments.model_dir
  monkeypatch.setenv('MODEL_DIR', 'x')
  assert not prepared(f'--data={root}')[0].model_dir  # settled later


@pytest.mark.slow
def test_all_of_it_in_one_command(tmp_path, monkeypatch, capsys):
  """Prepares, trains, scores and draws; the second call has nothing to do but draw."""
  monkeypatch.chdir(tmp_path)
  draw(tmp_path / 'my')
  with pytest.raises(UserError, match='prepare custom --data my; run it first, then this command'):
    train.main(['--data=my', '--model=mask2former_small'])
  prepare_by_hand('my')
  flags = ['--data=my', '--model=mask2former_small', '--params_override=trainer.train_steps=2']
  assert not train.main(flags)
  run = tmp_path / 'runs/my_mask2former_custom_semantic_small'
  table_of_results = (run / 'results.md').read_text()
  assert [line.split('|')[1].strip() for line in table_of_results.splitlines()] == [
      'step', '---', '2']
  assert (run / 'evaluations/step_00000002.json').exists()
  (drawing,) = (run / 'images').iterdir()  # a tenth of 12 images is for validation
  assert drawing.name in {f'{k:02d}.png' for k in range(12)} and min(Image.open(drawing).size) > 64
  records = {path: path.stat().st_mtime_ns for path in (tmp_path / 'my_records').iterdir()}
  checkpoints = {path: path.stat().st_mtime_ns for path in run.glob('**/*.index')}
  assert checkpoints
  capsys.readouterr()
  assert not train.main(flags)
  printed = capsys.readouterr().out
  assert 'records: my_records, prepared before' in printed and 'finished at step 2' in printed
  assert (run / 'results.md').read_text() == table_of_results
  assert {path: path.stat().st_mtime_ns for path in records} == records
  assert {path: path.stat().st_mtime_ns for path in run.glob('**/*.index')} == checkpoints
