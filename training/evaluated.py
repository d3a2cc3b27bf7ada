"""What an evaluation found, and how it is written into the run's folder."""

import os
from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from tf_maskformer.training import events
from tf_maskformer.training import results


class Evaluated(NamedTuple):
  """What an evaluation found.

  Attributes:
    folder: of the run.
    step: of the checkpoint that was scored.
    num_images: how many were scored.
    metrics: by name.
    images: for TensorBoard, by name.
    files: that go next to the JSON files, by name.
  """
  folder: str
  step: int
  num_images: int
  metrics: dict[str, float]
  images: Mapping[str, tf.Tensor]
  files: Mapping[str, bytes]

  def write_events(self) -> None:
    """Writes TensorBoard's events."""
    events.write(
        os.path.join(self.folder, events.VALIDATION), self.step, self.metrics, self.images)

  def write_files(self) -> None:
    """Writes the other files and then the JSON files, which say that the evaluation is done."""
    results.write(self.folder, self.step, self.num_images, self.metrics, self.files)
