"""What an evaluation adds up, image by image."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_maskformer.evaluation.metric import Contribution
from tf_maskformer.tasks.evaluators import Evaluator


class Counted(NamedTuple):
  """What an image adds to an evaluation.

  Attributes:
    example_id: of its record.
    loss: of the image alone.
    contributions: of the evaluators in their order, one per metric.
    drawn: the image next to its truth and its prediction, uint8 [height, width, 3]; None: it is not
      one of those that are shown.
  """
  example_id: int
  loss: float
  contributions: list[list[Contribution]]
  drawn: np.ndarray | None


class Sums:
  """The sums of an evaluation; they depend on the order of the images in their last digits."""

  def __init__(self, evaluators: Sequence[Evaluator], num_images: int):
    """Starts with nothing seen.

    Args:
      evaluators: of what is scored.
      num_images: how many are shown.
    """
    self._evaluators = evaluators
    self._num_images = num_images
    self._loss = 0.0
    self._scored: list[int] = []
    self._drawn: list[np.ndarray] = []

  def add(self, counted: Counted) -> None:
    """Adds an image."""
    for evaluator, contributions in zip(self._evaluators, counted.contributions):
      evaluator.add(contributions)
    self._loss += counted.loss
    self._scored.append(counted.example_id)
    if counted.drawn is not None and len(self._drawn) < self._num_images:
      self._drawn.append(counted.drawn)

  def result(self) -> dict[str, Any]:
    """Returns the metrics by name, and what belongs to them; see `Scores.result`."""
    metrics = {}
    lines = []
    files = {}
    for evaluator in self._evaluators:
      own_metrics, own_lines = evaluator.result()
      metrics.update(own_metrics)
      lines.extend(own_lines)
      files.update(evaluator.files())
    metrics['validation_loss'] = self._loss / max(len(self._scored), 1)
    images = {f'prediction_{i}': image[None] for i, image in enumerate(self._drawn)}
    return {
        **metrics, 'scored': self._scored, 'table': '\n'.join(lines), 'images': images,
        'files': files}
