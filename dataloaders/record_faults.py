"""Which record it is that the input pipeline cannot use."""

import time

import tensorflow as tf

from tf_maskformer.dataloaders import decoder
from tf_maskformer.dataloaders import record_files

_SECONDS = 30.0


def locate(input_path: str, data_set: str, seconds: float = _SECONDS) -> str:
  """Finds the first record that does not decode; reads from the first file on.

  An error of the pipeline itself cannot say it: the records are read in turns and shuffled.

  Args:
    input_path: what the configuration says.
    data_set: see `catalog.get`.
    seconds: after which the search ends.

  Returns:
    'record 17 of PATH: why it cannot be used', or a text that says how many records were looked at
    where none is found.

  Raises:
    UserError: a file is gone or damaged; the message says where.
  """
  offsets = record_files.record_offsets(record_files.match(input_path))
  paths = list(dict.fromkeys(offset.path for offset in offsets))

  def check(record):
    return tf.shape(decoder.decode(record, data_set)['image'])

  checked = tf.data.TFRecordDataset(paths).map(
      check, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
  end = time.monotonic() + seconds
  good = 0
  try:
    for _ in checked:
      good += 1
      if time.monotonic() > end:
        return (f'the first {good} of {len(offsets)} records are good; tf-maskformer inspect '
                'looks at all')
  except decoder.ERRORS as e:
    return f'{offsets[good]}: {decoder.explain(e)}'
  return f'all {good} records can be decoded'
