"""Reads TensorBoard's event files strictly, for tests."""

import tensorflow as tf


def read(folder):
  """Returns {(tag, step): [value, ...]} of all event files; an image's value is its bytes."""
  found = {}
  for path in sorted(folder.glob('events*')):
    for record in tf.data.TFRecordDataset(str(path)):
      event = tf.compat.v1.Event.FromString(record.numpy())
      for value in event.summary.value:
        array = tf.make_ndarray(value.tensor)
        one = array.item() if array.dtype.kind == 'f' else tuple(array)
        found.setdefault((value.tag, event.step), []).append(one)
  return found
