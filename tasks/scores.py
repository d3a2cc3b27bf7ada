"""Accumulates evaluation results: predictions against the records' truth, at original size."""

import threading
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.configs.evaluation import Evaluation
from tf_maskformer.dataloaders.ground_truth import GroundTruth
from tf_maskformer.evaluation import drawing
from tf_maskformer.modeling.postprocessing import predictions
from tf_maskformer.modeling.postprocessing.answering import Answering
from tf_maskformer.modeling.postprocessing.sizes import Sizes
from tf_maskformer.tasks import evaluators
from tf_maskformer.tasks.evaluators import Sample
from tf_maskformer.tasks.ordered_work import OrderedWork

# An image's row of what a task's `validation_step` returned.
Output = dict[str, tf.Tensor | np.ndarray]


class _Prepared(NamedTuple):
  """An image whose answers are known and that is not counted yet."""
  sample: Sample
  of_evaluators: list[tuple]
  loss: float


class Scores:
  """Adds images one by one; the result is that of the complete set, whatever the batches were.

  Images are answered and scored on threads of their own, several at a time, while the network works
  on the next; sums are in the order in which images were added.
  """

  def __init__(self, evaluation: Evaluation, data_set: DataSet, truth: GroundTruth):
    self._num_images = evaluation.num_images
    self._classes = data_set.classes
    self._truth = truth
    self._answering = Answering(evaluation, data_set)
    self._evaluators = evaluators.build(evaluation, data_set, truth)
    self._loss = 0.0
    self._scored: list[int] = []
    self._drawn: list[np.ndarray] = []
    self._work = OrderedWork(self._prepare, self._count)
    # More of them at a time would only take more memory: each uses all cores.
    self._one_answers = threading.Lock()

  def add(self, output: Output) -> None:
    """Scores one image; may return before it is done.

    Args:
      output: see above; tensors may be on any device.

    Raises:
      UserError: the truth of this image or of an earlier one cannot be used.
    """
    self._work.add(output)

  def _prepare(self, output: Output) -> _Prepared:
    """Returns the answers of an image, and its truth."""
    example_id = int(output['example_id'])
    sizes = Sizes.of(*(
        np.asarray(output[name]) for name in ('padded_size', 'image_size', 'original_size')))
    true_map, true_segments = self._truth[example_id]
    with self._one_answers:
      answer = self._answering(output, sizes)
    sample = Sample(example_id, answer, true_map, true_segments)
    prepared = [evaluator.prepare(sample) for evaluator in self._evaluators]
    return _Prepared(sample, prepared, float(output['loss']))

  def _count(self, prepared: _Prepared) -> None:
    """Adds an image to all scores."""
    for evaluator, of_image in zip(self._evaluators, prepared.of_evaluators):
      evaluator.update(of_image)
    self._loss += prepared.loss
    self._scored.append(prepared.sample.example_id)
    if len(self._drawn) < self._num_images:
      id_map, segments = predictions.shown(prepared.sample.answer, self._evaluators[0].kind)
      self._drawn.append(self._draw(prepared.sample, id_map, segments))

  def _draw(self, sample: Sample, id_map: np.ndarray, segments: list[dict]) -> np.ndarray:
    """Returns the image next to its truth and its prediction, uint8 [height, width, 3]."""
    image = self._truth.image(sample.example_id)
    truth = drawing.draw_panoptic(image, sample.true_map, sample.true_segments, self._classes)
    predicted = drawing.draw_panoptic(image, id_map, segments, self._classes)
    return drawing.side_by_side([image, truth, predicted], ['image', 'truth', 'prediction'])

  def result(self) -> dict[str, Any]:
    """Returns the metrics by name, and what belongs to them.

    These are 'scored' (ids), 'table' (text), 'images' (name: uint8 [1, height, width, 3]) and
    'files' (name: bytes).

    Raises:
      UserError: as `add`.
    """
    self._work.wait()
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
