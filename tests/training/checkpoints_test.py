"""Saving and falling back."""

import os
import shutil

import pytest
import tensorflow as tf

from tf_maskformer.errors import UserError
from tf_maskformer.training import checkpoints


class Model(tf.Module):
  """One variable."""

  def __init__(self):
    super().__init__()
    self.weight = tf.Variable([1.0, 2.0])
    self.variables_ = [self.weight]


def parts(folder):
  model = Model()
  step = tf.Variable(0, dtype=tf.int64)
  checkpoint = tf.train.Checkpoint(model=model, global_step=step)
  return model, step, checkpoint, tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=3)


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
  model, step, _, manager = parts(tmp_path)
  checkpoints.save(manager, model, 1)
  step.assign(2)
  model.weight.assign([1.0, float('nan')])
  message = 'not finite at step 2; .*last good checkpoint is .*ckpt-1'
  with pytest.raises(checkpoints.SaveFailed, match=message):
    checkpoints.save(manager, model, 2)
  assert not list(tmp_path.glob('ckpt-2*'))


def test_a_save_that_the_disk_refuses_names_the_last_good_one(tmp_path):
  folder = tmp_path / 'run'
  model, _, _, manager = parts(folder)
  good = checkpoints.save(manager, model, 1)
  shutil.move(folder, tmp_path / 'moved')
  folder.write_text('a file where the folder was')
  with pytest.raises(checkpoints.SaveFailed, match='saving step 2 in .*/run failed') as error:
    checkpoints.save(manager, model, 2)
  assert good in str(error.value) and '\n' not in str(error.value)


def test_a_checkpoint_is_flushed_before_it_is_announced(tmp_path, monkeypatch):
  model, _, _, manager = parts(tmp_path)
  flushed = []
  original = os.fsync
  def fsync(descriptor):
    flushed.append(os.readlink(f'/proc/self/fd/{descriptor}'))
    original(descriptor)
  monkeypatch.setattr(os, 'fsync', fsync)
  path = checkpoints.save(manager, model, 1)
  assert set(flushed) >= {f'{path}.index', f'{path}.data-00000-of-00001', str(tmp_path)}


def test_a_folder_without_checkpoints(tmp_path):
  assert checkpoints.readable(str(tmp_path)) == (None, 0)


def save(folder, steps):
  model, step, _, manager = parts(folder)
  for number in steps:
    step.assign(number)
    checkpoints.save(manager, model, number)


def names(folder):
  return sorted(path.name for path in folder.iterdir())


def files_of(*numbers):
  endings = ('.data-00000-of-00001', '.index')
  return [f'ckpt-{number}{ending}' for number in numbers for ending in endings]


STATES = [None, b'', b'\xff\xfe', b'model_checkpoint_path: "ckpt', b'\0' * 9]


@pytest.mark.parametrize('state', STATES)
def test_a_repaired_folder_is_continued_as_if_nothing_had_happened(tmp_path, state):
  save(tmp_path, [9, 10, 11])
  if state is None:
    (tmp_path / 'checkpoint').unlink()
  else:
    (tmp_path / 'checkpoint').write_bytes(state)
  checkpoints.repair(str(tmp_path), 3)
  model, _, _, manager = parts(tmp_path)
  assert manager.checkpoints == [str(tmp_path / f'ckpt-{n}') for n in (9, 10, 11)]
  checkpoints.save(manager, model, 12)
  assert names(tmp_path) == ['checkpoint', *files_of(10, 11, 12)]
  moved = tmp_path.with_name('moved')
  shutil.move(tmp_path, moved)
  assert tf.train.latest_checkpoint(str(moved)) == str(moved / 'ckpt-12')


