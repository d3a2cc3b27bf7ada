"""Forged indexes are read by TensorFlow, so that what is forged is what it meets."""

import numpy as np
import tensorflow as tf

from tests.faults import tables


def test_an_index_that_is_written_again_is_read(tmp_path):
  prefix = tf.train.Checkpoint(a=tf.Variable([1.0, 2.0]), b=tf.Variable(3)).write(
      str(tmp_path / 'ckpt'))
  path = tmp_path / 'ckpt.index'
  rows = tables.read(path.read_bytes())
  assert len(rows) > 3 and rows[0][0] == b''
  assert tables.header(rows[0][1]).num_shards == 1
  path.write_bytes(tables.write(rows))
  reader = tf.train.load_checkpoint(prefix)
  np.testing.assert_array_equal(reader.get_tensor('a/.ATTRIBUTES/VARIABLE_VALUE'), [1.0, 2.0])
  key, value = rows[-1]
  entry = tables.entry(value)
  entry.size += 1
  path.write_bytes(tables.write([*rows[:-1], (key, entry.SerializeToString())]))
  assert tables.entry(tables.read(path.read_bytes())[-1][1]).size == entry.size
