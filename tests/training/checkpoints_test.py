"""Saving and falling back."""

import shutil

import pytest
import tensorflow as tf

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


def test_a_folder_without_checkpoints(tmp_path):
  assert checkpoints.readable(str(tmp_path)) == (None, 0)
