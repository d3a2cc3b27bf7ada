"""What TensorFlow cannot survive is refused before; what is accepted it reads or refuses itself."""

import json
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import support
from tests.tf_maskformer import forged
from tf_maskformer import sorted_tables
from tf_maskformer import tensor_index
from tf_maskformer.sorted_tables import Damaged

# Reads checkpoints as the library does; an abort of TensorFlow ends it.
READER = """
import json, resource, sys
import tensorflow as tf
from tf_maskformer import checkpoint_files
from tf_maskformer.sorted_tables import Damaged
size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (1 << 30), size + (1 << 30)))
for prefix in json.load(open(sys.argv[1])):
  try:
    checkpoint_files.read_all(prefix)
    print('read')
  except Damaged as e:
    print('refused')
"""


class Model(tf.Module):
  """Tensors of every kind that is stored in its own way."""

  def __init__(self):
    super().__init__()
    self.matrix = tf.Variable(np.ones([3, 4], np.float32))
    self.half = tf.Variable(tf.ones([5], tf.bfloat16))
    self.empty = tf.Variable(tf.zeros([0, 3]))
    self.texts = tf.Variable(['one', 'four'])


@pytest.fixture(name='prefix')
def write(tmp_path):
  step = tf.Variable(7, dtype=tf.int64)
  return tf.train.Checkpoint(model=Model(), global_step=step).write(str(tmp_path / 'ckpt-7'))


def key(name):
  return f'{name}/.ATTRIBUTES/VARIABLE_VALUE'


def test_the_index_of_tensorflow(prefix):
  index = tensor_index.Index(prefix)
  reader = tf.train.load_checkpoint(prefix)
  shapes = reader.get_variable_to_shape_map()
  assert {name: list(t.shape) for name, t in index.tensors.items()} == shapes
  assert index.tensors[key('model/half')].type == 'DT_BFLOAT16'
  assert index.number(key('global_step')) == 7
  assert index.stored(key('model/matrix')) == np.ones([3, 4], np.float32).tobytes()


def test_several_data_files(prefix, tmp_path):
  other = str(tmp_path / 'other')
  tf.raw_ops.SaveV2(
      prefix=other, tensor_names=['more'], shape_and_slices=[''], tensors=[tf.constant([2.0])])
  both = str(tmp_path / 'both')
  tf.raw_ops.MergeV2Checkpoints(
      checkpoint_prefixes=[prefix, other], destination_prefix=both, allow_missing_files=False)
  index = tensor_index.Index(both)
  assert index.stored('more') == np.float32(2).tobytes()
  assert index.number(key('global_step')) == 7
  (tmp_path / 'both.data-00001-of-00002').unlink()
  with pytest.raises(Damaged, match='both.data-00001-of-00002 is missing'):
    tensor_index.Index(both)


CHANGES = [
    ('dtype', 20, 'has the type DT_RESOURCE'), ('dtype', 99, 'has the type number 99'),
    ('dtype', 2, 'has 48 bytes, its shape does not'), ('size', 1 << 40, 'its shape does not'),
    ('size', -1, 'its shape does not'), ('offset', -1, 'begins before'),
    ('offset', 1 << 40, 'its data file ends within'), ('offset', 0, 'overlaps'),
    ('shard_id', 1, 'not there'), ('shard_id', -1, 'not there')]


@pytest.mark.parametrize('field, value, words', CHANGES)
def test_what_an_entry_may_not_say(prefix, field, value, words):
  rows = forged.rows(prefix)
  name = key('model/matrix').encode()
  entry = forged.entry(rows[name])
  setattr(entry, field, value)
  rows[name] = entry.SerializeToString()
  forged.write(prefix, rows)
  with pytest.raises(Damaged, match=words):
    tensor_index.Index(prefix)


