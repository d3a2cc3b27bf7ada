"""What evaluations leave in the folder of a run: JSON files and TensorBoard's events."""

import json
import os
import time
from collections.abc import Mapping

import tensorflow as tf

from tf_maskformer import files


def write(folder: str, step: int, images: int, metrics: Mapping[str, float]) -> None:
  """Writes evaluations/step_<step>.json and adds the same to evaluations/history.json.

  Args:
    folder: of the run.
    step: of the checkpoint that was scored.
    images: how many were scored.
    metrics: scores and losses by name.
  """
  evaluations = os.path.join(folder, 'evaluations')
  tf.io.gfile.makedirs(evaluations)
  entry = {'step': step, 'images': images, 'metrics': dict(metrics)}
  files.write_json(os.path.join(evaluations, f'step_{step:08d}.json'), entry)
  timed = {'time': time.strftime('%FT%T%z'), **entry}
  append_json(os.path.join(evaluations, 'history.json'), timed)


def append_json(path: str, entry: object) -> None:
  """Adds an entry to the list in a JSON file, which is replaced as a whole or not at all."""
  entries = []
  if tf.io.gfile.exists(path):
    with tf.io.gfile.GFile(path) as file:
      entries = json.load(file)
  files.write_json(path, [*entries, entry])


def write_summaries(folder: str, step: int, metrics: Mapping[str, float],
                    images: Mapping[str, tf.Tensor]) -> None:
  """Writes numbers and images of an evaluation for TensorBoard, below validation/.

  Args:
    folder: of the run.
    step: of the checkpoint that was scored.
    metrics: by name.
    images: by name, batches as `tf.summary.image` takes them.
  """
  writer = tf.summary.create_file_writer(os.path.join(folder, 'validation'))
  with writer.as_default(step):
    for key, value in metrics.items():
      tf.summary.scalar(key, value)
    for key, image in images.items():
      tf.summary.image(key, image)
  writer.flush()
