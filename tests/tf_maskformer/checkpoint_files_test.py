"""The newest whole checkpoint is found whatever the text file next to it says."""

import pathlib
import shutil

import pytest
import tensorflow as tf

from tests.tf_maskformer import forged
from tf_maskformer import checkpoint_files
from tf_maskformer.errors import UserError

STEP = 'global_step/.ATTRIBUTES/VARIABLE_VALUE'


def save(folder, steps, weight=1.0, names=None):
  """Writes checkpoints as a training does; returns the folder."""
  step = tf.Variable(0, dtype=tf.int64)
  model = tf.Module()
  model.weight = tf.Variable([weight, 2.0])
  checkpoint = tf.train.Checkpoint(model=model, global_step=step)
  manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=9)
  for number in steps:
    step.assign(number)
    manager.save(checkpoint_number=(names or {}).get(number, number))
  return folder


def found(folder, **options):
  checkpoint = checkpoint_files.newest(str(folder), **options)
  return checkpoint and (pathlib.Path(checkpoint.prefix).name, checkpoint.step)


def data(folder, number):
  return folder / f'ckpt-{number}.data-00000-of-00001'


def as_directory(state):
  state.unlink()
  state.mkdir()
  (state / 'something').write_text('foreign')


DAMAGES = {
    'missing': lambda state: state.unlink(),
    'empty': lambda state: state.write_bytes(b''),
    'cut': lambda state: state.write_text('model_checkpoint_path: "ckpt-1'),
    'zeros': lambda state: state.write_bytes(bytes(200)),
    'not UTF-8': lambda state: state.write_bytes(b'model_checkpoint_path: "\xff\xfe"\n'),
    'text': lambda state: state.write_text('nothing of the kind'),
    'an older one': lambda state: state.write_text('model_checkpoint_path: "ckpt-3"\n'),
    'gone': lambda state: state.write_text(
        'model_checkpoint_path: "ckpt-70"\nall_model_checkpoint_paths: "ckpt-70"\n'),
    'of elsewhere': lambda state: state.write_text('model_checkpoint_path: "/gone/run/ckpt-3"\n'),
    'a directory': as_directory,
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_the_text_file_does_not_matter(tmp_path, damage):
  save(tmp_path, [3, 9, 10])
  DAMAGES[damage](tmp_path / 'checkpoint')
  assert found(tmp_path, resumes=True) == ('ckpt-10', 10)
  assert found(tmp_path) == ('ckpt-10', 10)


def test_a_moved_folder(tmp_path):
  save(tmp_path / 'run', [1, 2])
  shutil.copytree(tmp_path / 'run', tmp_path / 'moved')
  save(tmp_path / 'run', [8])
  assert found(tmp_path / 'moved') == ('ckpt-2', 2)


def test_the_step_inside_decides(tmp_path):
  """A best checkpoint that was copied into the run under a high number does not stop it."""
  save(tmp_path, [3, 40], names={3: 99})
  assert found(tmp_path) == ('ckpt-40', 40)


@pytest.mark.parametrize('damage, words', [
    (lambda f: data(f, 9).write_bytes(data(f, 9).read_bytes()[:-5]), 'ends within'),
    (lambda f: data(f, 9).unlink(), 'data-00000-of-00001 is missing'),
    (lambda f: (f / 'ckpt-9.index').unlink(), 'ckpt-9.index is missing'),
    (lambda f: (f / 'ckpt-9.index').write_bytes(b''), 'has 0 bytes'),
    (lambda f: data(f, 9).write_bytes(data(f, 9).read_bytes().replace(b'\0\0\x80?', b'\1\0\x80?')),
     'ckpt-9 cannot be read'),
])
def test_a_damaged_one_gives_way_to_the_one_before(tmp_path, capsys, damage, words):
  save(tmp_path, [3, 9])
  damage(tmp_path)
  assert found(tmp_path) == found(tmp_path, resumes=True) == ('ckpt-3', 3)
  first, second = capsys.readouterr().out.splitlines()
  assert first == second and words in first and 'trying the one before' in first


def test_none_whole_is_refused(tmp_path):
  save(tmp_path, [3, 9])
  for number in (3, 9):
    (tmp_path / f'ckpt-{number}.index').unlink()
  for options in ({}, {'resumes': True}):
    with pytest.raises(UserError, match='none of the 2 checkpoints .*ckpt-9.index is missing'):
      found(tmp_path, **options)
  for number in (3, 9):
    data(tmp_path, number).unlink()
  with pytest.raises(UserError, match='checkpoint is there, but no checkpoint ckpt-'):
    found(tmp_path, resumes=True)
  (tmp_path / 'checkpoint').unlink()
  assert found(tmp_path, resumes=True) is None


def test_an_interrupted_save_is_not_a_checkpoint(tmp_path, capsys):
  save(tmp_path, [3])
  data(tmp_path, 9).write_bytes(b'data')
  (tmp_path / 'ckpt-9_temp').mkdir()
  assert found(tmp_path, resumes=True) == ('ckpt-3', 3)
  assert not capsys.readouterr().out
  for name in ('ckpt-3.index', data(tmp_path, 3).name, 'checkpoint'):
    (tmp_path / name).unlink()
  assert found(tmp_path, resumes=True) is None  # it was the first save


def test_weights_that_are_not_finite(tmp_path, capsys):
  save(tmp_path, [3])
  save(tmp_path, [9], weight=float('nan'))
  assert found(tmp_path) == ('ckpt-3', 3)
  assert 'model/weight' in capsys.readouterr().out
  assert found(tmp_path, allow_nonfinite=True) == ('ckpt-9', 9)
  checkpoint_files.remove(str(tmp_path / 'ckpt-3'))
  with pytest.raises(UserError, match='model/weight/.* has NaN or infinite values'):
    found(tmp_path)


def test_no_object_graph_is_nothing_to_resume_from(tmp_path):
  save(tmp_path, [3])
  prefix = str(tmp_path / 'ckpt-3')
  rows = forged.rows(prefix)
  del rows[b'_CHECKPOINTABLE_OBJECT_GRAPH']
  forged.write(prefix, rows)
  assert found(tmp_path) == ('ckpt-3', 3)
  with pytest.raises(UserError, match='it has no object graph'):
    found(tmp_path, resumes=True)
  del rows[STEP.encode()]
  forged.write(prefix, rows)
  with pytest.raises(UserError, match='it does not say its step'):
    found(tmp_path, resumes=True)


def test_foreign_names(tmp_path):
  step = tf.Variable(5, dtype=tf.int64)
  for name, contents in (('model.ckpt-20', {}), ('model.ckpt-3', {}), ('late', {'s': step})):
    tf.train.Checkpoint(x=tf.Variable(1.0), **contents).write(str(tmp_path / name))
  assert found(tmp_path) == ('model.ckpt-20', None)
  assert found(tmp_path, resumes=True) is None
  state = tmp_path / 'checkpoint'
  state.write_text('model_checkpoint_path: "/elsewhere/late"\n')
  assert found(tmp_path) == ('late', None)
  (tmp_path / 'late.index').write_bytes(b'damaged')
  assert found(tmp_path) == ('model.ckpt-20', None)
  state.write_bytes(b'')
  for name in ('a', 'b'):
    tf.train.Checkpoint(x=tf.Variable(1.0)).write(str(tmp_path / name))
  with pytest.raises(UserError, match=r'2 checkpoints without a step \(a, b\)'):
    found(tmp_path)


def test_no_folder(tmp_path):
  assert found(tmp_path / 'none', resumes=True) is None
  assert found(tmp_path) is None