@pytest.mark.parametrize('sizes', [[-12], [1 << 62, 1 << 62, 0], [12] + [1] * 40, [-3, -4]])
def test_absurd_shapes(prefix, sizes):
  rows = forged.rows(prefix)
  name = key('model/matrix').encode()
  entry = forged.entry(rows[name])
  del entry.shape.dim[:]
  for size in sizes:
    entry.shape.dim.add().size = size
  rows[name] = entry.SerializeToString()
  forged.write(prefix, rows)
  with pytest.raises(Damaged, match='absurd shape'):
    tensor_index.Index(prefix)


def test_texts_of_absurd_lengths(prefix, tmp_path):
  """TensorFlow asks for the memory that a length names before it looks whether it is there."""
  texts = tensor_index.Index(prefix).tensors[key('model/texts')]
  data = tmp_path / 'ckpt-7.data-00000-of-00001'
  content = bytearray(data.read_bytes())
  assert content[texts.offset:texts.offset + 2] == b'\3\4'
  content[texts.offset:texts.offset + 2] = b'\xff\x7f'  # one length of 16383, and no second
  data.write_bytes(content)
  with pytest.raises(Damaged, match='do not add up|cut off'):
    tensor_index.Index(prefix)
  content[texts.offset:texts.offset + 2] = b'\3\5'
  data.write_bytes(content)
  with pytest.raises(Damaged, match='the lengths of .*texts.* do not add up'):
    tensor_index.Index(prefix)


def test_files_that_are_not_files(prefix, tmp_path):
  index = tmp_path / 'ckpt-7.index'
  index.unlink()
  with pytest.raises(Damaged, match='ckpt-7.index is missing'):
    tensor_index.Index(prefix)
  index.mkdir()
  with pytest.raises(Damaged):
    tensor_index.Index(prefix)
  index.rmdir()
  index.symlink_to('/dev/zero')
  with pytest.raises(Damaged, match='has 0 bytes'):
    tensor_index.Index(prefix)
  index.unlink()
  with index.open('wb') as file:
    file.truncate(1 << 40)
  with pytest.raises(Damaged, match=f'has {1 << 40} bytes'):
    tensor_index.Index(prefix)


def forge(prefix, tmp_path, seed):
  """Returns the prefix of a copy with another index."""
  copy = tmp_path / str(seed) / 'ckpt-7'
  copy.parent.mkdir()
  shutil.copy(prefix + '.data-00000-of-00001', f'{copy}.data-00000-of-00001')
  rng = random.Random(seed)
  rows = forged.rows(prefix)
  if seed % 3:
    forged.mutate(rows, rng)
    forged.write(str(copy), rows)
  else:
    forged.write(str(copy), rows, rng)
  return str(copy)


@pytest.mark.parametrize('count', [
    pytest.param(90, id='quick'), pytest.param(5000, id='long', marks=pytest.mark.slow)])
def test_forged_indexes_end_nothing(prefix, tmp_path, count):
  accepted = []
  for seed in range(count):
    copy = forge(prefix, tmp_path, seed)
    try:
      tensor_index.Index(copy)
      accepted.append(copy)
    except Damaged as e:
      assert '\n' not in str(e)
      shutil.rmtree(copy.rpartition('/')[0])
  assert count / 20 < len(accepted) < count / 2
  listing = tmp_path / 'accepted.json'
  listing.write_text(json.dumps(accepted))
  done = subprocess.run(
      [sys.executable, '-c', READER, str(listing)], cwd=support.ROOT, capture_output=True,
      text=True, timeout=300, check=False)
  assert done.returncode == 0, done.stderr[-500:]
  outcomes = done.stdout.split()
  assert len(outcomes) == len(accepted) and 'read' in outcomes


def test_an_index_that_is_compressed_is_refused(prefix, tmp_path):
  index = tmp_path / 'ckpt-7.index'
  content = bytearray(index.read_bytes())
  rows = sorted_tables.read(bytes(content))
  table = bytearray(forged.table(rows))
  end, _ = sorted_tables.varint(bytes(table), len(table) - 48, len(table))
  table[end - 5] = 1  # Snappy, of the block with the rows
  index.write_bytes(table)
  with pytest.raises(Damaged, match='compressed'):
    tensor_index.Index(prefix)
