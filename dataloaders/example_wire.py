"""Whether bytes are a tf.train.Example, before TensorFlow's fast parser sees them.

That parser takes the length of a text or image for a signed number of 32 bits: of one of 2 GB and
more it reads beyond the record and ends the process. Here each level is taken apart by
`tf.io.decode_proto`, and its parts must make up all of its bytes, as every writer leaves them.
"""

import tensorflow as tf

_LISTS = ['bytes_list', 'float_list', 'int64_list']


def checked(record: tf.Tensor) -> tf.Tensor:
  """Returns a record that is an Example, its numbers apart, which the fast parser checks.

  Args:
    record: string scalar.

  Raises:
    tf.errors.DataLossError, tf.errors.InvalidArgumentError: it is not.
  """
  features, is_example = _fields(record[None], 'tensorflow.Example', ['features'])
  entries, is_map = _repeated(features[0, 0], 'tensorflow.Features', 'feature')
  pairs, are_entries = _fields(entries, 'tensorflow.Features.FeatureEntry', ['key', 'value'])
  lists, are_features = _fields(pairs[:, 1], 'tensorflow.Feature', _LISTS)
  # Lists one after the other are a list: one that is long costs no room in the others.
  joined = tf.strings.reduce_join(lists[:, 0])
  _, are_bytes = _repeated(joined, 'tensorflow.BytesList', 'value')
  holds = is_example & is_map & are_entries & are_features & are_bytes
  check = tf.debugging.Assert(holds, ['Could not parse example input'])
  with tf.control_dependencies([] if check is None else [check]):
    return tf.identity(record)


def _fields(messages: tf.Tensor, kind: str, fields: list[str]) -> tuple[tf.Tensor, tf.Tensor]:
  """Returns the parts of messages, and whether they make up all of their bytes.

  Args:
    messages: strings [n], n at least 1.
    kind: their type.
    fields: all that the type has, texts or messages, each once at most.

  Returns:
    strings [n, fields], empty where missing; bool scalar.
  """
  sizes, values = tf.io.decode_proto(messages, kind, fields, [tf.string] * len(fields))
  parts = tf.concat([value[:, :1] for value in values], axis=1)
  num_bytes = tf.reduce_sum(tf.where(sizes > 0, _framed(parts), 0), axis=1)
  return parts, tf.reduce_all(num_bytes == tf.strings.length(messages))


def _repeated(message: tf.Tensor, kind: str, field: str) -> tuple[tf.Tensor, tf.Tensor]:
  """Returns the parts of a message, and whether they make up all of its bytes.

  Args:
    message: string scalar.
    kind: its type.
    field: the one that the type has, repeated.

  Returns:
    strings [repetitions], one empty string where there are none; bool scalar.
  """
  sizes, values = tf.io.decode_proto(message, kind, [field], [tf.string])
  parts = values[0]
  num_bytes = tf.where(sizes[0] > 0, tf.reduce_sum(_framed(parts)), 0)
  return parts, num_bytes == tf.strings.length(message)


def _framed(parts: tf.Tensor) -> tf.Tensor:
  """Returns the bytes of parts with their tag and their length, which has 7 bits to a byte."""
  lengths = tf.strings.length(parts)
  framing = 2 * tf.ones_like(lengths)
  for bits in (7, 14, 21, 28):
    framing += tf.cast(lengths >= 2**bits, tf.int32)
  return framing + lengths