def test_repair_removes_what_kills_leave_and_nothing_else(tmp_path):
  save(tmp_path, [9, 10, 11])
  good = names(tmp_path)
  temporary = tmp_path / 'ckpt-12_temp'
  temporary.mkdir()
  (temporary / 'part-00000-of-00001.data-00000-of-00001.tempstate1').write_bytes(b'x')
  foreign = ['ckpt-05.index', 'ckpt-7.txt', 'checkpoint.tmp', 'init.index', 'my.ckpt-3.index']
  strays = [
      'ckpt-12.data-00000-of-00001', '.part-params.yaml', 'checkpoint.tmp' + '0a' * 16,
      'ckpt-3.index', 'ckpt-4.data-00000-of-00001']
  for name in foreign + strays:
    (tmp_path / name).write_bytes(b'x')
  link = tmp_path / 'ckpt-8_temp'
  link.symlink_to(tmp_path.parent)
  checkpoints.repair(str(tmp_path), 3)
  assert names(tmp_path) == sorted([*good, *foreign, link.name])
  checkpoints.repair(str(tmp_path), 1)
  assert names(tmp_path) == sorted(['checkpoint', *files_of(11), *foreign, link.name])


def test_repair_keeps_good_ones_and_damaged_newer_ones(tmp_path):
  """Only what is whole counts as kept; what is damaged may be completed from a copy."""
  save(tmp_path, [9, 10, 11])
  data = tmp_path / 'ckpt-11.data-00000-of-00001'
  content = bytearray(data.read_bytes())
  content[8] ^= 1
  data.write_bytes(content)
  checkpoints.repair(str(tmp_path), 1)
  assert names(tmp_path) == ['checkpoint', *files_of(10, 11)]
  assert checkpoints.readable(str(tmp_path)) == (str(tmp_path / 'ckpt-10'), 10)
  assert parts(tmp_path)[3].latest_checkpoint == str(tmp_path / 'ckpt-10')


def test_repair_touches_nothing_where_nothing_is_whole(tmp_path):
  save(tmp_path, [9, 10])
  for number in (9, 10):
    (tmp_path / f'ckpt-{number}.index').write_bytes(b'damaged')
  before = names(tmp_path)
  checkpoints.repair(str(tmp_path), 1)
  assert names(tmp_path) == before
  with pytest.raises(UserError, match='none of the 2 checkpoints'):
    checkpoints.readable(str(tmp_path))


def test_repair_of_a_first_save_that_was_interrupted(tmp_path):
  (tmp_path / 'ckpt-2_temp').mkdir()
  (tmp_path / 'ckpt-2.data-00000-of-00001').write_bytes(b'x')
  checkpoints.repair(str(tmp_path), 3)
  assert not names(tmp_path)
  checkpoints.repair(str(tmp_path / 'none'), 3)


def test_a_directory_where_the_text_file_belongs_is_moved_aside(tmp_path, capsys):
  save(tmp_path, [9])
  state = tmp_path / 'checkpoint'
  for _ in range(2):
    state.unlink()
    state.mkdir()
    (state / 'foreign').write_text('x')
    if (tmp_path / 'checkpoint.directory').exists():
      with pytest.raises(UserError, match='is a directory, .*move it away'):
        checkpoints.repair(str(tmp_path), 3)
      return
    checkpoints.repair(str(tmp_path), 3)
    assert state.is_file() and 'checkpoint.directory now' in capsys.readouterr().out
    assert (tmp_path / 'checkpoint.directory' / 'foreign').read_text() == 'x'


def test_restoring_what_does_not_fit_names_it(tmp_path):
  save(tmp_path, [9])
  path, _ = checkpoints.readable(str(tmp_path))
  model, step, checkpoint, _ = parts(tmp_path)
  checkpoints.restore(checkpoint, path)
  assert int(step) == 9
  checkpoints.restore(parts(tmp_path)[2], checkpoint.write(str(tmp_path / 'best')))
  model.weight = tf.Variable([1.0, 2.0, 3.0], name='head')
  with pytest.raises(UserError, match=r'does not fit this experiment \(.*\(2,\).*\(3,\).*head'):
    checkpoints.restore(tf.train.Checkpoint(model=model), path)
  model = Model()
  model.more = tf.Variable(1.0, name='more')
  with pytest.raises(UserError, match=r'it does not have more:0\); use the settings'):
    checkpoints.restore(tf.train.Checkpoint(model=model), path)
  model = Model()
  model.weight = tf.Variable([1, 2], name='whole')
  with pytest.raises(UserError, match='does not fit this experiment'):
    checkpoints.restore(tf.train.Checkpoint(model=model), path)
