"""TensorBoard's event files: each number once, also where a run was killed and resumed."""

import os
from collections.abc import Callable, Iterator, Mapping

import tensorflow as tf

from tf_maskformer import errors
from tf_maskformer import files

TRAINING = 'train'  # folders in the folder of a run
VALIDATION = 'validation'


def write(folder: str, step: int, metrics: Mapping[str, float],
          images: Mapping[str, tf.Tensor]) -> None:
  """Writes numbers and images of one step into an event file of its own.

  Args:
    folder: of the event files.
    step: of the numbers.
    metrics: by name.
    images: by name, batches as `tf.summary.image` takes them.
  """
  writer = tf.summary.create_file_writer(folder)
  with writer.as_default(step):
    for key, value in metrics.items():
      tf.summary.scalar(key, value)
    for key, image in images.items():
      tf.summary.image(key, image)
  writer.close()


def keep(folder: str, is_kept: Callable[[int], bool]) -> None:
  """Removes the events of some steps: what a killed process wrote will be written again.

  A file that ends in the middle of an event, or is damaged, loses the rest from there on.

  Args:
    folder: of the event files; need not exist.
    is_kept: whether the events of a step stay.
  """
  for path in sorted(tf.io.gfile.glob(os.path.join(folder, 'events.out.tfevents.*'))):
    kept = []
    is_changed = False
    for data, event in _events(path):
      if event is None or (event.HasField('summary') and not is_kept(event.step)):
        is_changed = True
      else:
        kept.append(data)
    if is_changed:
      _replace(path, kept)


def _events(path: str) -> Iterator[tuple[bytes, tf.compat.v1.Event | None]]:
  """Yields the events of a file; where it is damaged, None and no more."""
  try:
    for record in tf.data.TFRecordDataset(path):
      data = record.numpy()
      yield data, tf.compat.v1.Event.FromString(data)
  except (tf.errors.OpError, ValueError) as e:
    # Usual after a kill; protobuf's error is a ValueError.
    errors.warn(f'{path} ends in the middle of an event ({errors.reason(e)}); the rest is left out')
    yield b'', None


def _replace(path: str, events: list[bytes]) -> None:
  """Replaces an event file; one with nothing but its header is removed."""
  if len(events) <= 1:
    tf.io.gfile.remove(path)
    return
  with files.write_atomically(path) as temporary, tf.io.TFRecordWriter(temporary) as writer:
    for data in events:
      writer.write(data)
